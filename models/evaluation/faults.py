"""What can be wrong with an evaluation set: each kind in words, and where it was met. Knows names of files and labels.

A fault is never mended and never passed over: the terminal names it, the evaluation counts it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import Enum

import msgspec

from models.evaluation.report import FaultCount


class Kind(Enum):
    """Every kind, as the report calls it."""

    BESIDE = "files outside the labels' folders"
    NO_PICTURE = "files that are no picture by their name"
    NESTED = "folders inside a label's folder"
    EMPTY = "labels without a picture"
    TWICE = "pictures that lie under two labels, byte for byte"
    BROKEN = "pictures that cannot be read"
    NO_FACE = "pictures in which no face was found"
    SINGLE = "labels with one picture: good for non-mated comparisons only"
    ABSENT_LABEL = "labels of the groups' file that the set does not have"
    NO_GROUP = "labels without a group, where groups were given"
    TWO_GROUPS = "labels that errata make one, with different groups"
    SMALL_GROUP = "groups with too few people to say anything of them"
    ABSENT_PAIR = "pairs with a picture that the set does not have"
    ABSENT_ERRATUM = "errata of a label or picture that the set does not have"


class Fault(msgspec.Struct, frozen=True):
    """One.

    Attributes:
        kind: of fault.
        where: a file, label, group or line.
        words: what is known of it, with figure and limit; may be empty.
    """

    kind: Kind
    where: str
    words: str = ""


def counted(faults: Iterable[Fault]) -> tuple[FaultCount, ...]:
    """How many of each kind that came about, in the order of :class:`Kind`."""
    counts = Counter(fault.kind for fault in faults)
    return tuple(FaultCount(kind.value, counts[kind]) for kind in Kind if counts[kind])
