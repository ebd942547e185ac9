"""The enrolment gate's table: each check with its figure, its limits and what it is there for. Knows figures only.

``refuse`` keeps a portrait off the list, ``warn`` shows it to whoever reviews the list. Names are those of the quality
components of ISO/IEC 29794-5 where they mean the same. Limits were set on 1,500 photographs of LFW, of which none is
refused for quality but for a second face or extreme turn, and on pictures of nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from models.portrait import DUPLICATE_SIMILARITY, MAX_RIVAL, MIN_SHARPNESS

Figures = dict[str, float]
"""Check to figure."""
PASSERS_BY = 10_000
"""What false alerts are foretold for."""


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        name: of the check, and of its figure.
        words: the fault, for people.
        side: whether the limits are the least or the most that is allowed.
        warn, refuse: limits; None where there is none of that kind.
        scale: the figure at which a bar is full.
        form: how the figure is written.
    """

    name: str
    words: str
    side: Literal["least", "most"]
    warn: float | None
    refuse: float | None
    scale: float
    form: str = ".2f"

    def breaks(self, figure: float, limit: float | None) -> bool:
        """Whether a figure is on the wrong side; one that is not a number always is."""
        if limit is None:
            return False
        return not (figure >= limit if self.side == "least" else figure <= limit)

    def write(self, figure: float) -> str:
        """The figure as people read it."""
        return format(figure, self.form)


class Finding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A check that a portrait did not pass, or passed with a warning.

    Attributes:
        check: its name; ``readable`` and ``face-found`` have no figure.
        words: fault, figure and limit.
        refused: whether it keeps the portrait off the list.
    """

    check: str
    words: str
    refused: bool = True


CHECKS: tuple[Check, ...] = (
    # name, words, side, warn, refuse, scale, form
    Check("single-face-present", "a second face, as prominent as", "most", 0.45, MAX_RIVAL, 1, ".0%"),
    # at 35 px an aligned face is as large as in the portrait; below, it is enlarged and invents nothing new
    Check("inter-eye-distance", "small: px between the eyes", "least", 35, 20, 90, ".1f"),
    Check("sharpness", "blurred: sharpness", "least", 0.45, MIN_SHARPNESS, 1),
    # warned of and never refused: a dark or a pale face is no fault of its portrait
    Check("luminance-low", "dark: mean brightness", "least", 0.22, None, 1),
    Check("luminance-high", "bright: mean brightness", "most", 0.78, None, 1),
    Check("under-exposure", "under-exposed: share of black pixels", "most", 0.20, 0.45, 1, ".0%"),
    Check("over-exposure", "over-exposed: share of white pixels", "most", 0.12, 0.30, 1, ".0%"),
    Check("dynamic-range", "flat: contrast", "least", 0.07, 0.03, 0.3),
    Check("head-pose-yaw", "turned aside: degrees", "most", 30, 50, 90, ".1f"),
    Check("head-pose-pitch", "looks up or down: degrees", "most", 15, 30, 90, ".1f"),
    Check("head-pose-roll", "leans: degrees", "most", 25, 60, 90, ".1f"),
    Check("landmark-plausibility", "landmarks fit no head: misfit", "most", 0.10, 0.20, 0.4),
    # the van chooses its shots by the same figure, and waits for a better one as long as it is below 0.4
    Check("unified-quality", "a shot that the van would not choose: quality", "least", 0.40, None, 1),
    # refused only where the van would not use such a shot either: the figure is the recogniser's own, with its faults
    Check("face-fullness", "hidden or turned: share of a face that the network saw", "least", 0.95, 0.65, 1),
    Check("image-age", "old: years since the image", "most", 5, 15, 20, ".1f"),
    # a child's face changes sooner
    Check("image-age-minor", "old for an entry under 18: years since the image", "most", 1, 3, 20, ".1f"),
    Check("blank-similarity", "says little: similarity to a picture of nothing", "most", 0.50, 0.65, 1),
    Check("mirror-stability", "unstable: similarity to its mirror image", "least", 0.90, 0.85, 1),
    Check("shift-stability", "unstable: similarity when moved by 2 px", "least", 0.90, 0.80, 1),
    Check("cohort-mean", "resembles everyone: similarity to the cohort's mean", "most", 0.50, 0.60, 1),
    Check("cohort-near", "matches everyone: share of the cohort near the threshold", "most", 0.01, 0.03, 0.1, ".2%"),
    # South Wales Police's procedure, quoted in R (Bridges) [2020] EWCA Civ 1058: 1 false alert in 1,000 at most
    Check("false-alerts", "false alerts foretold for 10,000 passers-by", "most", 1, None, 20, ".1f"),
    Check("false-alerts-least", "false alerts for 10,000 passers-by, at the least", "most", None, 10, 20, ".1f"),
    Check("near-duplicate", "the same picture as another entry: similarity", "most", None, DUPLICATE_SIMILARITY, 1),
)
BY_NAME = {check.name: check for check in CHECKS}


def look_alike(threshold: float) -> Check:
    """The one check whose limit is the list's: the similarity from which on its van speaks of a possible match."""
    return Check("look-alike", "the van cannot tell it from another entry: similarity", "most", threshold, None, 1)


def judge(figures: Figures) -> tuple[Finding, ...]:
    """What is to be said of a portrait's figures, in the table's order."""
    judged = ((check, figures[check.name]) for check in CHECKS if check.name in figures)
    return tuple(finding for check, figure in judged if (finding := finding_of(check, figure)) is not None)


def finding_of(check: Check, figure: float, beside: str = "") -> Finding | None:
    """What is to be said of one figure, if anything.

    Args:
        check: the row of the table.
        figure: what was measured.
        beside: which other entry it is about.
    """
    for limit, refused in ((check.refuse, True), (check.warn, False)):
        if limit is not None and check.breaks(figure, limit):
            about = f" ({beside})" if beside else ""
            words = f"{check.words} {check.write(figure)}{about}, at {check.side} {check.write(limit)}"
            return Finding(check.name, words, refused)
    return None
