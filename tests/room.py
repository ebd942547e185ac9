"""A control room as small as it can be: it reads what the vans say, gives receipts, and orders.

It shares the formats with the van and nothing else, so it is an independent witness.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections import Counter
from typing import Any

import msgspec
import pyrage
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from firmware import envelope
from firmware.messages import (
    Answer,
    AuditRecord,
    CloudEvent,
    Command,
    Details,
    Health,
    MatchEvent,
    Receipt,
    State,
)
from firmware.policy.table import CommandName, load_table
from tests.keyring import KEYRING, Keyring
from tests.link.stage import PATIENCE_S, VAN, wait_until

TABLE = load_table()


class ControlRoom:
    """Who receives what one van says, each message of it as often as it comes.

    Args:
        port: of the broker on this machine.
        keyring: everybody's keys.
        receipts: whether it gives any.
    """

    def __init__(self, port: int, keyring: Keyring = KEYRING, *, receipts: bool = True) -> None:
        self.events: list[MatchEvent] = []
        self.audits: list[AuditRecord] = []
        self.states: list[State] = []
        self.details: list[Details] = []
        self.answers: dict[str, Answer] = {}
        self.answer_count: Counter[str] = Counter()
        self.hints: list[Any] = []
        self.received: Counter[str] = Counter()
        self.receipts = receipts
        self._keyring = keyring
        self._subscribed = threading.Event()
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id=f"room-{uuid.uuid4().hex}", protocol=MQTTProtocolVersion.MQTTv5
        )
        self._client.reconnect_delay_set(min_delay=1, max_delay=1)
        self._client.on_connect = lambda client, *_: client.subscribe([(f"lfr/v1/{VAN}/{end}", 1) for end in _HEARD])
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_disconnect = lambda *_: self._subscribed.clear()
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port, keepalive=20)
        self._client.loop_start()
        self.wait_for_subscription()

    @property
    def ids(self) -> list[str]:
        """Of the events, in the order in which each came first."""
        return [event.id for event in self.events]

    @property
    def duplicates(self) -> int:
        return sum(self.received.values()) - len(self.received)

    def wait_for_subscription(self) -> None:
        wait_until(self._subscribed.is_set, "subscription")

    def wait_for(self, *ids: str) -> None:
        wait_until(lambda: set(ids) <= set(self.ids), f"events {ids}, not {self.ids}")

    def state(self) -> State:
        wait_until(lambda: self.states, "a state")
        return self.states[-1]

    def order(self, cmd: CommandName, *holders: str, **changed: object) -> Answer:
        """Send a command and return the answer."""
        command = self.command(cmd, **changed)
        self.send(cmd, self.signed(command, *holders))
        wait_until(lambda: command.id in self.answers, f"the answer to {cmd}")
        return self.answers[command.id]

    def command(self, cmd: str, **changed: object) -> Command:
        state = self.state()
        plain = Command(
            v=1,
            id=uuid.uuid4().hex,
            van=VAN,
            boot=state.boot,
            ctr=uuid.uuid1().time >> 8,
            exp_up=state.uptime_s + 120.0,
            cmd=cmd,
            args={},
            reason="test",
        )
        return msgspec.structs.replace(plain, **changed)

    def signed(self, command: Command, *holders: str) -> bytes:
        first, *others = [self._keyring.people[holder] for holder in holders or ("operator-1",)]
        data = envelope.sign(msgspec.json.encode(command), envelope.COMMAND, first)
        for other in others:
            data = envelope.countersign(data, other)
        return data

    def send(self, cmd: CommandName, data: bytes, *, retain: bool = False) -> None:
        topic = f"lfr/v1/{VAN}/cmd/{TABLE.class_of(cmd, self.state().mode)}"
        self._client.publish(topic, data, qos=1, retain=retain).wait_for_publish(PATIENCE_S)

    def keyid(self, holder: str) -> str:
        return self._keyring.keyid(holder)

    def read(self, answer: Answer) -> Details:
        """What an answer holds for the recipients."""
        return msgspec.json.decode(pyrage.decrypt(answer.sealed, [self._keyring.reader]), type=Details)

    def leave(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        if message.payload == b"" or b"payloadType" not in message.payload:
            self.hints.append(json.loads(message.payload))
            return
        signed = envelope.read(bytes(message.payload))
        assert envelope.signers(signed, [self._keyring.van.public_key]), "the van did not sign this"
        self._take(message.topic.removeprefix(f"lfr/v1/{VAN}/"), signed.payload)

    def _take(self, topic: str, payload: bytes) -> None:
        if topic == "state":
            self.states.append(msgspec.json.decode(payload, type=State))
        elif topic.startswith("rsp/"):
            answer = msgspec.json.decode(payload, type=Answer)
            self.answers[answer.id] = answer
            self.answer_count[answer.id] += 1
        elif topic == "evt/health":
            self.details.append(self._opened(payload, Health).data.details)
        elif topic == "evt/match":
            self._keep(self.events, self._opened(payload, MatchEvent).data)
        else:
            self._keep(self.audits, self._opened(payload, AuditRecord).data)

    def _opened(self, payload: bytes, kind: Any) -> Any:
        return msgspec.json.decode(pyrage.decrypt(payload, [self._keyring.reader]), type=CloudEvent[kind])

    def _keep(self, into: list[Any], message: Any) -> None:
        self.received[message.id] += 1
        if self.received[message.id] == 1:
            into.append(message)
        if self.receipts:
            receipt = msgspec.json.encode(Receipt(v=1, van=VAN, ids=(message.id,)))
            data = envelope.sign(receipt, envelope.RECEIPT, self._keyring.people["control-room-1"])
            self._client.publish(f"lfr/v1/{VAN}/ack/{message.id}", data, qos=1)


_HEARD = ("evt/match", "evt/audit", "evt/health", "state", "rsp/+")
