"""What the fleet bench found: figures of each part, what they say, and one table.

Knows numbers and how to print them; refuses to know processes and connections.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import msgspec
from rich.table import Table

FULL_SHARE = 0.7
"""Of one core: how far a process that must not fall behind may be used. Mosquitto and the control room use one each."""


LEAST_CPU_S = 0.1
"""Less says nothing: the kernel counts in hundredths."""


class Latency(msgspec.Struct, frozen=True):
    """From publishing an event to its receipt at the van, in milliseconds."""

    p50_ms: float
    p95_ms: float
    p99_ms: float
    most_ms: float


class Cost(msgspec.Struct, frozen=True):
    """CPU seconds of one part of the bench: of the broker, the control room, and all simulated vans together."""

    broker_cpu_s: float
    room_cpu_s: float
    simulation_cpu_s: float


class Start(msgspec.Struct, frozen=True):
    """All vans connect as fast as they are let in: CONNECT, SUBSCRIBE, a signed state each."""

    wall_s: float
    connections_per_s: float
    cost: Cost


class Part(msgspec.Struct, frozen=True):
    """States and events for a time. ``events`` are counted when receipted."""

    wall_s: float
    states: int
    events: int
    states_per_s: float
    events_per_s: float
    latency: Latency
    cost: Cost


class Storm(msgspec.Struct, frozen=True):
    """The broker is killed and started again.

    Attributes:
        down_s: how long nobody listened.
        all_back_s: from listening again until every van was subscribed; each waits by chance, as on the road.
        all_receipted_s: from listening again until every event that was told meanwhile had its receipt.
        retained_after: vans whose state from before the kill was there for who subscribed first.
        autosave_s: how often the broker wrote its database.
    """

    down_s: float
    all_back_s: float
    all_receipted_s: float
    retained_after: int
    autosave_s: int


class FleetReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything.

    Attributes:
        events, receipted: of all parts; ``lost`` is what the control room never got or the vans heard nothing of.
        sent_again: events that were published more than once; ``repeated`` those that arrived more than once.
        refused: messages that a van or the control room did not believe.
        broker_rss_mb, broker_peak_mb: resident memory after the steady part, and its peak before the kill.
    """

    vans: int
    cores: int
    start: Start
    steady: Part
    burst: Part
    storm: Storm
    events: int
    receipted: int
    lost: int
    sent_again: int
    repeated: int
    refused: int
    broker_rss_mb: float
    broker_peak_mb: float

    @property
    def room_ms_per_event(self) -> float:
        """CPU of the control room for one event: all that it used in the burst, shared among its events."""
        return 1000 * self.burst.cost.room_cpu_s / max(1, self.burst.events)

    @property
    def vans_per_broker(self) -> int | None:
        """A straight line from the steady part to ``FULL_SHARE`` of a core; ``None`` where it was hardly used."""
        return _carried(self.vans, self.steady.cost.broker_cpu_s, self.steady.wall_s)

    @property
    def vans_per_room(self) -> int | None:
        """The same for one control-room process."""
        return _carried(self.vans, self.steady.cost.room_cpu_s, self.steady.wall_s)

    def to_json(self) -> str:
        """All figures, and those that are made from them."""
        made = {
            "room_ms_per_event": self.room_ms_per_event,
            "vans_per_broker": self.vans_per_broker,
            "vans_per_room": self.vans_per_room,
            "notes": NOTES,
        }
        return msgspec.json.format(msgspec.json.encode({**msgspec.to_builtins(self), **made})).decode()


NOTES = (
    "Plain TCP on loopback: TLS 1.3 and access lists would cost the broker more, at each connection and message.",
    "Events were sealed beforehand. All vans are one process: the simulation's share is no cost of the road's.",
    "What one process carries is a straight line from the steady part to 70 % of one core, and of CPU alone.",
)


def _carried(vans: int, cpu_s: float, wall_s: float) -> int | None:
    """To two digits: there are not more in it."""
    if cpu_s < LEAST_CPU_S:
        return None
    carried = vans * FULL_SHARE * wall_s / cpu_s
    digits = max(0, math.floor(math.log10(carried)) - 1)
    return int(carried // 10**digits * 10**digits)


def latency(seconds: Sequence[float]) -> Latency:
    """The quantiles of what was measured; zeros for nothing."""
    ordered = sorted(seconds) or [0.0]

    def at(share: float) -> float:
        return 1000 * ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]

    return Latency(at(0.5), at(0.95), at(0.99), 1000 * ordered[-1])


def table_of(report: FleetReport) -> Table:
    """The report for a terminal: one row a figure."""
    title = f"{report.vans} vans, one Mosquitto, one control room; {report.cores} cores for all"
    table = Table(title=title, show_header=False, caption="\n".join(NOTES))
    for name, value in (*_parts(report), *_whole(report)):
        table.add_row(name, value)
    return table


def _parts(report: FleetReport) -> Iterator[tuple[str, str]]:
    start, storm = report.start, report.storm
    yield "connect, subscribe, first state", f"{start.connections_per_s:.0f} vans/s ({start.wall_s:.1f} s)"
    for name, part in (("steady", report.steady), ("burst: every van at once", report.burst)):
        paces = f"{part.states_per_s:.0f} states/s, {part.events_per_s:.1f} events/s"
        yield name, f"{paces} ({part.events} receipted in {part.wall_s:.1f} s)"
        yield "  event to receipt", _times(part.latency)
        yield "  CPU of broker, control room, simulation", _shares(part)
    yield "broker killed", f"{storm.down_s:.1f} s down; once it listened again:"
    yield "  all vans back, all events receipted", f"{storm.all_back_s:.1f} s, {storm.all_receipted_s:.1f} s"
    kept = f"{storm.retained_after} of {report.vans}"
    yield "  vans' states that it still had", f"{kept} (it writes them every {storm.autosave_s} s)"


def _whole(report: FleetReport) -> Iterator[tuple[str, str]]:
    yield "events told, receipted, lost", f"{report.events}, {report.receipted}, {report.lost}"
    yield "sent again, arrived again, refused", f"{report.sent_again}, {report.repeated}, {report.refused}"
    yield "broker's memory: after steady, at most", f"{report.broker_rss_mb:.0f} MB, {report.broker_peak_mb:.0f} MB"
    yield "control room's CPU for one event", f"{report.room_ms_per_event:.2f} ms"
    for name, vans in (("broker", report.vans_per_broker), ("control-room process", report.vans_per_room)):
        yield f"so one {name} carries", "too little load to tell" if vans is None else f"about {vans} vans at this pace"


def _times(found: Latency) -> str:
    return (
        f"p50 {found.p50_ms:.0f} ms, p95 {found.p95_ms:.0f} ms, p99 {found.p99_ms:.0f} ms, most {found.most_ms:.0f} ms"
    )


def _shares(part: Part) -> str:
    cost = part.cost
    shares = (100 * cpu_s / part.wall_s for cpu_s in (cost.broker_cpu_s, cost.room_cpu_s, cost.simulation_cpu_s))
    return ", ".join(f"{share:.0f} %" for share in shares) + " of a core"
