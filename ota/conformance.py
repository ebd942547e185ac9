r"""The command protocol of the public TUF conformance suite, spoken by the client that is in the van.

    python -m ota.conformance --metadata-dir D init TRUSTED_ROOT
    python -m ota.conformance --metadata-dir D --metadata-url U refresh
    python -m ota.conformance --metadata-dir D --metadata-url U \
        --target-name N --target-base-url B --target-dir T download

Ends with 0, or with 1 and a line of why. Knows the protocol of CLIENT-CLI.md of theupdateframework/tuf-conformance. The
suite serves plain HTTP and signs timestamps for longer than a day, so this, unlike the van, allows the one and takes no
time from the other.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import TargetFile

from board.clock import Clock
from ota.disk import Disk
from ota.download import Wanted, digest, download
from ota.durable import DurableUpdater, Memory
from ota.faults import sorted_out
from ota.fetch import Fetcher, Web
from ota.records import Records
from ota.target import UpdateError

BOOTSTRAP = "bootstrap"
"""The trusted root; not ``*.json``, which the suite takes for metadata."""
RECORDS = "records.db"
SPOOL = "spool"
T = TypeVar("T")


def main(arguments: list[str] | None = None) -> int:
    """Do one command; 0 or 1."""
    args = _parser().parse_args(arguments)
    try:
        with sorted_out():
            args.command(args)
    except UpdateError as error:
        print(f"{error.fault}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _init(args: argparse.Namespace) -> None:
    disk, root = Disk(), args.trusted_root.read_bytes()
    disk.make(args.metadata_dir)
    disk.replace(args.metadata_dir / BOOTSTRAP, root)
    disk.replace(args.metadata_dir / "root.json", root)


def _refresh(args: argparse.Namespace) -> None:
    with closing(Web(None, plain=True)) as web:
        _refreshed(args, Fetcher(web), lambda client: None)


def _download(args: argparse.Namespace) -> None:
    with closing(Web(None, plain=True)) as web:
        fetcher = Fetcher(web)
        found = _refreshed(args, fetcher, lambda client: _found(client, args.target_name))
        _fetch(args, fetcher, *found)


def _refreshed(args: argparse.Namespace, fetcher: Fetcher, then: Callable[[DurableUpdater], T]) -> T:
    """Refresh, look something up, and write down what was verified, whatever became of it."""
    disk, folder = Disk(), args.metadata_dir
    root, clock = (folder / BOOTSTRAP).read_bytes(), Clock(time.time, 0)
    with closing(Records(folder / RECORDS, disk)) as records:
        client = DurableUpdater(Memory(folder, records, disk), args.metadata_url, fetcher, root, clock.now())
        try:
            client.refresh()
            return then(client)
        finally:
            client.keep()


def _found(client: DurableUpdater, name: str) -> tuple[TargetFile, bool]:
    """What is said of a target, and whether its digest is in its URL."""
    target = client.get_targetinfo(name)
    if target is None or "sha256" not in target.hashes:
        raise RepositoryError(f"{name}: no such target")
    return target, bool(client.root.consistent_snapshot)


def _fetch(args: argparse.Namespace, fetcher: Fetcher, target: TargetFile, prefixed: bool) -> None:  # noqa: FBT001
    disk, sha256 = Disk(), target.hashes["sha256"]
    place = args.target_dir / quote(target.path, "")
    if place.is_file() and digest(place) == sha256:
        return
    folder, slash, name = target.path.rpartition("/")
    path = f"{folder}{slash}{sha256}.{name}" if prefixed else target.path
    wanted = Wanted(f"{args.target_base_url.rstrip('/')}/{path}", sha256, target.length)
    spool = args.metadata_dir / SPOOL / sha256
    disk.make(spool.parent)
    download(fetcher, wanted, spool, disk, lambda here, length: None)
    disk.sync(spool)
    disk.rename(spool, place)
    disk.sync(place.parent)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ota.conformance")
    parser.add_argument("--metadata-dir", type=Path, required=True)
    parser.add_argument("--metadata-url", default="")
    parser.add_argument("--target-name", default="")
    parser.add_argument("--target-base-url", default="")
    parser.add_argument("--target-dir", type=Path, default=Path())
    commands = parser.add_subparsers(required=True)
    init = commands.add_parser("init")
    init.add_argument("trusted_root", type=Path)
    init.set_defaults(command=_init)
    commands.add_parser("refresh").set_defaults(command=_refresh)
    commands.add_parser("download").set_defaults(command=_download)
    return parser


if __name__ == "__main__":
    sys.exit(main())
