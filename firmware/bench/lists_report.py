"""What the bench of lists measured, as types, as JSON and as a table. Knows figures; measures nothing."""

from __future__ import annotations

import msgspec
from rich.table import Table

INSTALL_AND_ARM_S = 3.0
"""Budget of both together, for a list of 10,000."""


class Search(msgspec.Struct, frozen=True):
    """One probe against a list of this shape, on one core: median."""

    entries: int
    dimension: int
    probe_ms: float


class ListsReport(msgspec.Struct, frozen=True):
    """All of it; times are medians.

    Attributes:
        entries, dimension: of the list.
        runs: how many lists went the whole way, each to a newly started van.
        encrypted_bytes: of one list.
        offered_s: from the order to look for updates until the van says that it holds the list: metadata, download,
            digest, disk, and the offer to the match process.
        answered_s: from the release, as it is sent, until its ``done`` is there: the list is open in memory.
        seeing_s: from that until the van says that it looks with that list.
        peaks_mb: resident memory of the van's processes.
        search: how long a probe takes.
    """

    entries: int
    dimension: int
    runs: int
    encrypted_bytes: int
    offered_s: float
    answered_s: float
    seeing_s: float
    peaks_mb: dict[str, float]
    search: tuple[Search, ...]

    @property
    def install_and_arm_s(self) -> float:
        """From the order to look for updates until the van looks, less what the people take who release it."""
        return self.offered_s + self.answered_s + self.seeing_s

    def to_json(self) -> str:
        """One JSON object."""
        return msgspec.json.format(msgspec.json.encode(self)).decode()


def table_of(report: ListsReport) -> Table:
    """For a person."""
    title = f"a list of {report.entries} x {report.dimension}, published to armed, median of {report.runs}"
    table = Table("step", "figure", title=title)
    table.add_row("encrypted", f"{report.encrypted_bytes / 1e6:.1f} MB")
    table.add_row("told to look for updates -> offered", f"{report.offered_s:.2f} s")
    table.add_row("release sent -> done", f"{report.answered_s:.2f} s")
    table.add_row("done -> seeing with that list", f"{report.seeing_s:.2f} s")
    table.add_row("together", f"{report.install_and_arm_s:.2f} s, budget {INSTALL_AND_ARM_S:.0f} s for 10,000")
    for what, peak_mb in sorted(report.peaks_mb.items()):
        table.add_row(f"peak memory of {what}", f"{peak_mb:.0f} MB")
    for one in report.search:
        table.add_row(f"search, {one.entries} x {one.dimension}", f"{one.probe_ms:.2f} ms a probe, one core")
    return table
