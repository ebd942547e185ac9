"""A disk that loses power between any two steps, and with it what was not synced; after the rules of a real one.

What ``fsync(2)`` and ``rename(2)`` leave open is decided by a seed: of a file that was not synced, any part of the new
bytes may be there, or zeros in their place, as ext4 leaves after delayed allocation; of the names in a folder that was
not synced, the first so many changes. A transaction is there or not: that is SQLite's promise, tested by its makers.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from ota.disk import Disk


class PowerCut(BaseException):
    """No code of ours may catch it: the machine is off."""


@dataclass
class Content:
    """A file's bytes, whatever its names: ``durable`` is what a power cut leaves."""

    data: bytes
    durable: bytes = b""
    synced: bool = False


@dataclass
class Folder:
    """Names as they are, as they would survive, and the changes between, in order."""

    names: dict[str, Content] = field(default_factory=dict)
    durable: dict[str, Content] = field(default_factory=dict)
    changes: list[tuple[str, Content | None]] = field(default_factory=list)


class FailingDisk(Disk):
    """Power fails at step ``fails_at``, counted from 0: before it, or, by the seed, after it. None: never."""

    def __init__(self, random: Random, fails_at: int | None) -> None:
        self._random = random
        self._fails_at = fails_at
        self._folders: dict[Path, Folder] = {}
        self.steps = 0

    def write(self, path: Path, data: bytes) -> None:
        self._before()
        super().write(path, data)
        self._change(path, Content(data))
        self._after()

    def append(self, path: Path, data: bytes) -> None:
        self._before()
        content = self._folder(path.parent).names.get(path.name)
        super().append(path, data)
        if content is None:
            self._change(path, Content(path.read_bytes()))
        else:
            content.data, content.synced = content.data + data, False
        self._after()

    def rename(self, here: Path, there: Path) -> None:
        self._before()
        content = self._folder(here.parent).names[here.name]
        self._folder(there.parent)
        super().rename(here, there)
        self._change(here, None)
        self._change(there, content)
        self._after()

    def remove(self, path: Path) -> None:
        self._before()
        self._folder(path.parent)
        super().remove(path)
        self._change(path, None)
        self._after()

    def sync(self, path: Path) -> None:
        self._before()
        if path.is_dir():
            folder = self._folder(path)
            folder.durable, folder.changes = dict(folder.names), []
        else:
            content = self._folder(path.parent).names[path.name]
            content.durable, content.synced = content.data, True
        self._after()

    def commit(self, connection: sqlite3.Connection) -> None:
        self._before()
        super().commit(connection)
        self._after()

    def cut(self) -> None:
        """Leave on the real disk what the power cut leaves."""
        for path, folder in self._folders.items():
            left = dict(folder.durable)
            for name, content in folder.changes[: self._random.randint(0, len(folder.changes))]:
                left.pop(name, None)
                left |= {name: content} if content else {}
            for name in folder.names.keys() - left.keys():
                (path / name).unlink(missing_ok=True)
            for name, kept in left.items():
                (path / name).write_bytes(kept.data if kept.synced else self._garbled(kept))

    def _garbled(self, content: Content) -> bytes:
        cut = self._random.randint(0, len(content.data))
        return self._random.choice(
            (content.durable, content.data[:cut], content.data[:cut] + bytes(len(content.data) - cut), content.data)
        )

    def _folder(self, path: Path) -> Folder:
        if path not in self._folders:
            there = {file.name: file.read_bytes() for file in path.iterdir() if file.is_file()}
            names = {name: Content(data, data, synced=True) for name, data in there.items()}
            # The database is SQLite's.
            names = {name: content for name, content in names.items() if not name.startswith("records")}
            self._folders[path] = Folder(names, dict(names))
        return self._folders[path]

    def _change(self, path: Path, content: Content | None) -> None:
        folder = self._folders.get(path.parent) or self._folder(path.parent)
        folder.names.pop(path.name, None)
        folder.names |= {path.name: content} if content else {}
        folder.changes.append((path.name, content))

    def _before(self) -> None:
        if self.steps == self._fails_at and self._random.random() < 0.5:
            raise PowerCut
        self._after_too = self.steps == self._fails_at
        self.steps += 1

    def _after(self) -> None:
        if self._after_too:
            raise PowerCut
