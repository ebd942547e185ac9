"""Fixtures of more than one room: broker and link process (see ``link.stage``), networks, the demo's files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from firmware.demo_files import DemoFiles, make_files
from models.runner_openvino import OpenVinoBackend
from models.vision import Vision, open_vision
from tests.broker.mosquitto import BINARY, MISSING, Mosquitto
from tests.link.stage import Broker, Link, Match, broker_to_be
from tests.room import ControlRoom
from tests.source import ROOT


@pytest.fixture(scope="session")
def vision() -> Vision:
    """The real networks."""
    return open_vision(OpenVinoBackend())


@pytest.fixture(scope="session")
def demo_files(tmp_path_factory: pytest.TempPathFactory) -> DemoFiles:
    """The demo's real videos, and its list with the man on it."""
    return make_files(tmp_path_factory.mktemp("demo"), ROOT / "var/assets")


@pytest.fixture
def absent_broker() -> Iterator[Broker]:
    """A broker that is not there yet."""
    with broker_to_be() as broker:
        yield broker


@pytest.fixture
def broker(absent_broker: Broker) -> Broker:
    absent_broker.start()
    return absent_broker


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """The real Mosquitto as it is deployed: TLS 1.3, client certificates, rights."""
    yield from _running(tmp_path, plain=False)


@pytest.fixture
def plain_mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """The same in plain text and open to all, for tests that are not about who may enter."""
    yield from _running(tmp_path, plain=True)


def _running(tmp_path: Path, *, plain: bool) -> Iterator[Mosquitto]:
    if BINARY is None:
        pytest.skip(MISSING)
    with Mosquitto(tmp_path / "mosquitto", plain=plain) as broker:
        yield broker


@pytest.fixture
def link(tmp_path: Path, absent_broker: Broker) -> Iterator[Link]:
    """The link process of the van, not started yet, that will look for the broker on its port."""
    link = Link(tmp_path, absent_broker.port)
    yield link
    link.close()


@pytest.fixture
def connect(link: Link) -> Iterator[Callable[[], Match]]:
    """Start a match process: each call is a new one."""
    peers: list[Match] = []

    def new() -> Match:
        peers.append(Match(link.socket))
        return peers[-1]

    yield new
    for peer in peers:
        peer.die()


@pytest.fixture
def open_control_room(absent_broker: Broker) -> Iterator[Callable[[], ControlRoom]]:
    """Open the control room, as soon as there is a broker."""
    rooms: list[ControlRoom] = []

    def new() -> ControlRoom:
        rooms.append(ControlRoom(absent_broker.port))
        return rooms[-1]

    yield new
    for room in rooms:
        room.leave()


@pytest.fixture
def control_room(broker: Broker, open_control_room: Callable[[], ControlRoom]) -> ControlRoom:
    return open_control_room()
