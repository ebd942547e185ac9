"""All that this van says, in words for the wire, numbered, sealed and, where it must not be lost, stored.

Knows the message types and this boot's numbers; refuses to know sockets, cameras and how a command is carried out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from firmware.match.gate import Order
from firmware.match.outbox import Outbox
from firmware.match.seal import Sealer
from firmware.match.threshold import Floors
from firmware.messages import (
    Answer,
    AuditRecord,
    Counters,
    Details,
    Health,
    MatchEvent,
    Memory,
    Mode,
    Outcome,
    State,
    Updates,
    Versions,
)
from firmware.policy.trust import Policy


@dataclass(frozen=True)
class Origin:
    """Who speaks: this van in this boot.

    Attributes:
        van: its id.
        boot: this boot's epoch, 32 hexadecimal digits.
        versions: what runs.
        uptime_s: monotonic seconds since this boot's start.
        now: wall clock; nothing on this machine vouches for it yet, so messages say ``clock_trusted: false``.
        new_id: makes ids that never repeat.
    """

    van: str
    boot: str
    versions: Versions
    uptime_s: Callable[[], float]
    now: Callable[[], datetime]
    new_id: Callable[[], str]


@dataclass(frozen=True)
class Snapshot:
    """The match process at one moment.

    Attributes:
        floors: what the least similarity is, and why.
        mode, entries, counters, release_key, memory, updates: as :class:`firmware.messages.State` has them.
        self_test_ago_s: seconds since the last self-test passed; None while none has.
        walled: it truly has no network; ``wall`` says so in words.
        alarms: what a person has to know, in words.
        cameras: their states in words, by name.
    """

    mode: Mode
    walled: bool
    wall: str
    alarms: tuple[str, ...]
    entries: int
    floors: Floors
    counters: Counters
    cameras: dict[str, str]
    release_key: str = ""
    memory: Memory = "open"
    updates: Updates | None = None
    self_test_ago_s: float | None = None

    def details(self, text: str = "") -> Details:
        """What only the recipients may read."""
        return Details(wall=self.wall, alarms=self.alarms, cameras=self.cameras, text=text)


@dataclass(frozen=True)
class Result:
    """What became of a command; ``text`` is for the recipients only."""

    outcome: Outcome
    why: str = ""
    text: str = ""


class Voice:
    """One boot's voice; any thread may call it.

    Args:
        origin: who speaks.
        sealer: encrypts and signs.
        outbox: holds what must not be lost.
    """

    def __init__(self, origin: Origin, sealer: Sealer, outbox: Outbox) -> None:
        self.origin = origin
        self.last_sequence = 0
        self._sealer = sealer
        self._outbox = outbox
        self._said = 0
        self._lock = threading.Lock()

    def given(self, model: str, watchlist: str) -> None:
        """The digests of what this boot looks with."""
        versions = msgspec.structs.replace(self.origin.versions, model=model, watchlist=watchlist)
        self.origin = replace(self.origin, versions=versions)

    def bound_by(self, calibration: str) -> None:
        """The digest of the calibration that says how a list may be used here; empty for none."""
        versions = msgspec.structs.replace(self.origin.versions, calibration=calibration)
        self.origin = replace(self.origin, versions=versions)

    def adopt(self, policy: Policy) -> None:
        """These may read from now on."""
        self._sealer = replace(self._sealer, recipients=policy.recipients)
        versions = msgspec.structs.replace(self.origin.versions, policy=policy.digest)
        self.origin = replace(self.origin, versions=versions)

    def possible_match(self, make: Callable[[str, int], MatchEvent]) -> MatchEvent:
        """Seal and store the event that ``make`` makes of an id and a sequence number."""
        with self._lock:  # numbers are stored in their order
            event = make(self.origin.new_id(), self._next_sequence())
            self._outbox.append(event.id, "match", self._sealer.match(event))
            return event

    def audit(self, order: Order, result: Result, mode: Mode) -> None:
        """Seal and store what became of an authentic command."""
        command, origin = order.command, self.origin
        with self._lock:
            record = AuditRecord(
                id=origin.new_id(),
                van=origin.van,
                boot=origin.boot,
                sequence=self._next_sequence(),
                command=order.name,
                command_id=command.id,
                by=tuple(sorted(order.by)),
                reason=command.reason,
                authority=command.authority,
                outcome=result.outcome,
                why=result.why,
                mode=mode,
                uptime_s=self._uptime_s(),
                at_utc=self._utc(),
                clock_trusted=False,
            )
            self._outbox.append(record.id, "audit", self._sealer.audit(record))

    def answer(self, order: Order, result: Result, snapshot: Snapshot) -> bytes:
        """The signed answer to an authentic command."""
        answer = Answer(
            v=1,
            id=order.command.id,
            van=self.origin.van,
            boot=self.origin.boot,
            uptime_s=self._uptime_s(),
            outcome=result.outcome,
            why=result.why,
            mode=snapshot.mode,
            sealed=self._sealer.details(snapshot.details(result.text)),
        )
        return self._sealer.answer(answer)

    def state(self, snapshot: Snapshot) -> State:
        """The manifest of this moment; each has a number of its own."""
        with self._lock:
            self._said += 1
            ago_s, uptime_s = snapshot.self_test_ago_s, self._uptime_s()
            return State(
                v=1,
                van=self.origin.van,
                boot=self.origin.boot,
                n=self._said,
                uptime_s=uptime_s,
                said_utc=self._utc(),
                clock_trusted=False,
                mode=snapshot.mode,
                walled=snapshot.walled,
                alarms=len(snapshot.alarms),
                entries=snapshot.entries,
                threshold=snapshot.floors.threshold,
                threshold_by=snapshot.floors.binding,
                last_sequence=self.last_sequence,
                versions=self.origin.versions,
                counters=snapshot.counters,
                release_key=snapshot.release_key,
                memory=snapshot.memory,
                updates=snapshot.updates,
                self_tested_s=0.0 if ago_s is None else max(0.0, uptime_s - ago_s),
            )

    def signed(self, state: State) -> bytes:
        """The manifest as it is retained."""
        return self._sealer.state(state)

    def health(self, state: State, snapshot: Snapshot) -> bytes:
        """The manifest with its details, for the recipients."""
        return self._sealer.health(Health(state=state, details=snapshot.details()))

    def _next_sequence(self) -> int:
        self.last_sequence += 1
        return self.last_sequence

    def _uptime_s(self) -> float:
        return round(self.origin.uptime_s(), 3)

    def _utc(self) -> str:
        return self.origin.now().isoformat(timespec="milliseconds")
