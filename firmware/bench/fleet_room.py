"""The control room of the bench, a process of its own: verifies, decrypts, stores and receipts every event.

Knows the vans' public keys and one age key; refuses to know what the vans are simulated with. It is told its
orders in one line of JSON on its input, says ``ready``, works until the input ends, and prints its tally.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path
from typing import BinaryIO

import msgspec
import pyrage
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pyrage.x25519 import Identity
from securesystemslib.signer import CryptoSigner, SSlibKey

from firmware import envelope
from firmware.bench.fleet_line import Door, Line
from firmware.bench.fleet_loop import Loop
from firmware.envelope import EnvelopeError, PayloadType, Signed
from firmware.messages import CloudEvent, Hint, MatchEvent, Receipt, State
from firmware.topics import ROOT, topic

BATCH = 100
"""The most events that share one fsync."""
MOST_IDS = 100
"""In one receipt."""
_HINT = msgspec.json.encode(Hint(boot="")).partition(b",")[0]
_UNREADABLE = (EnvelopeError, pyrage.DecryptError, msgspec.MsgspecError, UnicodeDecodeError)


class Orders(msgspec.Struct, frozen=True):
    """Where the broker is, the room's throw-away keys, every van's public key, and the file that events go to."""

    port: int
    reading_key: str
    signer: str
    vans: dict[str, str]
    store: str


class RoomTally(msgspec.Struct):
    """What the room has: distinct and repeated events, messages that it did not believe, states, old states, wills."""

    events: int = 0
    repeated: int = 0
    refused: int = 0
    states: int = 0
    old_states: int = 0
    hints: int = 0


class Room:
    """Checks and stores what comes, a batch at a time.

    Args:
        keys: the verifying key of each van.
        reading_key: what events are encrypted to.
        store: opened for appending.
    """

    def __init__(self, keys: dict[str, SSlibKey], reading_key: Identity, store: BinaryIO) -> None:
        self.tally = RoomTally()
        self._keys, self._reading_key, self._store = keys, reading_key, store
        self._seen: set[str] = set()
        self._newest: dict[str, int] = {}

    def take(self, batch: list[tuple[str, bytes]]) -> dict[str, list[str]]:
        """Store the events among these (topic, payload); returns the ids to be receipted, by van. Counts the others."""
        due: dict[str, list[str]] = {}
        for name, payload in batch:
            van = name.removeprefix(f"{ROOT}/").partition("/")[0]
            try:
                if name == topic(van, "state"):
                    self._take_state(van, payload)
                else:
                    event = self._take_event(van, payload)
                    due.setdefault(van, []).append(event)
            except _UNREADABLE:
                self.tally.refused += 1
        if due:
            self._store.flush()
            os.fdatasync(self._store.fileno())
        return due

    def _take_event(self, van: str, payload: bytes) -> str:
        hidden = self._signed(van, payload, envelope.MATCH).payload
        cloud = msgspec.json.decode(pyrage.decrypt(hidden, [self._reading_key]), type=CloudEvent[MatchEvent])
        if cloud.data.van != van or cloud.id != cloud.data.id:
            raise EnvelopeError(f"{van} signed what {cloud.data.van} says")
        if cloud.id in self._seen:
            self.tally.repeated += 1
        else:
            self._seen.add(cloud.id)
            self.tally.events += 1
            self._store.write(payload + b"\n")
        return cloud.id

    def _take_state(self, van: str, payload: bytes) -> None:
        if payload.startswith(_HINT):
            self.tally.hints += 1
            return
        state = msgspec.json.decode(self._signed(van, payload, envelope.STATE).payload, type=State)
        if state.van != van:
            raise EnvelopeError(f"{van} signed a state of {state.van}")
        if state.n <= self._newest.get(van, 0):
            self.tally.old_states += 1
        else:
            self._newest[van] = state.n
            self.tally.states += 1

    def _signed(self, van: str, payload: bytes, payload_type: PayloadType) -> Signed:
        signed = envelope.read(payload)
        if van not in self._keys or signed.payload_type != payload_type:
            raise EnvelopeError(f"{signed.payload_type} of {van}")
        if not envelope.signers(signed, [self._keys[van]]):
            raise EnvelopeError(f"not signed by {van}")
        return signed


def receipts(due: dict[str, list[str]], signer: CryptoSigner) -> list[tuple[str, bytes]]:
    """The topic and the signed receipt for each van, in parts of ``MOST_IDS``."""
    parts = [(van, ids[i : i + MOST_IDS]) for van, ids in due.items() for i in range(0, len(ids), MOST_IDS)]
    return [
        (
            topic(van, "ack", ids[0]),
            envelope.sign(msgspec.json.encode(Receipt(v=1, van=van, ids=tuple(ids))), envelope.RECEIPT, signer),
        )
        for van, ids in parts
    ]


def run(orders: Orders, talk: BinaryIO) -> RoomTally:
    """Work until ``talk`` ends."""
    signer = CryptoSigner(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(orders.signer)))
    keys = {van: envelope.public_key(public) for van, public in orders.vans.items()}
    loop = Loop()
    line = Line(
        Door(loop, orders.port, random.Random(0).random),  # noqa: S311
        "control-room",
        (topic("+", "match"), topic("+", "state")),
        keeps=True,
    )
    arrived: list[tuple[str, bytes]] = []
    line.on_message = lambda name, payload, _retained: arrived.append((name, payload))
    line.on_up = lambda: print("ready", flush=True)
    ended: list[bool] = []
    loop.watch(talk.fileno(), lambda: ended.append(True))
    line.open()
    with Path(orders.store).open("ab") as store:
        room = Room(keys, pyrage.x25519.Identity.from_str(orders.reading_key), store)
        while not ended:
            loop.turn(0.5)
            before = 0
            while before < len(arrived) < BATCH:  # what waits already shares the fsync
                before = len(arrived)
                loop.turn(0.0)
            for name, payload in receipts(room.take(arrived), signer):
                line.publish(name, payload)
            arrived.clear()
    line.close()
    loop.close()
    return room.tally


if __name__ == "__main__":
    told = msgspec.json.decode(sys.stdin.buffer.readline(), type=Orders)
    print(msgspec.json.encode(run(told, sys.stdin.buffer)).decode(), flush=True)
