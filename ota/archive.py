"""A folder as one file, and back: tar in zstd, the same bytes for the same folder. Knows names, sizes and modes.

Refuses to know what the files are for, and to make anything but plain files below one folder: no link, device, absolute
or climbing name, no name twice, no more files or bytes than the limits say, whatever the archive claims. Headers are
read one block at a time (POSIX ustar), so an extended header cannot ask for memory.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

import zstandard

from ota.content import Kind
from ota.disk import Disk

_LEVEL = 10
_MAX_WINDOW = 2**27
"""What this side's compressor may ask for at most; a decoder holds one window."""
_BLOCK = tarfile.BLOCKSIZE
_PIECE = 2**20
_PLAIN, _PROGRAM = 0o644, 0o755
_MAX_NAME_BYTES = 255


class ArchiveError(Exception):
    """It cannot be packed, or must not be unpacked; the text names the file, the figure and the limit."""


@dataclass(frozen=True)
class Limits:
    """Most files, and most bytes of all of them together."""

    files: int
    bytes: int


LIMITS: dict[Kind, Limits] = {
    "model": Limits(files=64, bytes=2**30),
    "policy": Limits(files=64, bytes=2**22),
    "software": Limits(files=20_000, bytes=2 * 2**30),
}
"""Of what an archive of a kind may hold."""


@dataclass(frozen=True)
class _Entry:
    name: str
    size: int
    mode: int


def pack(folder: Path) -> bytes:
    """The folder's files by name; times, owners and empty folders are not kept.

    Raises:
        ArchiveError: it holds something that is not a plain file, a name that does not fit, or cannot be read.
    """
    plain = io.BytesIO()
    try:
        with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for path in _files(folder):
                info = tarfile.TarInfo(path.relative_to(folder).as_posix())
                info.size, info.mode = path.stat().st_size, _mode(path)
                with path.open("rb") as file:
                    tar.addfile(info, file)
    except (OSError, ValueError) as error:  # ValueError: a name that ustar cannot hold
        raise ArchiveError(f"{folder}: {error}") from error
    return zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(plain.getvalue())


def digest(folder: Path) -> str:
    """SHA-256 in hex over names, modes and contents: equal for a packed folder and what is unpacked of it.

    Raises:
        ArchiveError: as for :func:`pack`.
    """
    whole = hashlib.sha256()
    for path in _files(folder):
        of_file = hashlib.sha256()
        try:
            with path.open("rb") as file:
                while piece := file.read(_PIECE):
                    of_file.update(piece)
            line = f"{path.relative_to(folder).as_posix()}\0{_mode(path):o}\0{of_file.hexdigest()}\n"
        except OSError as error:
            raise ArchiveError(f"{path}: {error.strerror}") from error
        whole.update(line.encode())
    return whole.hexdigest()


def unpack(archive: Path, into: Path, limits: Limits, disk: Disk | None = None) -> None:
    """Make the folder ``into``, whole and on disk when this returns; before that it does not exist.

    A folder that is there already is replaced. ``into.part`` beside it is this function's own.

    Raises:
        ArchiveError: damaged, or it breaks a rule or a limit; nothing is left of it.
        OSError: the disk refused; nothing is left of it.
    """
    disk = disk or Disk()
    part = into.with_name(f"{into.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    disk.make(part)
    try:
        with archive.open("rb") as file:
            _write_all(file, part, limits, disk)
        for folder, _, _ in os.walk(part, topdown=False):
            disk.sync(Path(folder))
        shutil.rmtree(into, ignore_errors=True)
        disk.rename(part, into)
        disk.sync(into.parent)
    except zstandard.ZstdError as error:
        raise ArchiveError(f"{archive.name}: damaged compression: {error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write_all(file: IO[bytes], part: Path, limits: Limits, disk: Disk) -> None:
    plain = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW).stream_reader(file)
    names: set[str] = set()
    left = limits.bytes
    for entry, content in _entries(plain.read):
        if len(names) >= limits.files:
            raise ArchiveError(f"more than the {limits.files} files that are allowed")
        if entry.size > left:
            raise ArchiveError(f"{entry.name}: unpacks to more than the {limits.bytes} bytes that are allowed")
        if entry.name in names:
            raise ArchiveError(f"{entry.name}: stands twice")
        names.add(entry.name)
        left -= entry.size
        _write(part / entry.name, entry, content, disk)
    if not names:
        raise ArchiveError("holds no file")


def _write(path: Path, entry: _Entry, content: Iterator[bytes], disk: Disk) -> None:
    try:
        disk.make(path.parent)
        disk.write(path, b"")
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise ArchiveError(f"{entry.name}: is a file and a folder") from error
    for piece in content:
        disk.append(path, piece)
    path.chmod(entry.mode)
    disk.sync(path)


def _entries(read: Callable[[int], bytes]) -> Iterator[tuple[_Entry, Iterator[bytes]]]:
    """Each header with its content, which must be taken before the next."""
    while (block := _exactly(read, _BLOCK)) != bytes(_BLOCK):
        entry = _entry(block)
        yield entry, _content(read, entry)
        _exactly(read, -entry.size % _BLOCK)
    # tar pads to a record; only at the end of its frame does zstd compare the checksum.
    rest = _BLOCK
    while piece := read(_PIECE):
        rest += len(piece)
        if any(piece) or rest > tarfile.RECORDSIZE:
            raise ArchiveError("goes on after its end")


def _entry(block: bytes) -> _Entry:
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    except (tarfile.HeaderError, UnicodeDecodeError) as error:
        raise ArchiveError(f"damaged header: {error}") from error
    if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
        raise ArchiveError(f"{info.name[:_MAX_NAME_BYTES]!r}: type {info.type!r}, only plain files are allowed")
    if info.size < 0:
        raise ArchiveError(f"{info.name!r}: {info.size} bytes")
    return _Entry(_safe(info.name), info.size, _PROGRAM if info.mode & 0o100 else _PLAIN)


def _safe(name: str) -> str:
    """The name, if it stays below the folder and means the same to everybody."""
    parts = PurePosixPath(name).parts
    climbs = not parts or name.startswith("/") or ".." in parts or name != "/".join(parts)
    if climbs or "\\" in name or not name.isprintable() or max(len(part.encode()) for part in parts) > _MAX_NAME_BYTES:
        raise ArchiveError(f"{name[:_MAX_NAME_BYTES]!r}: not a plain name below the folder")
    return name


def _content(read: Callable[[int], bytes], entry: _Entry) -> Iterator[bytes]:
    left = entry.size
    while left:
        piece = read(min(left, _PIECE))
        if not piece:
            raise ArchiveError(f"{entry.name}: cut, {left} of {entry.size} bytes are missing")
        left -= len(piece)
        yield piece


def _exactly(read: Callable[[int], bytes], count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = read(count - len(data))
        if not piece:
            raise ArchiveError(f"cut: {len(data)} bytes where {count} were due")
        data += piece
    return data


def _files(folder: Path) -> list[Path]:
    """Every plain file, in the order of their names.

    Raises:
        ArchiveError: something else lies there.
    """
    found = sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix())
    for path in found:
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise ArchiveError(f"{path}: neither a plain file nor a folder")
    return [path for path in found if path.is_file()]


def _mode(path: Path) -> int:
    return _PROGRAM if path.stat().st_mode & 0o100 else _PLAIN
