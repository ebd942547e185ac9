"""The command protocol of the public suite, each command in its own process, against a real HTTP server."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ota.content import ROLES
from tests.ota.server import Server
from tests.ota.throwaway import DAY_S, Repository
from tests.source import ROOT

TOP = ("root", "snapshot", "targets", "timestamp")


@pytest.fixture
def repository() -> Repository:
    """Signed today, for the processes have the machine's clock."""
    repository = Repository(now=int(time.time()))
    repository.add("model", "m", b"content")
    repository.publish(*ROLES)
    return repository


@pytest.fixture
def server(repository: Repository) -> Iterator[Server]:
    with Server(repository.files) as server:
        yield server


class Client:
    """A client under test, as the suite runs one."""

    def __init__(self, folder: Path, server: Server, root: bytes) -> None:
        self.metadata, self.targets = folder / "metadata", folder / "targets"
        self.metadata.mkdir()
        self.targets.mkdir()
        self._root = folder / "root.json"
        self._root.write_bytes(root)
        self._server = server

    def run(self, *words: str) -> int:
        command = [sys.executable, "-m", "ota.conformance", "--metadata-dir", str(self.metadata), *words]
        return subprocess.run(command, cwd=ROOT, check=False, stderr=subprocess.DEVNULL).returncode

    def init(self) -> int:
        return self.run("init", str(self._root))

    def refresh(self) -> int:
        return self.run("--metadata-url", f"{self._server.url}/metadata", "refresh")

    def download(self, name: str) -> int:
        urls = ("--metadata-url", f"{self._server.url}/metadata", "--target-base-url", f"{self._server.url}/targets")
        return self.run(*urls, "--target-name", name, "--target-dir", str(self.targets), "download")

    def versions(self) -> dict[str, int]:
        return {path.stem: json.loads(path.read_bytes())["signed"]["version"] for path in self.metadata.glob("*.json")}

    def downloaded(self) -> list[bytes]:
        return [path.read_bytes() for path in self.targets.rglob("*") if path.is_file()]


@pytest.fixture
def client(tmp_path: Path, server: Server, repository: Repository) -> Client:
    client = Client(tmp_path, server, repository.trusted_root)
    assert client.init() == 0
    return client


def test_a_new_client_trusts_its_root_and_has_asked_nobody(client: Client, server: Server) -> None:
    assert client.versions() == {"root": 1}
    assert server.asked == []


def test_a_refresh_caches_the_four_top_level_roles_in_the_order_of_the_specification(
    client: Client, server: Server
) -> None:
    assert client.refresh() == 0
    assert client.versions() == dict.fromkeys(TOP, 2) | {"root": 1, "targets": 1}
    assert [path.removeprefix("metadata/") for path, _ in server.asked] == [
        *("2.root.json", "timestamp.json", "2.snapshot.json", "1.targets.json")
    ]


def test_a_target_is_downloaded_once(client: Client, server: Server) -> None:
    assert client.download("model/m") == 0
    assert client.downloaded() == [b"content"]
    assert client.download("model/m") == 0
    assert len([path for path, _ in server.asked if path.startswith("targets/")]) == 1


def test_a_target_that_nobody_signed_is_not_there_and_metadata_is_refreshed_all_the_same(client: Client) -> None:
    assert client.download("model/absent") == 1
    assert client.downloaded() == []
    assert client.versions().keys() == {*TOP, "models"}


def test_other_content_than_was_signed_is_not_stored(client: Client, server: Server, repository: Repository) -> None:
    server.files.update(dict.fromkeys((path for path in server.files if path.startswith("targets/")), b"malware"))
    assert client.download("model/m") == 1
    assert client.downloaded() == []


def test_a_rollback_is_refused_also_with_a_torn_cache(client: Client, server: Server, repository: Repository) -> None:
    old = dict(server.files)
    repository.publish("targets")
    assert client.refresh() == 0
    server.files.clear()
    server.files.update(old)
    assert client.refresh() == 1
    assert client.versions()["timestamp"] == 3
    for role in TOP:
        (client.metadata / f"{role}.json").write_bytes(b"")
    assert client.refresh() == 1


def test_what_was_verified_before_a_failure_is_kept(client: Client, server: Server) -> None:
    del server.files["metadata/2.snapshot.json"]
    assert client.refresh() == 1
    assert client.versions() == {"root": 1, "timestamp": 2}


def test_expired_metadata_is_refused(client: Client, repository: Repository) -> None:
    repository.now -= 2 * DAY_S
    repository.publish()
    assert client.refresh() == 1


def test_a_client_with_a_broken_root_asks_nobody(tmp_path: Path, server: Server, repository: Repository) -> None:
    (tmp_path / "broken").mkdir()
    client = Client(tmp_path / "broken", server, b"{}")
    client.init()
    assert client.refresh() == 1
    assert server.asked == []
