"""A van as the control room meets it: written from the message types and the order of its gate, with the real seal.

Simulates: a retained signed state with a will beside it, an outbox that says each message again until a receipt of the
control room names it, and a gate. Knows nothing of how a real van decides or stores.
"""

from __future__ import annotations

import socket
import threading
import time
import uuid
from datetime import datetime, timezone
from typing import Any, cast

import msgspec
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from firmware import envelope
from firmware.envelope import EnvelopeError
from firmware.match.seal import Sealer
from firmware.messages import (
    Answer,
    AuditRecord,
    Command,
    Counters,
    Details,
    Health,
    Hint,
    MatchEvent,
    Mode,
    Outcome,
    Receipt,
    State,
    Versions,
)
from firmware.policy.table import CommandName
from firmware.policy.trust import load_policy
from firmware.topics import topic
from tests.control.stage import PATIENCE_S, VAN, Keys, wait_until

DECIDED, EXPIRES = "2026-03-01T12:00:00.000+00:00", "2026-03-01T12:01:00.000+00:00"
MODES: dict[str, Mode] = {"pause": "paused", "resume": "seeing", "stop": "stopped", "purge": "purged", "lock": "locked"}


def a_match(sequence: int = 1, **changes: Any) -> MatchEvent:
    event = MatchEvent(
        id=uuid.uuid4().hex,
        van=VAN,
        boot="ab" * 16,
        sequence=sequence,
        camera="front",
        entry="entry-31",
        category="court-order",
        similarity=0.71,
        threshold=0.55,
        margin=0.2,
        observations=3,
        first_t_ns=1_000,
        decided_t_ns=2_000,
        decided_utc=DECIDED,
        expires_at=EXPIRES,
        clock_trusted=True,
        watchlist_digest="sha256:aa",
        model_digest="sha256:bb",
        crop_jpeg=b"\xff\xd8" + bytes(500),
    )
    return msgspec.structs.replace(event, **changes)


def a_record(sequence: int = 1, **changes: Any) -> AuditRecord:
    record = AuditRecord(
        id=uuid.uuid4().hex,
        van=VAN,
        boot="ab" * 16,
        sequence=sequence,
        command="pause",
        command_id=uuid.uuid4().hex,
        by=("00" * 32,),
        reason="test",
        authority="",
        outcome="done",
        why="",
        mode="paused",
        uptime_s=5.0,
        at_utc=DECIDED,
        clock_trusted=True,
    )
    return msgspec.structs.replace(record, **changes)


def a_state(n: int = 1, **changes: Any) -> State:
    state = State(
        v=1,
        van=VAN,
        boot="ab" * 16,
        n=n,
        uptime_s=100.0 + n,
        said_utc=DECIDED,
        clock_trusted=True,
        mode="seeing",
        walled=True,
        alarms=0,
        entries=12,
        threshold=0.46,
        last_sequence=0,
        versions=Versions(kerbside="0.1.0", model="sha256:bb", watchlist="sha256:aa", policy="cc"),
        counters=Counters(frames=100, alerts=2, waiting=3),
    )
    return msgspec.structs.replace(state, **changes)


def details(**changes: Any) -> Details:
    return msgspec.structs.replace(Details(wall="no network", alarms=(), cameras={"front": "ok"}), **changes)


class SimulatedVan:
    """One van at one broker; ``state`` is what it says next of itself.

    Attributes:
        outbox: what was said and not yet receipted, by id.
        receipted: ids that a receipt of the control room named.
        executed: the commands that were done, in order.
    """

    def __init__(self, port: int, keys: Keys, van: str = VAN) -> None:
        self.van = van
        self.sealer = Sealer(keys.signer(van), (keys.reading_key.to_public(),))
        self.state = a_state(van=van, boot=uuid.uuid4().hex)
        self.outbox: dict[str, tuple[str, bytes]] = {}
        self.receipted: list[str] = []
        self.executed: list[Command] = []
        self.details = details(text="12 entries")
        self.silent = False
        self._policy = load_policy(keys.policy())
        self._born_s = time.monotonic()
        self._highest: dict[str, int] = {}
        self._lock = threading.Lock()
        self._subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=van, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.max_inflight_messages_set(100)
        hint = msgspec.json.encode(Hint(boot=self.state.boot))
        self._client.will_set(topic(van, "state"), hint, 1, retain=True)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._hear
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._client.subscribe([(topic(van, "cmd", "+"), 1), (topic(van, "ack", "+"), 1)])
        assert self._subscribed.wait(PATIENCE_S)

    def publish(self, where: str, payload: bytes, *, retain: bool = False) -> None:
        self._client.publish(where, payload, 1, retain=retain).wait_for_publish(PATIENCE_S)

    def say_state(self, **changes: Any) -> bytes:
        self.state = msgspec.structs.replace(
            self.state,
            **{
                "n": self.state.n + 1,
                "uptime_s": self.uptime_s(),
                "said_utc": datetime.now(timezone.utc).isoformat(),
                **changes,
            },
        )
        payload = self.sealer.state(self.state)
        self.publish(topic(self.van, "state"), payload, retain=True)
        return payload

    def say_health(self, **changes: Any) -> None:
        health = Health(state=self.state, details=details(**changes))
        self.publish(topic(self.van, "health"), self.sealer.health(health))

    def say_match(self, **changes: Any) -> MatchEvent:
        event = a_match(self._number(), **{"van": self.van, "boot": self.state.boot, **changes})
        self._say("match", event.id, self.sealer.match(event))
        return event

    def say_record(self) -> AuditRecord:
        record = a_record(self._number(), van=self.van, boot=self.state.boot)
        self._say("audit", record.id, self.sealer.audit(record))
        return record

    def say_again(self) -> None:
        """Everything without a receipt, as after a lost connection."""
        with self._lock:
            waiting = list(self.outbox.values())
        for where, payload in waiting:
            self._client.publish(where, payload, 1)

    def uptime_s(self) -> float:
        return 1000.0 + time.monotonic() - self._born_s

    def wait_for_receipts(self) -> None:
        wait_until(lambda: not self.outbox, f"receipts for {len(self.outbox)} messages")

    def vanish(self) -> None:
        """Power lost: the broker publishes the will."""
        peer = cast("socket.socket", self._client.socket())
        self._client.loop_stop()
        peer.shutdown(socket.SHUT_RDWR)

    def leave(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _number(self) -> int:
        self.state = msgspec.structs.replace(self.state, last_sequence=self.state.last_sequence + 1)
        return self.state.last_sequence

    def _say(self, channel: Any, message_id: str, payload: bytes) -> None:
        with self._lock:
            self.outbox[message_id] = (topic(self.van, channel), payload)
        self._client.publish(topic(self.van, channel), payload, 1)

    def _hear(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        kind = message.topic.split("/")[3]
        {"ack": self._take_receipt, "cmd": self._obey}[kind](bytes(message.payload))

    def _take_receipt(self, payload: bytes) -> None:
        signed = envelope.read(payload)
        assert signed.payload_type == envelope.RECEIPT
        assert self._policy.signed_by_control_room(signed)
        receipt = msgspec.json.decode(signed.payload, type=Receipt)
        assert receipt.van == self.van
        with self._lock:
            for message_id in receipt.ids:
                self.outbox.pop(message_id, None)
                self.receipted.append(message_id)

    def _obey(self, payload: bytes) -> None:
        if self.silent:
            return
        try:
            signed = envelope.read(payload)
            command = msgspec.json.decode(signed.payload, type=Command)
        except (EnvelopeError, msgspec.MsgspecError):
            return
        keyids = self._policy.signed_by(signed)
        name: CommandName = command.cmd  # type: ignore[assignment]
        rule = self._policy.table.rule(name, self.state.mode)
        if not self._policy.satisfies(rule, keyids):
            return  # as the real gate: who did not sign well is not answered
        checks = {
            "van": command.van != self.van,
            "boot": command.boot != self.state.boot,
            "expired": self.uptime_s() > command.exp_up,
            "counter": any(command.ctr <= self._highest.get(keyid, 0) for keyid in keyids),
        }
        why = next((reason for reason, holds in checks.items() if holds), "")
        if not why:
            self._highest.update(dict.fromkeys(keyids, command.ctr))
            self.executed.append(command)
            self.state = msgspec.structs.replace(self.state, mode=MODES.get(command.cmd, self.state.mode))
        self.answer(command, "refused" if why else "done", why)

    def answer(self, command: Command, outcome: Outcome, why: str = "") -> None:
        answer = Answer(
            v=1,
            id=command.id,
            van=self.van,
            boot=self.state.boot,
            uptime_s=self.uptime_s(),
            outcome=outcome,
            why=why,
            mode=self.state.mode,
            sealed=self.sealer.details(self.details),
        )
        self._client.publish(topic(self.van, "rsp", command.id), self.sealer.answer(answer), 1)
