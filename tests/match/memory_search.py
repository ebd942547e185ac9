"""Every byte that another process has in memory, as its owner or root sees it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from pathlib import Path

_LINE = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)")
_PIECE = 64 * 2**20
_OVERLAP = 4096


def found_in_memory(pid: int, needles: Iterable[bytes]) -> list[bytes]:
    """Those of the needles, shorter than 4 KiB, that stand in a readable and writable mapping of the process."""
    left, found = set(needles), []
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for start, end in writable(pid):
            for at in range(start, end, _PIECE):
                with contextlib.suppress(OSError, ValueError, OverflowError):  # secret memory, or not there any more
                    memory.seek(at)
                    piece = memory.read(min(end - at, _PIECE + _OVERLAP))
                    here = [needle for needle in left if needle in piece]
                    found += here
                    left -= set(here)
    return found


def writable(pid: int) -> list[tuple[int, int]]:
    """Its mappings that can be read and written: start and end."""
    matches = map(_LINE.match, Path(f"/proc/{pid}/maps").read_text("utf-8").splitlines())
    parts = [match.groups() for match in matches if match is not None]
    return [(int(start, 16), int(end, 16)) for start, end, rights, _ in parts if rights.startswith("rw")]


def found_on_disk(folder: Path, needles: Iterable[bytes]) -> list[str]:
    """Files that hold one of the needles."""
    files = {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    return [str(path) for path, data in files.items() for needle in needles if needle in data]
