"""What a release has to be for this van, and by which clock. Knows the figures that bound it; opens nothing.

A release is believed only at a time that signed metadata bounds, and only while the van has the news: otherwise a list,
or a key, may have been taken back without a word of it coming here.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from board.clock import BUILD_FLOOR, Clock, ClockError
from firmware.arguments import ReleaseList
from firmware.handover import Report
from firmware.match.opened import Wanted
from firmware.match.orders import StandingOrders
from firmware.match.revocations import Revocations
from firmware.match.threshold import Terms
from models.calibrated import Calibrated, Use
from models.calibration import CalibrationError
from ota.content import Custom, in_words

CHECKED_WITHIN_S = 24 * 3_600
"""A van that is kept from news for longer is not armed."""


class ReleaseRefused(Exception):
    """``why`` is a word of a closed list; the text is for the recipients."""

    def __init__(self, why: str, text: str = "") -> None:
        super().__init__(text)
        self.why = why


@dataclass(frozen=True)
class Standing:
    """What it is bound by.

    Attributes:
        clock: says what date it is, if anybody knows.
        orders: what the van was ordered to be.
        revocations: what is never to be used again.
    """

    clock: Clock
    orders: StandingOrders
    revocations: Revocations


@dataclass(frozen=True)
class Fit:
    """What a list has to be for this van, and what a calibration has to be for.

    Attributes:
        van: id of the key that it is for.
        use: what looks and compares here.
        dimension: of a template.
        max_entries: the longest list that this van takes.
    """

    van: str
    use: Use
    dimension: int
    max_entries: int


def wanted_of(asked: ReleaseList, fit: Fit, signed: Custom, now: int) -> Wanted:
    """What is to be opened, as two people signed it and as this van can use it.

    Raises:
        ReleaseRefused: the capsule is none.
    """
    return Wanted(
        capsule=_capsule(asked),
        sha256=asked.list,
        van=fit.van,
        space=fit.use.space,
        dimension=fit.dimension,
        now=now,
        max_entries=fit.max_entries,
        counter=signed.counter,
        not_before=signed.not_before,
        not_after=signed.not_after,
        deployment=signed.deployment,
        max_faces=signed.max_faces,
        min_similarity_milli=signed.min_similarity_milli,
    )


def fitting(calibrated: Calibrated | None, use: Use) -> Calibrated:
    """The calibration, if it is for what looks here.

    Raises:
        ReleaseRefused: there is none that is.
    """
    if calibrated is None:
        raise ReleaseRefused("no calibration", "nobody has said yet at which similarity this van may use which list")
    try:
        calibrated.refuse_other(use)
    except CalibrationError as error:
        raise ReleaseRefused("no calibration", str(error)) from error
    return calibrated


def refuse_ended(until: int, now: int) -> None:
    """Refuse to arm by a calibration after its signed end; both in seconds since the epoch.

    Raises:
        ReleaseRefused: says when it ended.
    """
    if now >= until:
        words = f"the time of the one that there is ended at {in_words(until)}, it is {in_words(now)}"
        raise ReleaseRefused("no calibration", words)


def why_unfit(calibrated: Calibrated | None, until: int, use: Use, clock: Clock) -> str:
    """Why nothing can be armed by it now, in words; empty where it can, or where only the date is missing."""
    try:
        fitting(calibrated, use)
        refuse_ended(until, clock.now())
    except ReleaseRefused as refusal:
        return f"{refusal.why}: {refusal}"
    except ClockError:
        return ""
    return ""


def terms(calibrated: Calibrated, entries: int, listed: float = 0.0) -> Terms:
    """Of a list of so many entries, whose signers ask for ``listed``.

    Raises:
        CalibrationError: it is longer than the calibration bears.
    """
    return Terms(calibrated.digest, calibrated.calibration.threshold_for(entries), listed)


def terms_of(calibrated: Calibrated, entries: int, signed: Custom) -> Terms:
    """On which a list of so many entries is used.

    Raises:
        ReleaseRefused: the calibration bears none as long.
    """
    try:
        return terms(calibrated, entries, signed.min_similarity_milli / 1_000)
    except CalibrationError as error:
        raise ReleaseRefused("list too long for its calibration", str(error)) from error


def trusted_now(report: Report | None, clock: Clock) -> int:
    """The date, if signed metadata bounds it and was looked at lately.

    Raises:
        ReleaseRefused: nobody knows the date, or the van is kept from news.
    """
    if report is None:
        raise ReleaseRefused("clock", "the update agent has not said yet how early it can be")
    clock.raise_floor(report.floor)
    try:
        now = clock.now()
    except ClockError as error:
        raise ReleaseRefused("clock", str(error)) from error
    _refuse_unchecked(report, now)
    return now


def _refuse_unchecked(report: Report, now: int) -> None:
    if report.fault == "clock" or report.floor < BUILD_FLOOR or report.checked == 0:
        raise ReleaseRefused("clock", f"the agent's floor is {report.floor}, checked {report.checked} {report.fault}")
    if now - report.checked > CHECKED_WITHIN_S:
        hours = (now - report.checked) / 3_600
        raise ReleaseRefused("not checked lately", f"the last check was {hours:.0f} hours ago, at most 24 are allowed")


def _capsule(asked: ReleaseList) -> bytes:
    try:
        return base64.b64decode(asked.capsule, validate=True)
    except ValueError as error:
        raise ReleaseRefused("wrong key", "the capsule is no base64") from error
