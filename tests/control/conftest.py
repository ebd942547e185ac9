"""Fixtures of the control room: every story runs against the embedded broker and, where installed, Mosquitto."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.control.stage import Keys, iotcore, mosquitto
from tests.control.van import SimulatedVan

BROKERS: dict[str, Callable[[Path], AbstractContextManager[int]]] = {
    "iotcore": lambda folder: iotcore(),
    "mosquitto": mosquitto,
}


@pytest.fixture(params=BROKERS)
def port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Where a real broker listens."""
    with BROKERS[request.param](tmp_path_factory.mktemp("broker")) as found:
        yield found


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    folder = tmp_path / "keys"
    folder.mkdir()
    return Keys(folder)


@pytest.fixture
def van(port: int, keys: Keys) -> Iterator[SimulatedVan]:
    simulated = SimulatedVan(port, keys)
    yield simulated
    simulated.leave()
