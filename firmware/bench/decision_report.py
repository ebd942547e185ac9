"""What rules of decision did with crowds, as rates with intervals. Knows counts; not how they came about."""

from __future__ import annotations

from collections import Counter

import msgspec
import numpy as np
from rich.table import Table

from firmware.bench.score import Score
from firmware.match.pipeline import Counters
from models.calibration import TrackPoint, TrackRates
from models.intervals import Rate, clustered, exact, smallest_shown


class Tally(msgspec.Struct, frozen=True):
    """One rule's counts, of all crowds.

    Attributes:
        found: listed walkers who were reported as themselves.
        listed: who walked.
        false_by_entry: events that named an entry who was not in the street, one count for each that was named so.
        others: walkers who are on no list.
        embeddings, tracks: templates made, and tracks that they were made for.
        entries: of all lists, that could be found.
        crowds: how many.
    """

    found: int = 0
    listed: int = 0
    false_by_entry: tuple[int, ...] = ()
    others: int = 0
    embeddings: int = 0
    tracks: int = 0
    entries: int = 0
    crowds: int = 0

    @staticmethod
    def of(score: Score, walkers: int, counters: Counters, entries: int) -> Tally:
        """Of one crowd, with a list of so many entries."""
        false = Counter(event.entry for event in score.false)
        return Tally(
            found=len(score.found),
            listed=score.listed,
            false_by_entry=tuple(sorted(false.values())),
            others=walkers - score.listed,
            embeddings=counters.embeddings,
            tracks=counters.tracks,
            entries=entries,
            crowds=1,
        )

    def __add__(self, other: Tally) -> Tally:
        """Of both."""
        mine, theirs = msgspec.structs.astuple(self), msgspec.structs.astuple(other)
        return Tally(*(one + another for one, another in zip(mine, theirs, strict=True)))

    @property
    def tpir(self) -> Rate:
        """True positive identification rate, of listed walkers."""
        return exact(self.found, self.listed)

    @property
    def fpir(self) -> Rate:
        """False events, of walkers who are on no list; as wide as the entries differ that are named falsely."""
        false = min(sum(self.false_by_entry), self.others)
        plain = exact(false, self.others)
        counts = np.zeros(max(self.entries, len(self.false_by_entry)), np.int64)
        counts[: len(self.false_by_entry)] = self.false_by_entry
        seen = np.full(len(counts), self.others // max(self.crowds, 1), np.int64)
        if not counts.sum() <= seen.sum():
            return plain
        by_entry, share = clustered(counts, seen), len(counts) / max(self.crowds, 1)
        return Rate(
            false, self.others, min(plain.low, by_entry.low * share), min(1.0, max(plain.high, by_entry.high * share))
        )

    @property
    def embeddings_a_track(self) -> float:
        """On average."""
        return self.embeddings / max(self.tracks, 1)

    @property
    def entries_a_list(self) -> int:
        """On average, rounded down: the fewer, the more each of them is to blame for a false event."""
        return self.entries // max(self.crowds, 1)

    def point(self, threshold: float) -> TrackPoint:
        """For a calibration."""
        return TrackPoint(threshold, self.tpir, self.fpir, round(self.embeddings_a_track, 3))


class DecisionReport(msgspec.Struct, frozen=True):
    """Every rule at one threshold, and the shipped one at several.

    Attributes:
        rules: tallies by name.
        tracks: rates by threshold.
        runner: that ran the networks.
        saved: share of pictures that a network did not have to see again for another rule.
    """

    rules: dict[str, Tally]
    tracks: TrackRates
    runner: str
    saved: float

    def to_json(self) -> str:
        """All of it."""
        return msgspec.json.format(msgspec.json.encode(self)).decode()


def tables_of(report: DecisionReport, threshold: float) -> tuple[Table, Table]:
    """The rules side by side at ``threshold``, and the shipped one by its threshold."""
    rules = Table(f"rule, at {threshold}", "listed found (TPIR)", "false events (FPIR)", "embeddings a track")
    for name, tally in report.rules.items():
        rules.add_row(name, *_cells(tally.tpir, tally.fpir, tally.embeddings_a_track))
    tracks = report.tracks
    least = smallest_shown(tracks.points[0].false.trials)
    sweep = Table(
        "threshold", "listed found (TPIR)", "false events (FPIR)", "embeddings a track",
        caption=f"{tracks.walkers} walkers, lists of {tracks.entries}; they cannot show an FPIR below {least:.2%}",
    )  # fmt: skip
    for point in tracks.points:
        sweep.add_row(f"{point.threshold:.2f}", *_cells(point.found, point.false, point.embeddings))
    return rules, sweep


def _cells(found: Rate, false: Rate, embeddings: float) -> tuple[str, str, str]:
    return _cell(found, ".1%"), _cell(false, ".2%"), f"{embeddings:.2f}"


def _cell(rate: Rate, form: str) -> str:
    return f"{rate.events} of {rate.trials}  {rate.rate:{form}} ({rate.low:{form}} to {rate.high:{form}})"
