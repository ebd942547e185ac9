"""Make a list of rows and looks: the gate's verdict on each, then the bundle. Knows no file, no clock and no network.

A portrait that the gate refuses is not on the list, and the records say why. Everything else about the list is refused
as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timezone

import numpy as np

from firmware.fleet.lists.checks import BY_NAME, Check, Figures, Finding, finding_of, judge, look_alike
from firmware.fleet.lists.cohort import Cohort, Foretold, compare
from firmware.fleet.lists.conflicts import Conflicts, conflicts
from firmware.fleet.lists.looks import Look
from firmware.fleet.lists.records import Listed, LookAlike, Refused, Rounding
from firmware.fleet.lists.rows import Row
from models.calibration import Calibration, CalibrationError
from models.faces import F32
from ota.bundle import F16, Bundle
from ota.content import Custom, ListEntry, ListHead

MAX_PAIRS = 500
"""Look-alikes that are shown; all are counted."""
_ROUNDED_AGAINST = 1_000
_YEAR_DAYS = 365.25


class ListError(Exception):
    """There is no list; the text names the fault, the figure and the limit."""


@dataclass(frozen=True)
class Candidate:
    """A row, what its portrait shows, and what was found so far."""

    row: Row
    look: Look
    figures: Figures
    findings: tuple[Finding, ...]
    foretold: Foretold | None = None

    @property
    def refused(self) -> bool:
        """Whether it is kept off the list."""
        return any(finding.refused for finding in self.findings)


@dataclass(frozen=True)
class Basis:
    """What a list is judged by.

    Attributes:
        space: digest of the networks that made the templates.
        calibration: says how long a list may be, and at which threshold it is used.
        cohort: None: what the list would do to passers-by is only known from the calibration.
    """

    space: str
    calibration: Calibration
    cohort: Cohort | None

    def threshold(self, entries: int, custom: Custom) -> float:
        """The van's, for a list of so many entries.

        Raises:
            ListError: the calibration bears none as long.
        """
        try:
            return max(self.calibration.threshold_for(entries), custom.min_similarity_milli / 1_000)
        except CalibrationError as error:
            raise ListError(str(error)) from error


@dataclass(frozen=True)
class Made:
    """A list and what the records say of it.

    Attributes:
        threshold: at which the van will use it, if nobody there asks for more.
        false_alerts_per_1000: most to expect among passers-by, by the calibration.
    """

    threshold: float
    false_alerts_per_1000: float
    bundle: Bundle
    listed: tuple[Listed, ...]
    refused: tuple[Refused, ...]
    look_alikes: tuple[LookAlike, ...]
    look_alikes_total: int
    foretold: Foretold | None
    rounding: Rounding


def make(rows: Sequence[Row], looks: Sequence[Look], custom: Custom, basis: Basis) -> Made:
    """The list of the portraits that pass the gate.

    Args:
        rows: the papers.
        looks: what each row's portrait shows.
        custom: window, vans and limits.
        basis: what it is judged by.

    Raises:
        ListError: no portrait is fit, or there are more than the list's limit, or than the calibration bears.
    """
    first_day = datetime.fromtimestamp(custom.not_before, timezone.utc).date()
    everyone = [_seen(row, look, first_day) for row, look in zip(rows, looks, strict=True)]
    # what is found below can only make the list shorter, and a shorter one is never used at a higher threshold
    candidates = sum(not candidate.refused for candidate in everyone)
    strictest = basis.threshold(max(1, min(candidates, basis.calibration.max_entries)), custom)
    everyone = _foretell(everyone, basis.cohort, strictest)
    everyone, found = _compare(everyone, strictest)
    stay = [candidate for candidate in everyone if not candidate.refused]
    if not stay:
        raise ListError(f"none of {len(rows)} portraits is fit" + _first(everyone))
    if len(stay) > custom.max_faces:
        raise ListError(f"{len(stay)} entries, at most {custom.max_faces} are allowed (max_faces)")
    threshold = basis.threshold(len(stay), custom)
    exact, cohort = _matrix(stay), basis.cohort
    half = exact.astype(np.float16)
    return Made(
        threshold=threshold,
        false_alerts_per_1000=basis.calibration.false_alerts(len(stay), threshold),
        bundle=Bundle(_head(stay, custom, basis.space), half, tuple(candidate.look.portrait for candidate in stay)),
        listed=tuple(_listed(candidate) for candidate in stay),
        refused=tuple(_refused(candidate) for candidate in everyone if candidate.refused),
        look_alikes=found[:MAX_PAIRS],
        look_alikes_total=len(found),
        foretold=compare(exact, cohort, threshold).whole if cohort is not None else None,
        rounding=_rounding(exact, half, cohort),
    )


def _first(everyone: list[Candidate]) -> str:
    refused = [f"; {one.row.file}: {one.findings[0].words}" for one in everyone if one.findings]
    return refused[0] if refused else ""


def _seen(row: Row, look: Look, first_day: date) -> Candidate:
    if look.unfit is not None:
        return Candidate(row, look, {}, (look.unfit,))
    years = (first_day - row.image_date).days / _YEAR_DAYS
    figures = {**look.figures, "image-age-minor" if row.minor else "image-age": years}
    return Candidate(row, look, figures, judge(figures))


def _foretell(everyone: list[Candidate], cohort: Cohort | None, threshold: float) -> list[Candidate]:
    """Add the cohort's figures to the portraits that are still candidates."""
    stay = [place for place, candidate in enumerate(everyone) if not candidate.refused]
    if cohort is None or not stay:
        return everyone
    told = compare(_matrix([everyone[place] for place in stay]), cohort, threshold)
    result = list(everyone)
    for place, fresh, foretold in zip(stay, told.figures, told.entries, strict=True):
        figures = {**everyone[place].figures, **fresh}
        result[place] = replace(everyone[place], figures=figures, findings=judge(figures), foretold=foretold)
    return result


def _compare(everyone: list[Candidate], threshold: float) -> tuple[list[Candidate], tuple[LookAlike, ...]]:
    """Refuse copies, and warn of look-alikes."""
    stay = [place for place, candidate in enumerate(everyone) if not candidate.refused]
    if len(stay) < 2:
        return everyone, ()
    found: Conflicts = conflicts(_matrix([everyone[place] for place in stay]), threshold)
    result, alike = list(everyone), look_alike(threshold)

    def note(row: int, other: int, check: Check, similarity: float) -> None:
        candidate = result[stay[row]]
        if check.name in candidate.figures:
            return  # the nearest was noted first; the pairs have them all
        finding = finding_of(check, similarity, result[stay[other]].row.ref)
        findings = (*candidate.findings, *((finding,) if finding else ()))
        result[stay[row]] = replace(candidate, figures={**candidate.figures, check.name: similarity}, findings=findings)

    for pair in found.copies:
        note(pair.second, pair.first, BY_NAME["near-duplicate"], pair.similarity)
    for pair in found.look_alikes:
        note(pair.first, pair.second, alike, pair.similarity)
        note(pair.second, pair.first, alike, pair.similarity)
    refs = [everyone[place].row.ref for place in stay]
    return result, tuple(LookAlike(refs[pair.first], refs[pair.second], pair.similarity) for pair in found.look_alikes)


def _matrix(candidates: list[Candidate]) -> F32:
    return np.stack([candidate.look.vector for candidate in candidates])


def _head(stay: list[Candidate], custom: Custom, space: str) -> ListHead:
    entries = tuple(
        ListEntry(
            ref=candidate.row.ref,
            category=candidate.row.category,
            not_after=min(candidate.row.expiry, custom.not_after),
            minor=candidate.row.minor,
        )
        for candidate in stay
    )
    return ListHead(
        space=space,
        vans=custom.vans,
        counter=custom.counter,
        not_before=custom.not_before,
        not_after=custom.not_after,
        deployment=custom.deployment,
        max_faces=custom.max_faces,
        min_similarity_milli=custom.min_similarity_milli,
        entries=entries,
    )


def _listed(candidate: Candidate) -> Listed:
    row = candidate.row
    return Listed(
        ref=row.ref,
        file=row.file,
        file_sha256=candidate.look.sha256,
        category=row.category,
        legal_basis=row.legal_basis,
        source=row.source,
        image_date=row.image_date,
        reviewer=row.reviewer,
        not_after=row.expiry,
        minor=row.minor,
        minor_rationale=row.minor_rationale,
        figures=candidate.figures,
        findings=candidate.findings,
        foretold=candidate.foretold,
    )


def _refused(candidate: Candidate) -> Refused:
    row = candidate.row
    return Refused(
        row=row.number,
        ref=row.ref,
        file=row.file,
        file_sha256=candidate.look.sha256,
        findings=candidate.findings,
    )


def _rounding(exact: F32, half: F16, cohort: Cohort | None) -> Rounding:
    """What fp16 does to similarities: with volunteers, who are far, and with entries, of whom one is near: itself."""
    others = exact[:_ROUNDED_AGAINST]
    if cohort is not None:
        others = np.concatenate([others, cohort.vectors[:_ROUNDED_AGAINST]])
    change = np.abs((half.astype(np.float32) - exact) @ others.T)
    return Rounding(float(change.max()), change.size)
