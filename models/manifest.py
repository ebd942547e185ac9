"""Which networks exist, what they promise and which bytes they are. Knows the manifest; refuses to know any runner."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import msgspec
import tomli

MANIFEST = Path(__file__).with_name("manifest.toml")


class ModelError(Exception):
    """A network is missing, is not the one in the manifest, or does not do what it should. Do not look at anyone."""


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One place that a network's bytes may come from: a member of a wheel, or a file at an address."""

    form: Literal["int8-blockwise", "fp32"]
    sha256: str
    package: str = ""
    member: str = ""
    url: str = ""

    @property
    def file_name(self) -> str:
        """The last part of the member or address."""
        return (self.member or self.url).rsplit("/", 1)[-1]


class Net(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One network; the canvases (width, height) and ``closeup_px`` are a detector's, ``dimension`` an embedder's."""

    name: str
    role: Literal["detector", "embedder"]
    licence: str
    input: str
    native_channels: Literal["RGB", "BGR"]
    outputs: tuple[str, ...]
    reference: str
    source: tuple[Source, ...]
    canvas_px: tuple[int, int] = (0, 0)
    small_canvas_px: tuple[int, int] = (0, 0)
    closeup_px: int = 0
    template: str = ""
    dimension: int = 0


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All networks of the manifest."""

    net: tuple[Net, ...]

    def one(self, role: Literal["detector", "embedder"]) -> Net:
        """The network of a role.

        Raises:
            ModelError: none, or more than one.
        """
        found = [net for net in self.net if net.role == role]
        if len(found) != 1:
            raise ModelError(f"manifest: expected one {role}, found {len(found)}")
        return found[0]


def load_manifest(path: Path = MANIFEST) -> Manifest:
    """Read the manifest.

    Raises:
        ModelError: unreadable, or a key that is unknown or of the wrong type.
    """
    try:
        return msgspec.convert(tomli.loads(path.read_text("utf-8")), Manifest)
    except (OSError, UnicodeDecodeError, tomli.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ModelError(f"{path}: {error}") from error


def sha256_of(data: bytes) -> str:
    """Hexadecimal SHA-256."""
    return hashlib.sha256(data).hexdigest()


def check_hash(name: str, data: bytes, expected: str) -> None:
    """Refuse bytes that are not the manifest's.

    Raises:
        ModelError: names the network, what came and what was expected.
    """
    actual = sha256_of(data)
    if actual != expected:
        raise ModelError(f"{name}: sha256 is {actual}, the manifest says {expected}")
