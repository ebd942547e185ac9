"""A secret that never leaves this device, made when it is first asked for. Knows one file; not what it protects.

A file that others could have read or written is no secret: it is refused, not mended.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

KEY_BYTES = 32
Random = Callable[[int], bytes]


class DeviceKeyError(Exception):
    """The key cannot be had, or is not to be trusted; the text says why. What it would vouch for is not to be used."""


def device_key(path: Path, random: Random = os.urandom) -> bytes:
    """The device's key of 32 bytes.

    Args:
        path: of the file; made, for this user only, if there is none.
        random: n to n unpredictable bytes.

    Raises:
        DeviceKeyError: unreadable, of another user, open to others, or of another length.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make(path, random)
        return _read(path)
    except OSError as error:
        raise DeviceKeyError(f"{path}: {error.strerror}") from error


def _make(path: Path, random: Random) -> None:
    """Write it beside and link it: two processes that start together end up with one key, and a cut leaves none."""
    if path.is_symlink() or path.exists():
        return
    descriptor, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)  # readable by this user only
    beside = Path(name)
    with os.fdopen(descriptor, "wb") as file:
        file.write(random(KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(beside, path)
    except FileExistsError:
        pass  # the other process was first
    finally:
        beside.unlink()


def _read(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_mode & 0o077:
            mode = stat.filemode(facts.st_mode)
            raise DeviceKeyError(f"{path}: {mode} of user {facts.st_uid}; must be -rw------- of user {os.geteuid()}")
        key = file.read(KEY_BYTES + 1)
    if len(key) != KEY_BYTES:
        raise DeviceKeyError(f"{path}: holds {facts.st_size} bytes, a key has {KEY_BYTES}")
    return key
