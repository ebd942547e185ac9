"""Whether what the update agent offers was signed by those who may, and is no older than what was taken before.

Knows a trusted root, this van's id and the newest that was taken; refuses to know what is in any of it. The
agent has the network: of what it says, only where files lie is used.
"""

from __future__ import annotations

from pathlib import Path

from firmware.handover import Offer
from firmware.match.kept import Kept, Newest, Taken
from firmware.match.offers import NotNow, OfferError
from ota.content import MAX_STEP, Custom, Kind, in_words
from ota.evidence import ENDS, Asked, Evidence, EvidenceError, proved


class Proofs:
    """One van's; one thread uses it.

    Args:
        kept: remembers the newest.
        trusted_root: root metadata that came with the release.
        van: id of this van's key.
    """

    def __init__(self, kept: Kept, trusted_root: bytes, van: str) -> None:
        self._kept = kept
        self._root = trusted_root
        self._van = van

    def prove(self, offer: Offer, now: int | None) -> Evidence:
        """What enough people say of it.

        Args:
            offer: names a digest, and where metadata lies.
            now: seconds since the epoch; None where nobody knows.

        Raises:
            OfferError: it is not for this van, older than what was taken, or new and its signed time is over.
            NotNow: it is not proved by what lies there, or its signed time has not begun.
        """
        before = self._kept.newest.taken.get(offer.kind)
        is_new = before is None or before.sha256 != offer.sha256
        if is_new and now is None and offer.kind in ENDS:
            raise NotNow(f"{offer.kind}: nobody knows the time, and its signatures end with theirs")
        try:
            asked = Asked(offer.kind, offer.sha256, now if is_new else None)
            evidence = proved(asked, self._root, Path(offer.metadata))
        except EvidenceError as error:
            raise NotNow(f"not proved: {error}") from error
        if self._van not in evidence.custom.vans:
            raise OfferError(f"{offer.kind}: is not for this van")
        self._refuse_older(evidence, before, is_new=is_new)
        if is_new and now is not None and offer.kind in ENDS:  # a list is held to its window where it is opened
            _refuse_outside(offer.kind, evidence.custom, now)
        return evidence

    def took(self, offer: Offer, evidence: Evidence) -> None:
        """Take nothing older from now on.

        Raises:
            KeptError: it cannot be written down.
        """
        taken = Taken(offer.sha256, evidence.custom.counter)
        newest = self._kept.newest
        self._kept.raise_newest(
            Newest(evidence.root_version, evidence.targets_version, {**newest.taken, offer.kind: taken})
        )

    def _refuse_older(self, evidence: Evidence, before: Taken | None, *, is_new: bool) -> None:
        newest, counter = self._kept.newest, evidence.custom.counter
        if evidence.root_version < newest.root:
            raise OfferError(f"rollback: root v{evidence.root_version}, v{newest.root} was seen before")
        if evidence.root_version == newest.root and evidence.targets_version < newest.targets:
            raise OfferError(f"rollback: targets v{evidence.targets_version}, v{newest.targets} was seen before")
        lowest = 0 if before is None else before.counter
        if counter < lowest or (is_new and counter == lowest):
            raise OfferError(f"rollback: counter {counter} is not above {lowest}, which was taken before")
        if counter > lowest + MAX_STEP:
            raise OfferError(f"counter {counter} is more than {MAX_STEP} above {lowest}")


def _refuse_outside(kind: Kind, custom: Custom, now: int) -> None:
    if now < custom.not_before:
        raise NotNow(f"{kind}: its time begins at {in_words(custom.not_before)}, it is {in_words(now)}")
    if now >= custom.not_after:
        raise OfferError(f"{kind}: its time ended at {in_words(custom.not_after)}, it is {in_words(now)}")
