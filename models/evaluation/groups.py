"""Groups of people, as they themselves agreed to be named. Knows labels' groups; refuses to see a picture.

A group is never inferred. One with fewer people than :data:`models.calibration.MIN_PEOPLE` says nothing of the group.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Callable

import numpy as np

from models.calibration import MIN_PEOPLE, GroupCurve
from models.evaluation.errata import Errata
from models.evaluation.faults import Fault, Kind
from models.evaluation.labelled import Labelled
from models.evaluation.report import EvaluationError
from models.evaluation.verification import fmr_curve, fnmr_curve

Groups = dict[str, str]
"""From label to group."""
_HEADER = ["label", "group"]
_NAME = re.compile(r"[\w .,/()+-]{1,64}\Z")


def read_groups(text: str, labels: set[str], tell: Callable[[Fault], None]) -> Groups:
    """Groups of labels from their CSV; what does not fit the set is told and left out.

    Raises:
        EvaluationError: no header, a line that means nothing, or a label that is in two groups.
    """
    header, *lines = list(csv.reader(text.splitlines())) or [[]]
    if header != _HEADER:
        raise EvaluationError(f"groups: the first line is not {','.join(_HEADER)}")
    groups = Groups()
    for number, line in enumerate(lines, 2):
        if not line:
            continue
        if len(line) != 2 or not _NAME.match(line[1]):
            raise EvaluationError(f"groups line {number}: expected LABEL,GROUP with a plain name, got {line}")
        label, group = line
        if groups.setdefault(label, group) != group:
            raise EvaluationError(f"groups line {number}: {label} is in {groups[label]} and in {group}")
    for label in sorted(groups.keys() - labels):
        tell(Fault(Kind.ABSENT_LABEL, label))
    for label in sorted(labels - groups.keys()):
        tell(Fault(Kind.NO_GROUP, label))
    return {label: group for label, group in groups.items() if label in labels}


def regrouped(groups: Groups, errata: Errata, tell: Callable[[Fault], None]) -> Groups:
    """The groups of labels that errata have made one; where theirs differ, it has none, and that is told."""
    now, merged = errata.label_of(groups.keys() | {name for pair in errata.same for name in pair}), defaultdict(set)
    for label, group in groups.items():
        merged[now[label]].add(group)
    for label, named in sorted(merged.items()):
        if len(named) > 1:
            tell(Fault(Kind.TWO_GROUPS, label, ", ".join(sorted(named))))
    return {label: min(named) for label, named in merged.items() if len(named) == 1}


def group_curves(labelled: Labelled, groups: Groups, tell: Callable[[Fault], None]) -> tuple[GroupCurve, ...]:
    """Each group compared within itself; of one with too few people only its size, and that is told.

    Args:
        labelled: all of the set.
        groups: of its labels.
        tell: of groups that are too small.
    """
    curves = list[GroupCurve]()
    for name in sorted(set(groups.values())):
        members = [number for number, label in enumerate(labelled.names) if groups.get(label) == name]
        within = labelled.only(np.isin(labelled.labels, members))
        if within.people < MIN_PEOPLE:
            tell(Fault(Kind.SMALL_GROUP, name, f"{within.people} people with a face found, at least {MIN_PEOPLE}"))
            curves.append(GroupCurve(name, within.people))
        else:
            curves.append(GroupCurve(name, within.people, fmr_curve(within), fnmr_curve(within)))
    return tuple(curves)
