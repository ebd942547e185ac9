"""What the wire's bench measured, as types, as JSON and as a table. Knows figures; measures nothing."""

from __future__ import annotations

import msgspec
from rich.table import Table


class RoundTrip(msgspec.Struct, frozen=True):
    """One event at a time: from the decision until its receipt was checked and its row deleted."""

    events: int
    p50_ms: float
    p95_ms: float


class Flow(msgspec.Struct, frozen=True):
    """Many events at once, until the last receipt."""

    events: int
    wall_s: float
    events_per_s: float


class WireReport(msgspec.Struct, frozen=True):
    """All of it.

    ``seal_ms``: encrypting and signing one event, median. ``flow``: sealed, stored and receipted, all processes up.
    ``drain``: a queue that waited on disk while link was away, from link's start. ``peaks_mb``: resident memory.
    """

    seal_ms: float
    round_trip: RoundTrip
    flow: Flow
    drain: Flow
    peaks_mb: dict[str, float]
    lost: int

    def to_json(self) -> str:
        """One JSON object."""
        return msgspec.json.format(msgspec.json.encode(self)).decode()


def table_of(report: WireReport) -> Table:
    """For a person."""
    trip, flow, drain = report.round_trip, report.flow, report.drain
    table = Table("the wire", "figure", title="decision to signed receipt: outbox, link, broker, receipt daemon")
    table.add_row("seal one event (age, then Ed25519)", f"{report.seal_ms:.2f} ms")
    table.add_row(f"one at a time, {trip.events} events", f"p50 {trip.p50_ms:.1f} ms, p95 {trip.p95_ms:.1f} ms")
    table.add_row(f"as fast as it can, {flow.events} events", f"{flow.events_per_s:.0f}/s ({flow.wall_s:.1f} s)")
    table.add_row(f"a queue of {drain.events} on disk", f"{drain.events_per_s:.0f}/s ({drain.wall_s:.1f} s)")
    for what, peak_mb in report.peaks_mb.items():
        table.add_row(f"peak memory of the {what}", f"{peak_mb:.0f} MB")
    table.add_row("lost", str(report.lost))
    return table
