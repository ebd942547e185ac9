"""Files that the update agent offers, opened without trusting whoever named them. Knows files, sizes and digests;
refuses to know who signed them and what becomes of a list.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from firmware.handover import Offer
from ota.content import MAX_BYTES, Revocation

_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
"""A pipe would be waited for, and a link could lead anywhere."""
_PIECE = 2**20


class OfferError(Exception):
    """What is offered is wrong, and stays so; the text names the figure and the limit."""


class NotNow(Exception):
    """It cannot be told or done now: a file is not there, a disk is full. The text says why; it may go well later."""


@dataclass(frozen=True)
class Said:
    """What match says to an offer: see :class:`firmware.handover.Verdict`."""

    answer: Literal["taken", "later", "refused"]
    why: str = ""


@contextlib.contextmanager
def opened(offer: Offer) -> Iterator[int]:
    """A descriptor of the offered file, to read.

    Raises:
        OfferError: no plain file, or larger than its kind may be.
        NotNow: it cannot be opened.
    """
    try:
        descriptor = os.open(offer.path, _OPEN)
    except (OSError, ValueError) as error:
        is_link = isinstance(error, OSError) and error.errno == errno.ELOOP
        raise (OfferError if is_link else NotNow)(f"{offer.kind}: cannot be opened: {error}") from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OfferError(f"{offer.kind}: not a plain file")
        if not 0 < found.st_size <= MAX_BYTES[offer.kind]:
            raise OfferError(f"{offer.kind}: {found.st_size} bytes, at most {MAX_BYTES[offer.kind]}")
        yield descriptor
    finally:
        os.close(descriptor)


def of_list(offer: Offer) -> Said:
    """An encrypted list may be released when it is there; whoever opens it compares its digest.

    Raises:
        OfferError, NotNow: as :func:`opened`.
    """
    with opened(offer):
        return Said("taken")


def copy(offer: Offer, to: Path) -> None:
    """Have the offered bytes in a file of this van's own, where the agent cannot change them any more.

    Raises:
        OfferError: as :func:`opened`, or they are not those of the offered digest.
        NotNow: as :func:`opened`.
        OSError: the disk refused.
    """
    whole, left = hashlib.sha256(), MAX_BYTES[offer.kind]
    with opened(offer) as descriptor, to.open("wb") as file:
        while piece := os.read(descriptor, _PIECE):
            left -= len(piece)
            if left < 0:
                raise OfferError(f"{offer.kind}: more than {MAX_BYTES[offer.kind]} bytes")
            whole.update(piece)
            file.write(piece)
    if whole.hexdigest() != offer.sha256:
        raise OfferError(f"{offer.kind}: not the file that was signed")


def content(offer: Offer) -> bytes:
    """All of a small file.

    Raises:
        OfferError: as :func:`opened`, or it is not that of the offered digest.
        NotNow: as :func:`opened`.
        OSError: it cannot be read.
    """
    with opened(offer) as descriptor:
        data = os.read(descriptor, MAX_BYTES[offer.kind] + 1)
    if hashlib.sha256(data).hexdigest() != offer.sha256:
        raise OfferError(f"{offer.kind}: not the file that was signed")
    return data


def revocation(offer: Offer) -> Revocation:
    """What is revoked.

    Raises:
        OfferError: the file is not that of the offered digest, or says nothing that can be understood.
        NotNow: as :func:`opened`.
        OSError: it cannot be read.
    """
    try:
        return msgspec.json.decode(content(offer), type=Revocation)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise OfferError(f"revocation: outside the schema: {error}") from error
