"""An evaluation as sections, headline and limits: what a page and a text both say. Knows words; computes nothing."""

from __future__ import annotations

from collections.abc import Iterator

from models.evaluation.detector import DetectorReport
from models.evaluation.report import Evaluation, Identification
from models.evaluation.rounding import in_words, share, wanted
from models.evaluation.section import Section, Table
from models.evaluation.tell_conditions import detector, peers, quality, speed, strata
from models.evaluation.tell_recognition import groups, searches, thresholds, verification

_HEADLINE_FMR = 1e-4
_HEADLINE_FPIR = 3e-3
_HEADLINE_ENTRIES = 1_000
_HEADLINE_WIDTH_PX = 40


def headline(one: Evaluation) -> Iterator[tuple[str, str]]:
    """The figures that a reader wants first: each in words, and what it is of."""
    for point in one.judged.verification.points:
        if point.wanted == _HEADLINE_FMR and point.fnmr is not None:
            what = f"FNMR at FMR {wanted(point.wanted)}, threshold {point.threshold:.3f}"
            yield share(point.fnmr), _marked(what, point.mark)
    if (pairs := one.raw.verification.pairs) is not None:
        told = f"{pairs.correct.trials:,} given pairs told apart, {len(pairs.folds)} folds, labels as they are"
        yield share(pairs.correct), told
    for listed in one.judged.identification:
        if listed.entries == _HEADLINE_ENTRIES and listed.portraits == 1 and not listed.left_out:
            yield from _found(listed)
    if one.conditions is not None and one.conditions.detector is not None:
        yield from _recalls(one.conditions.detector)


def sections(one: Evaluation) -> Iterator[Section]:
    """All, in the order in which they are read."""
    readings = [("as they are", one.raw)]
    if one.reviewed is not None:
        readings.append((f"reviewed: {one.same} merged, {one.dropped} photographs dropped", one.reviewed))
    yield _set(one)
    yield verification(tuple(readings))
    yield thresholds(one.judged)
    if one.judged.identification:
        yield searches(one.judged)
    yield groups(one.judged)
    if (beyond := one.conditions) is not None:
        if beyond.strata is not None:
            yield strata(beyond.strata)
        if beyond.detector is not None:
            yield detector(beyond.detector)
        if beyond.quality is not None:
            yield quality(beyond.quality)
        if beyond.speed is not None:
            yield speed(beyond.speed, one.runner)
        if beyond.peers is not None:
            yield peers(beyond.peers)
    yield Section("Limits", " ".join(_limits(one)))


def _marked(what: str, mark: str) -> str:
    return f"{what}; {mark}" if mark else what


def _found(listed: Identification) -> Iterator[tuple[str, str]]:
    for point in listed.points:
        if point.wanted == _HEADLINE_FPIR and point.draws:
            what = f"TPIR at FPIR {wanted(point.wanted)}, {listed.entries:,} entries, one photograph a search"
            yield in_words(point.tpir, point.low, point.high), _marked(what, point.mark)


def _recalls(one: DetectorReport) -> Iterator[tuple[str, str]]:
    for each in one.recalls:
        if each.width_px == _HEADLINE_WIDTH_PX:
            yield share(each.recall), f"of faces {each.width_px} px wide found on a frame, {each.canvas} canvas"


def _set(one: Evaluation) -> Section:
    rows = (
        ("model", one.model),
        ("template space", one.space),
        ("ran on", one.runner),
        ("set: sha256 over files, labels, groups, pairs, errata", one.evaluation),
        ("files", f"{one.files:,}"),
        ("photographs with a face; people", f"{one.judged.images:,}; {one.judged.people:,}"),
        *((f"fault: {fault.kind}", f"{fault.count:,}") for fault in one.faults),
    )
    return Section("What was measured", "", (Table(("", ""), rows),))


def _limits(one: Evaluation) -> Iterator[str]:
    judged = one.judged
    yield "Terms are those of ISO/IEC 19795-1; intervals are of 95 % and regard that comparisons share faces."
    yield f"The set can show no FMR below {judged.verification.smallest_fmr:.1e} (rule of three)."
    if judged.identification:
        least = min(listed.smallest_fpir for listed in judged.identification)
        yield f"Its searches can show no FPIR below {least:.1e}."
    yield (
        "Rates hold for photographs like those of the set. They are of single photographs; what a van decides is "
        "decided on a track, and a calibration tells that."
    )
    if judged.doubtful:
        yield f"{judged.doubtful:,} comparisons are so similar that a label of the set may be wrong."
    if judged.tail is not None:
        yield "A fitted tail is in the JSON; it is extrapolated, so no table here holds it."
