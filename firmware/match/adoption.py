"""Take a model, a calibration or a policy that came over the air, or refuse it and go on with what there was.

Knows the order: an own copy, look at it, write it down, use it; refuses to know how a network is proven and who may
sign.

A policy is in force at once, also while a list is armed: it is how a key is taken back. A model waits until no list is
armed, because a list is made for one model, and is used after a new start, so that two are never in use. A calibration
waits too: a list is used to its end on the terms on which it was armed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from firmware.handover import Offer
from firmware.match import offers
from firmware.match.kept import Copied, Kept
from firmware.match.offers import NotNow, OfferError, Said
from firmware.policy.table import PolicyError
from firmware.policy.trust import Policy, load_policy
from models.calibrated import Calibrated, Use
from models.calibration import CalibrationError
from models.manifest import ModelError
from ota.archive import ArchiveError


@dataclass(frozen=True)
class Change:
    """How what is taken comes into force.

    Attributes:
        prove: opens the networks of a folder and reproduces their golden vectors; raises ModelError where it cannot.
        is_armed: whether a list is in use.
        start_anew: ends this process, to be started again.
        swap: this policy is in force from now on.
        calibrate: this calibration is used at the next arming, if that is before a moment in seconds since the epoch.
        use: what looks and compares here; None until the networks are proven.
    """

    prove: Callable[[Path], None]
    is_armed: Callable[[], bool]
    start_anew: Callable[[], None]
    swap: Callable[[Policy], None]
    calibrate: Callable[[Calibrated, int], None]
    use: Callable[[], Use | None]


class Adoption:
    """One van's; one thread uses it. Offers are proved before they come here; what they name is hashed here.

    Args:
        kept: what it starts with.
        change: how that changes.
    """

    def __init__(self, kept: Kept, change: Change) -> None:
        self._kept = kept
        self._change = change

    def policy(self, offer: Offer) -> Said:
        """Whose signatures count from now on.

        Raises:
            OfferError: it cannot be used, whatever is done.
            NotNow, KeptError, OSError: it may be possible later; what was before stays.
        """
        if offer.sha256 == self._kept.policy:
            return Said("taken")
        with self._own_copy("policy", offer) as own:
            policy = load_policy(own)
            self._kept.keep("policy", offer.sha256, own)
        self._change.swap(policy)
        return Said("taken")

    def model(self, offer: Offer) -> Said:
        """What looks and compares after the next start.

        Raises:
            OfferError: it cannot be used, whatever is done.
            NotNow, KeptError, OSError: it may be possible later; what was before stays.
        """
        if offer.sha256 == self._kept.model:
            return Said("taken")
        if self._change.is_armed():
            return Said("later", "a list is armed, and it is made for the model in use")
        with self._own_copy("model", offer) as own:
            self._change.prove(own)
            self._kept.keep("model", offer.sha256, own)
        self._change.start_anew()
        return Said("taken")

    def calibration(self, offer: Offer) -> Said:
        """At which similarity a list may be used, from the next arming on.

        Raises:
            OfferError: it cannot be used, whatever is done.
            NotNow, KeptError, OSError: it may be possible later; what was before stays.
        """
        if (offer.sha256, offer.not_after) == (self._kept.calibration, self._kept.calibration_until):
            return Said("taken")
        if self._change.is_armed():
            return Said("later", "a list is armed, on the terms of the calibration in use")
        content = offers.content(offer)
        try:
            calibrated = Calibrated.read(content)
        except CalibrationError as error:
            raise OfferError(str(error)) from error
        self._kept.keep_calibration(content, offer.not_after)
        self._change.calibrate(calibrated, offer.not_after)
        return Said("taken", self._unfitting(calibrated))

    def _unfitting(self, calibrated: Calibrated) -> str:
        """It may be for a model that comes after it, so it is taken; who signed it for the wrong one has to know."""
        use = self._change.use()
        if use is None:
            return ""
        try:
            calibrated.refuse_other(use)
        except CalibrationError as error:
            return f"taken, but it is for another: {error}"
        return ""

    @contextlib.contextmanager
    def _own_copy(self, kind: Copied, offer: Offer) -> Iterator[Path]:
        """Where the agent cannot change it any more; it is gone again unless it was kept."""
        archive = self._kept.spare(kind, offer.sha256)
        try:
            offers.copy(offer, archive)
            yield self._kept.unpack(kind, offer.sha256, archive)
        except (PolicyError, ModelError, ArchiveError) as error:
            may_pass = isinstance(error.__cause__, OSError) and not isinstance(error.__cause__, FileNotFoundError)
            raise (NotNow if may_pass else OfferError)(str(error)) from error
        finally:
            self._kept.sweep()
