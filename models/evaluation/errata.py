"""Faults of a set's labels that somebody has looked at. Knows names; refuses to find such faults by itself.

``same,LABEL_A,LABEL_B``: two labels are one human being. ``drop,LABEL/FILE``: this picture shows somebody else.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from models.evaluation.faults import Fault, Kind
from models.evaluation.photos import Photo
from models.evaluation.report import EvaluationError


@dataclass(frozen=True)
class Errata:
    """What was found.

    Attributes:
        same: pairs of labels.
        dropped: names of pictures.
    """

    same: tuple[tuple[str, str], ...] = ()
    dropped: frozenset[str] = frozenset()

    def label_of(self, labels: Iterable[str]) -> dict[str, str]:
        """What each label is called now: of those that are one, the first by name."""
        now = {label: label for label in labels}
        for one, other in self.same:
            first, gone = sorted((now[one], now[other]))
            now = {label: first if called == gone else called for label, called in now.items()}
        return now

    def relabelled(self, photos: Iterable[Photo]) -> dict[Photo, str]:
        """The pictures that are kept, each with its label's name."""
        kept = [photo for photo in photos if photo.name not in self.dropped]
        now = self.label_of({name for pair in self.same for name in pair})
        return {photo: now.get(photo.label, photo.label) for photo in kept}


def read_errata(text: str, labels: set[str], names: set[str], tell: Callable[[Fault], None]) -> Errata:
    """Errata from their CSV; those of what the set does not have are told and left out.

    Raises:
        EvaluationError: a line that means nothing.
    """
    same, dropped = list[tuple[str, str]](), set[str]()
    for number, line in enumerate(csv.reader(text.splitlines()), 1):
        if not line:
            continue
        kind, *rest = (word.strip() for word in line)
        if (kind, len(rest)) not in {("same", 2), ("drop", 1)}:
            raise EvaluationError(f"errata line {number}: expected 'same,LABEL_A,LABEL_B' or 'drop,LABEL/FILE': {line}")
        absent = [name for name in rest if name not in (labels if kind == "same" else names)]
        if absent:
            tell(Fault(Kind.ABSENT_ERRATUM, f"line {number}", ", ".join(absent)))
        elif kind == "same":
            same.append((rest[0], rest[1]))
        else:
            dropped.add(rest[0])
    return Errata(tuple(same), frozenset(dropped))
