"""Foretell false alerts from consented portraits of people who are on no list. Knows templates; refuses to know names.

A volunteer is one comparison, whatever the number of their pictures: the nearest counts. One portrait against the
threshold alone is stricter than a van, which needs agreeing shots and a margin, so the figures are on the safe side.
None seen in n comparisons does not mean none to come: the bound is the exact Poisson one, 3/n where none was seen (the
rule of three).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from firmware.fleet.lists.checks import PASSERS_BY, Figures
from firmware.fleet.lists.looks import Look
from models.faces import F32
from models.portrait import SUFFIXES

MIN_VOLUNTEERS = 100
"""With fewer, the bound on false alerts is above 1 in 33 whatever the portrait is like: it says nothing."""
NEAR = 0.1
"""Below the threshold by no more than this, a single shot agrees with an entry: the van's shot slack."""
_CONFIDENCE = 0.95
_BLOCK = 512


class CohortError(Exception):
    """The cohort cannot be used; the text says why."""


class Foretold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """False alerts for :data:`PASSERS_BY` passers-by, from comparisons.

    Attributes:
        seen: volunteers at or above the threshold.
        comparisons: volunteers in all.
        expected: for 10,000 passers-by.
        least, most: one-sided bounds of 95 % each.
    """

    seen: int
    comparisons: int
    expected: float
    least: float
    most: float

    @staticmethod
    def of(seen: int, comparisons: int) -> Foretold:
        """The Poisson bounds of a count."""
        by = PASSERS_BY / comparisons
        most = min(float(PASSERS_BY), _upper(seen) * by)
        return Foretold(seen, comparisons, seen * by, _lower(seen) * by, most)


@dataclass(frozen=True)
class Cohort:
    """Templates of people who agreed to be compared.

    Attributes:
        vectors: (n, d) f32 unit length, those of one volunteer side by side.
        starts: (volunteers) where each one's begin.
        digest: sha256 over the digests of the files.
        unfit: pictures without a usable face.
    """

    vectors: F32
    starts: npt.NDArray[np.intp]
    digest: str
    unfit: int

    def __len__(self) -> int:
        """Volunteers."""
        return len(self.starts)

    def nearest(self, templates: F32) -> F32:
        """(m, volunteers) similarities of templates (m, d); a volunteer's nearest picture counts."""
        result: F32 = np.maximum.reduceat(templates @ self.vectors.T, self.starts, axis=1)
        return result


@dataclass(frozen=True)
class Comparison:
    """A list against a cohort: each entry's figures, each one's false alerts, and the list's."""

    figures: tuple[Figures, ...]
    entries: tuple[Foretold, ...]
    whole: Foretold


def cohort_files(folder: Path) -> tuple[tuple[Path, str], ...]:
    """The pictures of a cohort with their volunteer: a folder in the folder is one, and so is a picture beside them.

    Raises:
        CohortError: no such folder.
    """
    if not folder.is_dir():
        raise CohortError(f"{folder}: no such folder of volunteers' pictures")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    return tuple((path, path.relative_to(folder).parts[0]) for path in files)


def refuse_few(folder: Path, volunteers: Iterable[str]) -> None:
    """Refuse a cohort that is too small before anybody's face is looked for.

    Raises:
        CohortError: too few volunteers.
    """
    count = len({*volunteers})
    if count < MIN_VOLUNTEERS:
        raise CohortError(f"{folder}: {count} volunteers, a folder each; at least {MIN_VOLUNTEERS} are needed")


def gather(looks: Iterable[Look], volunteers: Iterable[str]) -> Cohort:
    """The cohort of looks, in the order of their files.

    Raises:
        CohortError: too few volunteers with a face.
    """
    pairs = list(zip(looks, volunteers, strict=True))
    fit = [(look, volunteer) for look, volunteer in pairs if look.template]
    names = [volunteer for _, volunteer in fit]
    starts = [row for row, name in enumerate(names) if row == 0 or name != names[row - 1]]
    if len(starts) < MIN_VOLUNTEERS:
        raise CohortError(f"cohort: {len(starts)} volunteers with a face, at least {MIN_VOLUNTEERS} are needed")
    digest = hashlib.sha256("".join(sorted(look.sha256 for look, _ in fit)).encode()).hexdigest()
    vectors = np.stack([look.vector for look, _ in fit])
    return Cohort(vectors, np.array(starts, np.intp), digest, len(pairs) - len(fit))


def compare(templates: F32, cohort: Cohort, threshold: float) -> Comparison:
    """Each entry (m, d), m > 0, and the whole list, against the cohort at the van's threshold for this list."""
    middle = cohort.vectors.mean(axis=0)
    middle /= max(float(np.linalg.norm(middle)), 1e-9)
    alerted = np.zeros(len(cohort), bool)
    figures: list[Figures] = []
    entries: list[Foretold] = []
    for start in range(0, len(templates), _BLOCK):
        block = templates[start : start + _BLOCK]
        similarities = cohort.nearest(block)
        over = similarities >= threshold
        alerted |= over.any(axis=0)
        near = (similarities >= threshold - NEAR).mean(axis=1)
        for mean, share, seen in zip(block @ middle, near, over.sum(axis=1), strict=True):
            foretold = Foretold.of(int(seen), len(cohort))
            entries.append(foretold)
            figures.append(_figures(float(mean), float(share), foretold))
    return Comparison(tuple(figures), tuple(entries), Foretold.of(int(alerted.sum()), len(cohort)))


def _figures(mean: float, near: float, foretold: Foretold) -> Figures:
    return {
        "cohort-mean": mean,
        "cohort-near": near,
        "false-alerts": foretold.expected,
        "false-alerts-least": foretold.least,
    }


def _at_most(seen: int, mean: float) -> float:
    """How likely a Poisson count is at most ``seen``."""
    if mean == 0:
        return 1.0
    return sum(math.exp(count * math.log(mean) - mean - math.lgamma(count + 1)) for count in range(seen + 1))


def _root(seen: int, tail: float) -> float:
    """The mean at which a count is at most ``seen`` with a likelihood of ``tail``."""
    low, high = 0.0, 10.0 + 3 * seen
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(seen, middle) > tail else (low, middle)
    return high


def _upper(seen: int) -> float:
    return _root(seen, 1 - _CONFIDENCE)


def _lower(seen: int) -> float:
    return _root(seen - 1, _CONFIDENCE) if seen else 0.0
