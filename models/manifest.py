"""Which networks exist, what they promise and which bytes they are. Knows the manifest; refuses to know any runner."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
import tomli

from models.decode import FAMILIES, STRIDES

MANIFEST = Path(__file__).with_name("manifest.toml")
MAX_CANVAS_PX = 4096
MAX_DIMENSION = 4096
MAX_FULL_LENGTH = 1_000
MAX_PIXEL = 255
RESERVED = {"image", "scores", "boxes", "landmarks", "vectors"}
"""Names of the built graphs' own inputs and outputs."""
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PACKAGE = re.compile(r"[A-Za-z0-9._-]+==[A-Za-z0-9._+!]+")

Role = Literal["detector", "embedder"]


class ModelError(Exception):
    """A network is missing, is not the one in the manifest, or does not do what it should. Do not look at anyone."""


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One place that a network's bytes may come from.

    It is a ``member`` of a wheel (``package``), a file at an address (``url``), or a ``file`` of this machine.

    Raises:
        ValueError: not exactly one of the three, or one that is not what it should be.
    """

    form: Literal["int8-blockwise", "fp32"]
    sha256: str
    package: str = ""
    member: str = ""
    url: str = ""
    file: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be a source."""
        if sum(map(bool, (self.package, self.url, self.file))) != 1:
            raise ValueError("source: name one of package, url and file")
        _hold(self, "source", _SOURCE_RULES)

    @property
    def file_name(self) -> str:
        """The last part of the member, address or path."""
        return (self.member or self.url or self.file).rsplit("/", 1)[-1]


class Net(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One network.

    ``mean`` and ``std``: a value v of a pixel, 0 to 255, is fed as (v - mean) / std. ``family``, the canvases (width,
    height) and ``closeup_px`` are a detector's; ``template``, ``dimension`` and ``full_length`` an embedder's: a face
    whose template is as long counts as wholly seen, and 0 says that nobody measured it.

    Raises:
        ValueError: a field that makes no sense; names it and what is allowed.
    """

    name: str
    role: Role
    licence: str
    input: str
    native_channels: Literal["RGB", "BGR"]
    outputs: tuple[str, ...]
    reference: str
    source: tuple[Source, ...]
    mean: float = 0.0
    std: float = 1.0
    family: Literal["", "yunet", "scrfd"] = ""
    canvas_px: tuple[int, int] = (0, 0)
    small_canvas_px: tuple[int, int] = (0, 0)
    closeup_px: int = 0
    template: Literal["", "arcface-112"] = ""
    dimension: int = 0
    full_length: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        _hold(self, self.name, _NET_RULES[self.role])


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All networks of the manifest.

    Raises:
        ValueError: two of one name.
    """

    net: tuple[Net, ...]

    def __post_init__(self) -> None:
        """Refuse two of one name: their files would overwrite each other."""
        names = [net.name for net in self.net]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)}: name is taken, allowed: one network of a name")

    def one(self, role: Role) -> Net:
        """The network of a role.

        Raises:
            ModelError: none, or more than one.
        """
        found = [net for net in self.net if net.role == role]
        if len(found) != 1:
            names = ", ".join(net.name for net in found)
            raise ModelError(f"manifest: expected one {role}, found {len(found)}{names and f' ({names})'}")
        return found[0]

    def called(self, name: str) -> Net:
        """The network of that name.

        Raises:
            ModelError: there is none; names those that are.
        """
        for net in self.net:
            if net.name == name:
                return net
        raise ModelError(f"manifest: no network '{name}', there are {', '.join(net.name for net in self.net)}")


def load_manifest(path: Path = MANIFEST) -> Manifest:
    """Read the manifest.

    Raises:
        ModelError: unreadable, a key that is unknown or of the wrong type, or a value that makes no sense.
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


_Subject = TypeVar("_Subject", Source, Net)
_Rule = tuple[str, str, Callable[[_Subject], bool]]
"""A field, what is allowed in words, and whether it holds."""


def _hold(subject: _Subject, name: str, rules: tuple[_Rule[_Subject], ...]) -> None:
    for field, allowed, holds in rules:
        if not holds(subject):
            raise ValueError(f"{name}: {field} is {getattr(subject, field)!r}, allowed: {allowed}")


def _is_canvas(*sides_px: int) -> bool:
    return all(0 < side <= MAX_CANVAS_PX and side % STRIDES[-1] == 0 for side in sides_px)


_CANVAS = f"multiples of {STRIDES[-1]} up to {MAX_CANVAS_PX}"
_OUTPUTS = ", ".join(f"{family.outputs} of {name}" for name, family in FAMILIES.items())
_NOT_A_DETECTORS, _NOT_AN_EMBEDDERS = "nothing, it is an embedder's", "nothing, it is a detector's"

_SOURCE_RULES: tuple[_Rule[Source], ...] = (
    ("sha256", "64 hexadecimal digits", lambda source: bool(_SHA256.fullmatch(source.sha256))),
    ("package", "NAME==VERSION", lambda source: not source.package or bool(_PACKAGE.fullmatch(source.package))),
    ("member", "a file of the package, if there is one", lambda source: bool(source.member) == bool(source.package)),
    ("url", "http or https", lambda source: not source.url or source.url.startswith(("http://", "https://"))),
    ("file", "an absolute path", lambda source: not source.file or Path(source.file).is_absolute()),
)
_ANY_NET: tuple[_Rule[Net], ...] = (
    ("name", "small letters, digits and _, a letter first", lambda net: bool(_NAME.fullmatch(net.name))),
    ("source", "at least one", lambda net: bool(net.source)),
    ("input", "a name other than those of a built graph", lambda net: net.input not in RESERVED | {""}),
    ("outputs", "names other than those of a built graph", lambda net: not RESERVED & {*net.outputs}),
    ("outputs", "each once", lambda net: len({*net.outputs}) == len(net.outputs)),
    ("mean", "0 to 255", lambda net: 0 <= net.mean <= MAX_PIXEL),
    ("std", "more than 0", lambda net: 0 < net.std < math.inf),
)
_NET_RULES: dict[Role, tuple[_Rule[Net], ...]] = {
    "detector": (
        *_ANY_NET,
        ("family", " or ".join(FAMILIES), lambda net: net.family in FAMILIES),
        ("outputs", _OUTPUTS, lambda net: len(net.outputs) == FAMILIES[net.family].outputs),
        ("canvas_px", _CANVAS, lambda net: _is_canvas(*net.canvas_px)),
        ("small_canvas_px", _CANVAS, lambda net: _is_canvas(*net.small_canvas_px)),
        ("closeup_px", _CANVAS, lambda net: _is_canvas(net.closeup_px)),
        ("template", _NOT_A_DETECTORS, lambda net: not net.template),
        ("dimension", _NOT_A_DETECTORS, lambda net: not net.dimension),
        ("full_length", _NOT_A_DETECTORS, lambda net: net.full_length == 0),
    ),
    "embedder": (
        *_ANY_NET,
        ("outputs", "one", lambda net: len(net.outputs) == 1),
        ("template", "arcface-112", lambda net: net.template == "arcface-112"),
        ("dimension", f"1 to {MAX_DIMENSION}", lambda net: 0 < net.dimension <= MAX_DIMENSION),
        ("full_length", f"0 to {MAX_FULL_LENGTH}", lambda net: 0 <= net.full_length <= MAX_FULL_LENGTH),
        ("family", _NOT_AN_EMBEDDERS, lambda net: not net.family),
        ("canvas_px", _NOT_AN_EMBEDDERS, lambda net: net.canvas_px == (0, 0)),
        ("small_canvas_px", _NOT_AN_EMBEDDERS, lambda net: net.small_canvas_px == (0, 0)),
        ("closeup_px", _NOT_AN_EMBEDDERS, lambda net: not net.closeup_px),
    ),
}
