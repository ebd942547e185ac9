"""Put the runs of a bench together: medians, the worst of the counts, and one table.

Knows numbers and how to print them; refuses to know processes and videos.
"""

from __future__ import annotations

from statistics import median

import msgspec
from rich.table import Table

from firmware.bench.outcome import Summary


class Run(msgspec.Struct, frozen=True):
    """One run of one system: what it cost, how many listed walkers it found, and how many events were false."""

    summary: Summary
    found: int
    false: int


class SystemReport(msgspec.Struct, frozen=True):
    """All runs of one system, in order."""

    name: str
    runs: tuple[Run, ...]

    @property
    def fps(self) -> float:
        """Median frames per second."""
        return median(run.summary.fps for run in self.runs)

    @property
    def cpu_s(self) -> float:
        """Median CPU seconds for the whole video."""
        return median(run.summary.cpu_s for run in self.runs)

    @property
    def peak_rss_mb(self) -> float:
        """Median peak resident memory, in MB."""
        return median(run.summary.peak_rss_mb for run in self.runs)

    @property
    def found(self) -> int:
        """Listed walkers found in the worst run."""
        return min(run.found for run in self.runs)

    @property
    def false(self) -> int:
        """False events in the worst run."""
        return max(run.false for run in self.runs)


class BenchReport(msgspec.Struct, frozen=True, kw_only=True):
    """Every system on the same video; the first is Kerbside, the second the baseline, others follow."""

    video: str
    frames: int
    walkers: int
    listed: int
    list_size: int
    systems: tuple[SystemReport, ...]

    @property
    def kerbside(self) -> SystemReport:
        """The system under test."""
        return self.systems[0]

    @property
    def baseline(self) -> SystemReport:
        """The system that all are compared with."""
        return self.systems[1]

    @property
    def fps_ratio(self) -> float:
        """Kerbside's median frames per second over the baseline's."""
        return self.kerbside.fps / self.baseline.fps

    def to_json(self) -> str:
        """The runs as they are, and the medians and ratio made from them."""
        medians = {
            s.name: {
                "fps": s.fps, "cpu_s": s.cpu_s, "peak_rss_mb": s.peak_rss_mb, "found": s.found, "false": s.false,
            }
            for s in self.systems
        }  # fmt: skip
        document = {**msgspec.to_builtins(self), "medians": medians, "fps_ratio": self.fps_ratio}
        return msgspec.json.format(msgspec.json.encode(document)).decode()


def table_of(report: BenchReport) -> Table:
    """The report for a terminal: one row a system, medians of its runs, the ratio of frames per second last."""
    title = (
        f"{report.frames} frames at 1280x720, {report.walkers} walkers, {report.listed} of them listed, "
        f"a list of {report.list_size}; medians of {len(report.kerbside.runs)} runs"
    )
    table = Table(title=title)
    table.add_column("system")
    for head in ("frames/s", "ms/frame", "CPU s", "peak MB", "listed found", "false events", "ratio"):
        table.add_column(head, justify="right")
    for system in report.systems:
        table.add_row(
            system.name, f"{system.fps:.1f}", f"{1000 / system.fps:.2f}", f"{system.cpu_s:.1f}",
            f"{system.peak_rss_mb:.0f}", f"{system.found}/{report.listed}", str(system.false),
            f"{system.fps / report.baseline.fps:.2f}x",
        )  # fmt: skip
    return table
