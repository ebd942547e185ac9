"""What may come through the wall's door, and what does not."""

from __future__ import annotations

import os
import socket
import stat
import struct
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from firmware import wire
from firmware.wire import Stored
from tests.link.stage import Link, Match, an_event, wait_until

NOBODY = 65534


def test_only_this_user_may_connect(link: Link) -> None:
    link.start()
    assert stat.S_IMODE(link.socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(link.socket.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "bytes_sent",
    [
        struct.pack(">I", wire.MAX_MESSAGE_BYTES + 1),
        struct.pack(">I", 3) + b"\xc1\xc1\xc1",
        struct.pack(">I", 0),
        struct.pack(">I", 7) + b"\x81\xa4type\xa0"[:7],
        struct.pack(">I", 9) + b"\x81\xa4type\xa2\xff\xfe",
    ],
    ids=["oversized", "malformed", "empty", "cut", "not UTF-8"],
)
def test_a_message_outside_the_schema_drops_the_connection_and_the_next_one_works(
    link: Link, connect: Callable[[], Match], bytes_sent: bytes
) -> None:
    link.start()
    bad = connect()
    bad.peer.sendall(bytes_sent)
    assert bad.is_dropped()
    assert link.wait_for("peer_dropped")["kind"] == "alarm"
    assert connect().hand_over(an_event("e1")) == Stored("e1")


def test_a_peer_that_stops_inside_a_message_is_dropped(link: Link, connect: Callable[[], Match]) -> None:
    link.start()
    silent = connect()
    silent.peer.sendall(b"\x00\x00")
    assert silent.is_dropped()


def test_a_peer_that_never_reads_its_answers_is_dropped(link: Link, connect: Callable[[], Match]) -> None:
    link.start()
    deaf = connect()
    deaf.peer.settimeout(0.2)
    deaf.peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    with pytest.raises(OSError, match=r"timed out|Broken pipe|reset"):
        flood(deaf)
    link.wait_for("peer_dropped")
    assert connect().hand_over(an_event("other")) == Stored("other")


def flood(match: Match) -> None:
    for _ in range(20_000):
        match.send(an_event("same", crop_bytes=10))


def test_a_new_match_process_replaces_the_old_one(link: Link, connect: Callable[[], Match]) -> None:
    link.start()
    old = connect()
    assert old.hand_over(an_event("e1")) == Stored("e1")
    new = connect()
    assert new.hand_over(an_event("e2")) == Stored("e2")
    assert old.is_dropped()


def test_a_socket_file_left_by_a_killed_link_is_replaced(link: Link, connect: Callable[[], Match]) -> None:
    link.start()
    link.kill()
    assert link.socket.exists()
    link.start()
    assert connect().hand_over(an_event("e1")) == Stored("e1")


def test_a_file_that_is_no_socket_is_left_alone(link: Link) -> None:
    link.socket.parent.mkdir()
    link.socket.write_text("somebody's notes")
    link.configure()
    link.launch()
    assert link.wait_for_exit() == 1
    assert link.said("link_cannot_run")
    assert link.socket.read_text() == "somebody's notes"


def test_a_second_link_does_not_take_the_socket_of_the_first(
    link: Link, connect: Callable[[], Match], tmp_path: Path
) -> None:
    link.start()
    second = Link(tmp_path, broker_port=1)
    second.configure()
    second.launch()
    assert second.wait_for_exit() == 1
    assert "locked" in second.said("link_cannot_run")[0]["error"]
    assert connect().hand_over(an_event("e1")) == Stored("e1")


@pytest.fixture
def as_nobody() -> Iterator[Callable[[], None]]:
    """Act as another user until the test ends."""
    yield lambda: os.seteuid(NOBODY)
    os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can pass."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_another_user_is_refused_even_if_the_file_lets_him_in(
    link: Link, open_folder: Path, as_nobody: Callable[[], None]
) -> None:
    link.socket = open_folder / "link.sock"
    link.start()
    link.socket.chmod(0o666)
    as_nobody()
    stranger = Match(link.socket)
    assert stranger.is_dropped()
    stranger.die()
    wait_until(lambda: link.said("peer_refused"), "the refusal")
    assert link.said("peer_refused")[0]["uid"] == NOBODY
