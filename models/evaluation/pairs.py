"""Pairs of photographs to be told apart, as LFW gives them. Knows the file's format; no picture and no template.

``Name i j`` or ``Name i Other j``, with tabs, after a line ``FOLDS PAIRS`` (each fold has so many pairs of either kind)
or without one: then a fold begins where a pair of one label follows a pair of two. (Huang et al., Labeled Faces in the
Wild, UMass Amherst 07-49, 2007; http://vis-www.cs.umass.edu/lfw/README.txt)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import PurePath

from models.evaluation.faults import Fault, Kind
from models.evaluation.report import EvaluationError


@dataclass(frozen=True)
class Pair:
    """Two photographs, by their names LABEL/FILE.

    Attributes:
        one, other: what is compared.
        same: whether both are of one label.
        fold: which it belongs to, from 0.
    """

    one: str
    other: str
    same: bool
    fold: int


def read_pairs(text: str, names: Iterable[str], tell: Callable[[Fault], None]) -> tuple[Pair, ...]:
    """The pairs of a file; those with a picture that the set does not have are told and left out.

    Raises:
        EvaluationError: a line that is no pair, or fewer than two folds.
    """
    files = {(PurePath(name).parent.name, PurePath(name).stem): name for name in names}
    lines = [line.rstrip("\r").split("\t") for line in text.split("\n") if line.strip()]
    size = _pairs_of_a_kind(lines)
    found, fold, before = list[Pair](), 0, True
    for number, words in enumerate(lines[1:] if size else lines):
        one, other, same = _named(words)
        fold = number // (2 * size) if size else fold + (same and not before)
        before = same
        absent = [f"{label}/{stem}" for label, stem in (one, other) if (label, stem) not in files]
        if absent:
            tell(Fault(Kind.ABSENT_PAIR, ", ".join(absent)))
        else:
            found.append(Pair(files[one], files[other], same, fold))
    if fold < 1:
        raise EvaluationError("pairs: one fold, but a threshold is chosen on the other folds")
    return tuple(found)


def _pairs_of_a_kind(lines: list[list[str]]) -> int:
    """Of a fold, where the first line says it; else 0."""
    first = lines[0] if lines else []
    return int(first[1]) if len(first) == 2 and all(word.isdecimal() for word in first) else 0


def _named(words: list[str]) -> tuple[tuple[str, str], tuple[str, str], bool]:
    same = len(words) == 3
    numbers = words[1:] if same else words[1::2]
    if len(words) not in {3, 4} or not all(number.isdecimal() for number in numbers):
        raise EvaluationError(f"pairs: expected 'Name i j' or 'Name i Other j' with tabs, got {' '.join(words)!r}")
    one, other = words[0], words[0 if same else 2]
    return (one, f"{one}_{int(numbers[0]):04d}"), (other, f"{other}_{int(numbers[1]):04d}"), same
