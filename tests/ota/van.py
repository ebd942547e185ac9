"""A van's verifying side in a temporary folder: real files, real records; its clock and its road are the test's."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tuf.api.exceptions import DownloadHTTPError

from board.clock import Clock
from ota.disk import Disk
from ota.fetch import Fetcher, Stream
from ota.records import Records
from ota.store import Store
from ota.trusted import Source, Trusted
from tests.ota.throwaway import NOW, Repository

BASE = "memory:"
CHUNK = 1_000


class Shelf:
    """A road to files in memory, for the tests in which the road is no part of the story. Counts what was asked for."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = files
        self.asked: list[str] = []

    def open(self, url: str, start: int) -> Stream:
        path = url.removeprefix(f"{BASE}/")
        self.asked.append(path)
        if path not in self.files:
            raise DownloadHTTPError(f"{url}: not there", 404)
        return Stream(start, in_chunks(self.files[path][start:]))

    def cut(self) -> None:
        """Nothing here waits."""


def in_chunks(data: bytes) -> Generator[bytes, None, None]:
    for start in range(0, len(data), CHUNK):
        yield data[start : start + CHUNK]


class Van:
    """One van; each :meth:`start` is a new start of its agent."""

    def __init__(self, folder: Path, repository: Repository) -> None:
        self.folder = folder
        self.root = repository.trusted_root
        self.shelf = Shelf(repository.files)
        self.source = Source(f"{BASE}/metadata", f"{BASE}/targets", Fetcher(self.shelf))
        self.now = NOW
        self.cache = folder / "metadata"

    @contextmanager
    def started(self, disk: Disk | None = None) -> Iterator[Started]:
        """The agent's verifying side, running."""
        disk = disk or Disk()
        records = Records(self.folder / "records.db", disk)
        try:
            store = Store(self.folder / "store", disk, reserve_bytes=0)
            clock = Clock(lambda: self.now, records.time_floor)
            yield Started(Trusted(self.cache, self.root, self.source, records, store, clock), records, store, clock)
        finally:
            records.close()


class Started:
    """What is there while an agent runs."""

    def __init__(self, trusted: Trusted, records: Records, store: Store, clock: Clock) -> None:
        self.trusted = trusted
        self.records = records
        self.store = store
        self.clock = clock
