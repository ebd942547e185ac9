"""Of which sort a failure is. Knows the public client's exceptions and our words for them; decides nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tuf.api import exceptions

from board.clock import ClockError
from ota.target import Fault, UpdateError

FAULTS: tuple[tuple[type[Exception], Fault], ...] = (
    (exceptions.ExpiredMetadataError, "expired"),
    (exceptions.UnsignedMetadataError, "not-signed"),
    (exceptions.BadVersionNumberError, "rollback"),
    (exceptions.RepositoryError, "refused"),
    (exceptions.DownloadLengthMismatchError, "refused"),
    (exceptions.DownloadError, "unreachable"),
    (ClockError, "clock"),
    (OSError, "disk"),  # the roads turn theirs into a DownloadError
)
"""The first that fits."""


@contextmanager
def sorted_out() -> Iterator[None]:
    """Turn what the public client, a road, the clock and the disk raise into an :class:`UpdateError`."""
    try:
        yield
    except tuple(kind for kind, _ in FAULTS) as error:
        fault = next(fault for kind, fault in FAULTS if isinstance(error, kind))
        raise UpdateError(fault, str(error)) from error
