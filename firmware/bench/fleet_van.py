"""A simulated van: its states, its events until they are receipted, and what it believes of what it hears.

Knows the real messages and seals; refuses to know cameras, disks and where the broker is.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import msgspec
from securesystemslib.signer import SSlibKey

from firmware import envelope
from firmware.bench.fleet_line import Door, Line
from firmware.bench.fleet_papers import Papers
from firmware.envelope import EnvelopeError
from firmware.messages import Hint, Receipt
from firmware.topics import topic

STATE_EVERY_S = 5.0
AGAIN_AFTER_S = 10.0
"""An event without a receipt for that long is sent again; no PUBACK counts."""


@dataclass
class Tally:
    """What all vans together said and heard; ``latency_s`` is from publishing an event to its receipt, in order."""

    states: int = 0
    events: int = 0
    again: int = 0
    receipted: int = 0
    refused: int = 0
    latency_s: list[float] = field(default_factory=list)


class Van:
    """One van on one line.

    Args:
        papers: its keys and events.
        room_key: whose receipts it believes.
        tally: where it counts.
    """

    def __init__(self, papers: Papers, door: Door, room_key: SSlibKey, tally: Tally) -> None:
        van = papers.van
        will = (topic(van, "state"), msgspec.json.encode(Hint(boot=papers.boot)))
        self.line = Line(door, van, (topic(van, "cmd", "+"), topic(van, "ack", "+")), will)
        self.line.on_up, self.line.on_message = self._came_up, self._heard
        self.n = 0
        self._papers, self._loop, self._room_key, self._tally = papers, door.loop, room_key, tally
        self._unsaid = iter(papers.events)
        self._waiting: dict[str, tuple[bytes, float]] = {}
        self._first_sent: dict[str, float] = {}

    @property
    def waiting(self) -> int:
        """Events without a receipt."""
        return len(self._waiting)

    def keep_saying_state(self, first_after_s: float) -> None:
        """From then on at a fixed pace, whether there is a connection or not."""
        self._loop.after(first_after_s, self._say_state_again)

    def say_event(self) -> None:
        """Tell the next event, now or as soon as there is a connection."""
        event, payload = next(self._unsaid)
        self._tally.events += 1
        self._first_sent[event] = time.monotonic()
        self._waiting[event] = payload, self._first_sent[event]
        self.line.publish(topic(self._papers.van, "match"), payload)

    def _say_state_again(self) -> None:
        self._loop.after(STATE_EVERY_S, self._say_state_again)
        self._say_state()
        self._send_waiting(older_than_s=AGAIN_AFTER_S)

    def _say_state(self) -> None:
        payload = self._papers.state(self.n + 1, time.monotonic())
        if self.line.publish(topic(self._papers.van, "state"), payload, retain=True):
            self.n += 1
            self._tally.states += 1

    def _came_up(self) -> None:
        self._say_state()
        self._send_waiting(older_than_s=0.0)

    def _send_waiting(self, older_than_s: float) -> None:
        now = time.monotonic()
        for event, (payload, sent) in list(self._waiting.items()):
            if now - sent >= older_than_s and self.line.publish(topic(self._papers.van, "match"), payload):
                self._waiting[event] = payload, now
                self._tally.again += 1

    def _heard(self, _topic: str, payload: bytes, retained: bool) -> None:  # noqa: FBT001
        now = time.monotonic()
        receipt = None if retained else self._believed(payload)
        if receipt is None:
            self._tally.refused += 1
            return
        for event in receipt.ids:
            if self._waiting.pop(event, None) is not None:
                self._tally.receipted += 1
                self._tally.latency_s.append(now - self._first_sent.pop(event))

    def _believed(self, payload: bytes) -> Receipt | None:
        """The receipt in an envelope that the control room signed for this van."""
        try:
            signed = envelope.read(payload)
            if signed.payload_type != envelope.RECEIPT or not envelope.signers(signed, [self._room_key]):
                return None
            receipt = msgspec.json.decode(signed.payload, type=Receipt)
        except (EnvelopeError, msgspec.MsgspecError, UnicodeDecodeError):
            return None
        return receipt if receipt.van == self._papers.van else None
