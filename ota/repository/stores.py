"""Where a published state goes: a folder, a USB stick, or an S3 store. Each writes a file whole or not at all.

Refuses to know what the files are and in which order they must appear.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

Sent = Callable[[int], None]
"""Told how many more bytes have gone."""
STICK = "kerbside"
"""The folder on a stick."""
_PIECE = 2**20


class StoreError(Exception):
    """A store could not be read or written; what was sent before stays. Names the store and the file."""


class Store(Protocol):
    """Files by name (``/`` between folders); one that appears is whole."""

    def read(self, name: str) -> bytes | None:
        """A file, or None."""

    def length(self, name: str) -> int | None:
        """A file's bytes, or None: it has to be sent."""

    def put(self, name: str, data: bytes) -> None:
        """Write a small file over whatever has its name."""

    def put_file(self, name: str, path: Path, sent: Sent) -> None:
        """Copy a large file."""

    def names(self, prefix: str) -> list[str]:
        """Files whose name begins so."""

    def remove(self, name: str) -> None:
        """Delete a file; nothing if it is gone."""

    def finish(self) -> None:
        """All has been sent."""


class DirectoryStore:
    """A folder, such as a web server's: each file is written beside its place, synced, then renamed."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, name: str) -> bytes | None:
        """A file, or None."""
        path = self._file(name)
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from error

    def length(self, name: str) -> int | None:
        """A file's bytes, or None."""
        path = self._file(name)
        return path.stat().st_size if path.is_file() else None

    def put(self, name: str, data: bytes) -> None:
        """Write a small file over whatever has its name."""
        with self._writing(name) as making:
            making.write_bytes(data)

    def put_file(self, name: str, path: Path, sent: Sent) -> None:
        """Copy a large file."""
        with self._writing(name) as making, path.open("rb") as source, making.open("wb") as target:
            while piece := source.read(_PIECE):
                target.write(piece)
                sent(len(piece))

    def names(self, prefix: str) -> list[str]:
        """Files whose name begins so."""
        found = (path.relative_to(self._root).as_posix() for path in self._root.rglob("*") if path.is_file())
        return sorted(name for name in found if name.startswith(prefix))

    def remove(self, name: str) -> None:
        """Delete a file; nothing if it is gone."""
        self._file(name).unlink(missing_ok=True)

    def finish(self) -> None:
        """Every file was in its place already."""

    def _file(self, name: str) -> Path:
        """Where a file lies: never outside of the folder, whatever somebody signed."""
        path = self._root / name
        if not path.resolve().is_relative_to(self._root.resolve()):
            raise StoreError(f"{name}: lies outside of {self._root}")
        return path

    @contextlib.contextmanager
    def _writing(self, name: str) -> Iterator[Path]:
        path = self._file(name)
        making = path.with_name(f".{path.name}.new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield making
            _sync(making)
            making.replace(path)
            _sync(path.parent)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from error


class StickStore(DirectoryStore):
    """A USB stick: always a whole new copy, which takes the old one's place in the end. Vans read it as ``file://``."""

    def __init__(self, mount: Path) -> None:
        self._place = mount / STICK
        self._making = mount / f".{STICK}.new"
        if not mount.is_dir():
            raise StoreError(f"{mount}: no such folder; is the stick mounted?")
        shutil.rmtree(self._making, ignore_errors=True)
        super().__init__(self._making)

    def read(self, name: str) -> bytes | None:
        """A file of the copy that is in its place."""
        return DirectoryStore(self._place).read(name)

    def length(self, name: str) -> int | None:
        """Nothing is there yet."""

    def finish(self) -> None:
        """Put the new copy in the old one's place."""
        old = self._place.with_name(f".{STICK}.old")
        try:
            shutil.rmtree(old, ignore_errors=True)
            if self._place.exists():
                self._place.rename(old)
            self._making.rename(self._place)
            _sync(self._place.parent)
            shutil.rmtree(old, ignore_errors=True)
        except OSError as error:
            raise StoreError(f"{self._place}: {error.strerror}") from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def open_store(where: str, endpoint: str = "") -> Iterator[Store]:
    """The store that ``where`` names: a folder, ``usb:/mount/point`` or ``s3://bucket/prefix``.

    Args:
        where: the place.
        endpoint: of an S3 store that is not Amazon's, as a URL.

    Raises:
        StoreError: it cannot be reached.
    """
    if where.startswith("s3://"):
        from ota.repository.s3 import open_bucket

        with open_bucket(where, endpoint) as bucket:
            yield bucket
    elif where.startswith("usb:"):
        yield StickStore(Path(where.removeprefix("usb:")))
    else:
        yield DirectoryStore(Path(where).expanduser())
