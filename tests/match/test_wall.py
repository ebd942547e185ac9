"""The process that sees faces has no network; where a system does not allow that, its words say so."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from firmware.match.wall import WALLED
from tests.source import ROOT

Walled = Callable[..., dict[str, Any]]
INET = ("tcp4", "udp4", "far", "tcp6", "udp6")


@pytest.fixture
def walled(tmp_path: Path) -> Iterator[Walled]:
    """A child process behind the wall, beside listeners of every kind that it might reach."""
    with ExitStack() as open_until_the_end:
        listener = open_until_the_end.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = listener.getsockname()[1]
        path = str(tmp_path / "link.sock")
        for address in (path, f"\0kerbside-test-{port}"):
            unix = open_until_the_end.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            unix.bind(address)
            unix.listen(1)

        def run(*circumstances: str) -> dict[str, Any]:
            command = [sys.executable, "-m", "tests.match.walled", path, str(port), *circumstances]
            ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
            told: dict[str, Any] = json.loads(ended.stdout)
            return told

        yield run


def connected(told: dict[str, Any]) -> set[str]:
    return {name for name, result in told.items() if result == "connected"}


@pytest.fixture
def behind(walled: Walled) -> dict[str, Any]:
    """What is left behind the wall, on a system that allows it."""
    told = walled()
    skip_unless_allowed(told)
    return told


def skip_unless_allowed(told: dict[str, Any]) -> None:
    if told["words"].startswith("NETWORK REACHABLE: this system forbids"):
        pytest.skip(told["words"])


def test_behind_the_wall_no_address_can_be_reached(behind: dict[str, Any]) -> None:
    assert connected(behind).isdisjoint(INET)
    assert not behind["reachable"]
    assert behind["words"] == WALLED


def test_behind_the_wall_the_door_to_link_is_open_and_no_other(behind: dict[str, Any]) -> None:
    assert connected(behind) == {"unix"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_nobody_walks_back_through_the_wall(behind: dict[str, Any]) -> None:
    assert not behind["walked_back"]


def test_a_user_without_rights_has_the_same_wall_or_is_told(walled: Walled) -> None:
    told = walled("nobody")
    skip_unless_allowed(told)
    assert connected(told) <= {"unix"}
    assert told["words"] == WALLED


@pytest.mark.parametrize("circumstances", [(), ("forbidden",), ("late",)])
def test_memory_never_becomes_a_file(walled: Walled, circumstances: tuple[str, ...]) -> None:
    told = walled(*circumstances)
    assert (told["core_limit"], told["dumpable"], told["no_new_privs"]) == (0, 0, 1)


def test_where_the_system_forbids_it_the_words_say_so(walled: Walled) -> None:
    told = walled("forbidden")
    assert told["words"].startswith("NETWORK REACHABLE: this system forbids an own network namespace (Operation not")
    assert "tcp4" in connected(told)


def test_a_wall_that_came_after_a_thread_is_not_called_one(walled: Walled) -> None:
    assert walled("late")["words"].startswith("NETWORK REACHABLE: ")
