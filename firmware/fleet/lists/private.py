"""Files that only their owner can read, written new or not at all. Knows modes and syncs; not what they hold."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class PrivateError(Exception):
    """A file cannot be written, exists already, or is open to others."""


def write_new(path: Path, content: bytes) -> None:
    """Write a file of mode 0600 and sync it; nothing is ever overwritten.

    Raises:
        PrivateError: it exists already, or the disk refuses.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise PrivateError(f"{path}: exists already and is not overwritten") from None
    except OSError as error:
        raise PrivateError(f"{path}: {error.strerror}") from error
    try:
        with os.fdopen(file, "wb") as output:
            output.write(content)
            output.flush()
            os.fsync(output.fileno())
    except OSError as error:
        raise PrivateError(f"{path}: {error.strerror}") from error


def refuse_open(path: Path) -> None:
    """Refuse a file or folder that others than its owner may read or write.

    Raises:
        PrivateError: missing, or of such a mode.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise PrivateError(f"{path}: {error.strerror}") from error
    if mode & 0o077:
        raise PrivateError(f"{path}: mode {mode:04o} lets others read it; at most 0700 is allowed")
