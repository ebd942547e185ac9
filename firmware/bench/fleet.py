"""Simulated vans, one real Mosquitto and one control room: connect, speak, speak all at once, lose the broker.

Knows the parts and what is counted in each; refuses to know what a message says and how bytes move.
"""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from firmware import envelope
from firmware.bench import BenchError
from firmware.bench.fleet_broker import Mosquitto, Usage, find_mosquitto, usage
from firmware.bench.fleet_line import Door, Line
from firmware.bench.fleet_loop import Loop
from firmware.bench.fleet_papers import Advance, FleetSpec, Plan, prepare
from firmware.bench.fleet_report import Cost, FleetReport, Part, Start, Storm, latency
from firmware.bench.fleet_room import Orders, RoomTally
from firmware.bench.fleet_van import STATE_EVERY_S, Tally, Van
from firmware.envelope import EnvelopeError
from firmware.messages import State
from firmware.topics import topic

LIMIT_S = 90.0
"""For anything that should take seconds: connecting, draining, coming back."""
DOWN_S = 2.0
_STEP_S = 0.25
_QUIET_S = 0.5
_OTHER_FILES = 100
ROOT = Path(__file__).resolve().parents[2]


class ControlRoom:
    """The control room's process."""

    def __init__(self, orders: Orders) -> None:
        command = [sys.executable, "-m", "firmware.bench.fleet_room"]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdin is not None  # noqa: S101
        self._process.stdin.write(msgspec.json.encode(orders) + b"\n")
        self._process.stdin.flush()

    def usage(self) -> Usage:
        """What it has cost.

        Raises:
            BenchError: it ended by itself.
        """
        if self._process.poll() is not None:
            raise BenchError(f"the control room ended with exit code {self._process.returncode}")
        return usage(self._process.pid)

    def wait_until_ready(self) -> None:
        """Until it is subscribed.

        Raises:
            BenchError: it ended instead.
        """
        assert self._process.stdout is not None  # noqa: S101
        if self._process.stdout.readline() != b"ready\n":
            raise BenchError("the control room ended by itself")

    def end(self) -> RoomTally:
        """Let it finish; returns what it counted.

        Raises:
            BenchError: it failed.
        """
        out, _ = self._process.communicate(timeout=LIMIT_S)
        if self._process.returncode != 0:
            raise BenchError(f"the control room ended with exit code {self._process.returncode}")
        return msgspec.json.decode(out.splitlines()[-1], type=RoomTally)

    def kill(self) -> None:
        """End it, whatever it does; harmless when it has ended."""
        self._process.kill()
        self._process.communicate()


class Fleet:
    """The vans on their lines, and the parts of the bench in order."""

    def __init__(self, spec: FleetSpec, plan: Plan, broker: Mosquitto, room: ControlRoom, advance: Advance) -> None:
        self.loop = Loop()
        self.tally = Tally()
        chance = random.Random(spec.seed).random  # noqa: S311
        self._door = Door(self.loop, broker.port, chance)
        key = plan.room.public_key
        self.vans = [Van(papers, self._door, key, self.tally) for papers in plan.papers]
        self._spec, self._plan, self._broker, self._room, self._advance = spec, plan, broker, room, advance

    def start(self) -> Start:
        """Connect every van."""
        began, costs = time.monotonic(), self._costs()
        for van in self.vans:
            van.line.open()
        self._until("connecting", self._up, len(self.vans))
        wall_s = time.monotonic() - began
        return Start(wall_s, len(self.vans) / wall_s, self._since(costs))

    def steady(self) -> Part:
        """States at their pace, events as planned; ends when the planned time is over and every event is receipted."""
        for number, van in enumerate(self.vans):
            van.keep_saying_state(STATE_EVERY_S * number / len(self.vans))
        for due_s, number in self._plan.steady:
            self.loop.after(due_s, self.vans[number].say_event)
        seconds = self._spec.seconds
        began = time.monotonic()
        return self._part("steady", lambda: min(seconds, int(time.monotonic() - began)), seconds)

    def burst(self) -> Part:
        """Every van has an event in the same moment."""
        for van in self.vans:
            self.loop.after(0.0, van.say_event)
        before = self.tally.receipted
        return self._part("burst", lambda: self.tally.receipted - before, len(self.vans))

    def storm(self) -> Storm:
        """Kill the broker, let some vans have something to tell meanwhile, start it, wait until all is as before."""
        numbers = {van.line.name: van.n for van in self.vans}
        self._broker.kill()
        died = time.monotonic()
        for van in self.vans[: self._spec.away]:
            self.loop.after(DOWN_S / 2, van.say_event)
        self.loop.until(lambda: False, DOWN_S)
        self._door.shut = True
        self._broker.start()
        self.loop.until(self._broker.listens, LIMIT_S)
        listens = time.monotonic()
        probe = _Probe(self.loop, self._broker.port, self._plan, numbers)
        self.loop.until(lambda: probe.line.up, LIMIT_S)
        self._door.unlock()
        self._until("coming back", self._up, len(self.vans))
        back = time.monotonic()
        self._until("receipts", lambda: len(self.vans) - self._waiting(), len(self.vans))
        receipted = time.monotonic()
        self.loop.until(lambda: probe.silent_for_s() > _QUIET_S, LIMIT_S)
        probe.line.close()
        return Storm(listens - died, back - listens, receipted - listens, len(probe.found), self._spec.autosave_s)

    def close(self) -> None:
        """Say goodbye on every line."""
        for van in self.vans:
            van.line.close()
        self.loop.close()

    def _part(self, what: str, progress: Callable[[], int], total: int) -> Part:
        began, costs = time.monotonic(), self._costs()
        states, receipted = self.tally.states, self.tally.receipted
        self._until(what, progress, total)
        self._until(what, lambda: total - self._waiting(), total)
        wall_s = time.monotonic() - began
        states, events = self.tally.states - states, self.tally.receipted - receipted
        found = latency(self.tally.latency_s[receipted:])
        return Part(wall_s, states, events, states / wall_s, events / wall_s, found, self._since(costs))

    def _until(self, what: str, progress: Callable[[], int], total: int) -> None:
        """Go on until ``progress`` is ``total``.

        Raises:
            BenchError: it is not, after the time that was asked for and ``LIMIT_S``.
        """
        end = time.monotonic() + self._spec.seconds + LIMIT_S
        while not self.loop.until(lambda: progress() >= total, _STEP_S):
            if time.monotonic() > end:
                raise BenchError(f"{what}: {progress()} of {total} after {LIMIT_S:.0f} s")
            self._advance(what, progress(), total)
        self._advance(what, total, total)

    def _up(self) -> int:
        return sum(van.line.up for van in self.vans)

    def _waiting(self) -> int:
        return sum(van.waiting for van in self.vans)

    def _costs(self) -> Cost:
        return Cost(self._broker.usage().cpu_s, self._room.usage().cpu_s, time.process_time())

    def _since(self, before: Cost) -> Cost:
        now = self._costs()
        return Cost(*(getattr(now, name) - getattr(before, name) for name in Cost.__struct_fields__))


class _Probe:
    """Who subscribes first after the restart, and which vans' states from before it finds there."""

    def __init__(self, loop: Loop, port: int, plan: Plan, numbers: dict[str, int]) -> None:
        self.found: set[str] = set()
        self._numbers = numbers
        self._keys = {papers.van: papers.sealer.signer.public_key for papers in plan.papers}
        self._heard = time.monotonic()
        self.line = Line(Door(loop, port, lambda: 0.0), "probe", (topic("+", "state"),))
        self.line.on_message = self._hear
        self.line.open()

    def silent_for_s(self) -> float:
        """Since the last state that was kept."""
        return time.monotonic() - self._heard

    def _hear(self, name: str, payload: bytes, retained: bool) -> None:  # noqa: FBT001
        if not retained:
            return
        self._heard = time.monotonic()
        van = name.split("/")[-2]
        try:
            signed = envelope.read(payload)
        except EnvelopeError:
            return
        if envelope.signers(signed, [self._keys[van]]):
            state = msgspec.json.decode(signed.payload, type=State)
            self.found |= {van} if state.n <= self._numbers[van] else set()


def run_fleet(spec: FleetSpec, advance: Advance) -> FleetReport:
    """Run all parts with processes of its own, on loopback, and put the figures together.

    Raises:
        BenchError: mosquitto is missing, too few files may be opened, or a part did not come to its end.
    """
    find_mosquitto()
    _allow_files(spec.vans + _OTHER_FILES)
    plan = prepare(spec, advance)
    with tempfile.TemporaryDirectory(prefix="kerbside-fleet-") as folder:
        broker = Mosquitto(Path(folder), spec.autosave_s)
        try:
            broker.start()
            return _measured(spec, plan, broker, advance)
        finally:
            broker.stop()


def _measured(spec: FleetSpec, plan: Plan, broker: Mosquitto, advance: Advance) -> FleetReport:
    room = ControlRoom(_orders(plan, broker))
    try:
        room.wait_until_ready()
        fleet = Fleet(spec, plan, broker, room, advance)
        start, steady = fleet.start(), fleet.steady()
        after_steady = broker.usage()
        burst = fleet.burst()
        peak_mb = broker.usage().peak_mb
        storm = fleet.storm()
        fleet.close()
        has, tally = room.end(), fleet.tally
    finally:
        room.kill()
    return FleetReport(
        vans=spec.vans, cores=os.cpu_count() or 1, start=start, steady=steady, burst=burst, storm=storm,
        events=tally.events, receipted=tally.receipted, lost=tally.events - min(tally.receipted, has.events),
        sent_again=tally.again, repeated=has.repeated, refused=tally.refused + has.refused,
        broker_rss_mb=after_steady.rss_mb, broker_peak_mb=peak_mb,
    )  # fmt: skip


def _orders(plan: Plan, broker: Mosquitto) -> Orders:
    room = plan.room._private_key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())  # noqa: SLF001
    vans = {papers.van: envelope.public_hex(papers.sealer.signer) for papers in plan.papers}
    return Orders(broker.port, str(plan.reading_key), room.hex(), vans, str(broker.folder / "events"))


def _allow_files(count: int) -> None:
    """Raise this process's own limit of open files, which the broker inherits.

    Raises:
        BenchError: the system does not allow that many.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise BenchError(f"--vans: {count} open files are needed, {hard} are allowed (ulimit -Hn)")
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
