"""What the force keeps of how a list was made, to answer later for each entry. Knows papers and figures; no template.

It names references, files and grounds, and so is readable by its owner only. No picture and no template is in it: a
person who asks whether they were listed can be answered when the list itself is gone.
"""

from __future__ import annotations

from datetime import date

import msgspec

from firmware.fleet.lists.checks import Figures, Finding
from firmware.fleet.lists.cohort import Foretold
from ota.content import Category, Custom

FILE, CUSTOM = "manifest.json", "custom.json"


class Listed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An entry, its papers, and how its portrait did; ``foretold`` needs a cohort."""

    ref: str
    file: str
    file_sha256: str
    category: Category
    legal_basis: str
    source: str
    image_date: date
    reviewer: str
    not_after: int
    minor: bool
    minor_rationale: str
    figures: Figures
    findings: tuple[Finding, ...]
    foretold: Foretold | None = None


class Refused(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A row that is not on the list, and why."""

    row: int
    ref: str
    file: str
    file_sha256: str
    findings: tuple[Finding, ...]


class LookAlike(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Two references that the van cannot tell apart."""

    first: str
    second: str
    similarity: float


class CohortUsed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The background cohort; ``digest`` is over its files' digests."""

    volunteers: int
    unfit: int
    digest: str


class Rounding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The most that a similarity changed because templates are stored as fp16, and over how many comparisons."""

    most: float
    comparisons: int


class Records(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``manifest.json``.

    Attributes:
        built: seconds since the epoch, UTC.
        custom: what the signers vouch for.
        list_file, list_sha256: the encrypted list, as signers and vans see it.
        content_sha256: of the list before encryption.
        model, runner: digest of the networks; what ran them.
        threshold: at which a van will use the list, if nobody there asks for more.
        calibration: digest of the one that this follows from.
        false_alerts_per_1000: most to expect among passers-by of the worst-served group, by that calibration.
        cohort: None: built without one, and so without a forecast.
        foretold: for the whole list.
        look_alikes: the most alike; ``look_alikes_total`` counts all.
    """

    v: int = 1
    kerbside: str
    built: int
    custom: Custom
    list_file: str
    list_sha256: str
    content_sha256: str
    space: str
    model: str
    runner: str
    threshold: float
    calibration: str
    false_alerts_per_1000: float
    cohort: CohortUsed | None
    foretold: Foretold | None
    rounding: Rounding
    look_alikes: tuple[LookAlike, ...]
    look_alikes_total: int
    entries: tuple[Listed, ...]
    refused: tuple[Refused, ...]


def encode(value: msgspec.Struct) -> bytes:
    """Readable JSON."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
