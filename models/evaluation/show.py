"""An evaluation as tables for a terminal. Knows columns and signs of a percentage; computes no figure."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table

from models.evaluation.report import Evaluation, Identification, Reading, TailFit, Verification
from models.intervals import Rate


def tables(one: Evaluation) -> Iterator[Table]:
    """What was measured, the raw labels first."""
    yield _heading(one)
    yield from _reading(one.raw, "labels as they are")
    if one.reviewed is not None:
        yield from _reading(one.reviewed, f"reviewed labels: {one.same} merged, {one.dropped} pictures dropped")


def shown(rate: Rate | None) -> str:
    """As in ``0.81% [0.70%, 0.93%] of 4,321``."""
    if rate is None:
        return "-"
    return f"{_share(rate.rate)} [{_share(rate.low)}, {_share(rate.high)}] of {rate.trials:,}"


def _share(share: float) -> str:
    """Per cent, but of what is rare the power of ten."""
    return f"{share:.2%}" if share == 0 or share >= 1e-3 else f"{share:.2e}"


def _heading(one: Evaluation) -> Table:
    table = Table("evaluation", "", title="evaluation")
    table.add_row("model", one.model[:16])
    table.add_row("runner", one.runner)
    table.add_row("set", one.evaluation[:16])
    table.add_row("pictures", f"{one.files:,} files, {one.raw.images:,} with a face, {one.raw.people:,} people")
    for fault in one.faults:
        table.add_row("fault", f"{fault.count:,} {fault.kind}")
    return table


def _reading(one: Reading, name: str) -> Iterator[Table]:
    yield _verification(one.verification, name)
    if one.groups:
        yield _groups(one, name)
    if one.tail is not None:
        yield _tail(one.tail, name)
    if one.identification:
        yield _identification(one.identification, name)


def _verification(one: Verification, name: str) -> Table:
    title = f"comparisons, {name}: {one.non_mated:,} non-mated, {one.mated:,} mated of {one.mated_people:,} people"
    table = Table("wanted FMR", "threshold", "FMR", "FNMR", "mark", title=title)
    for point in one.points:
        threshold = "-" if point.threshold is None else f"{point.threshold:.4f}"
        table.add_row(f"{point.wanted:.0e}", threshold, shown(point.fmr), shown(point.fnmr), point.mark)
    if one.pairs is not None:
        missing = f"{one.pairs.without_face} without a face, {one.pairs.absent} absent"
        table.add_row("pairs", "of 9 folds", "right:", shown(one.pairs.correct), missing)
    return table


def _groups(one: Reading, name: str) -> Table:
    table = Table("group", "people", "threshold", "FMR", "FNMR", title=f"groups, {name}")
    wanted = [point.threshold for point in one.verification.points if point.threshold is not None]
    for group in one.groups:
        if not group.points:
            table.add_row(group.name, str(group.people), "-", "too few people", "-")
        for place, point in enumerate(group.points):
            if any(point.threshold - 0.01 < threshold <= point.threshold for threshold in wanted):
                fnmr = group.fnmr[place] if group.fnmr else None
                table.add_row(group.name, str(group.people), f"{point.threshold}", shown(point.fmr), shown(fnmr))
    return table


def _tail(one: TailFit, name: str) -> Table:
    shape = f"shape {one.shape:.3f} +- {one.shape_error:.3f}, scale {one.scale:.4f} +- {one.scale_error:.4f}"
    title = f"EXTRAPOLATED, {name}: {one.comparisons:,} above {one.above:.4f}, {shape}, misfit {one.misfit:.3f}"
    table = Table("FMR", "threshold", "95 % interval", title=title)
    for point in one.points:
        table.add_row(f"{point.wanted:.0e}", f"{point.threshold:.4f}", f"{point.low:.4f} to {point.high:.4f}")
    return table


def _identification(lists: tuple[Identification, ...], name: str) -> Table:
    columns = (
        "entries",
        "portraits",
        "mated, non-mated searches",
        "rank 1",
        "wanted FPIR",
        "TPIR, mean of draws",
        "of draws",
        "mark",
    )
    table = Table(*columns, title=f"searches, {name}")
    for one in lists:
        left = " *" if one.left_out else ""
        searches = f"{one.mated:,} of {one.mated_people:,}, {one.non_mated:,} of {one.non_mated_people:,} people"
        heads = (f"{one.entries:,}{left}", f"{one.portraits}", searches, f"{one.rank1:.2%}")
        for place, point in enumerate(one.points):
            tpir = f"{point.tpir:.2%} [{point.low:.2%}, {point.high:.2%}]" if point.draws else "-"
            draws = f"{point.least:.2%} to {point.most:.2%}" if point.draws else "-"
            table.add_row(*(heads if place == 0 else ("",) * 4), f"{point.wanted:.2%}", tpir, draws, point.mark)
    table.caption = "* everybody is enrolled; a non-mated search leaves the probe's own entry out"
    return table
