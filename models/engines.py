"""Keep built engines, and give out only one that this machine built for exactly this use. Knows files; no TensorRT.

Loading a plan is loading code (NVIDIA TensorRT documentation, "engine host code"; plans are trusted input), so every
file carries a MAC under a key of this device, and nothing of it is read before the MAC is right. A plan is also tied to
what it was tuned on: another TensorRT, GPU or power mode makes it stale. File: magic, length of the header (4 bytes,
big-endian), header (JSON), plan, HMAC-SHA-256 over all before it.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path

import msgspec

from models.durable import replace_durably
from models.manifest import ModelError

SUFFIX = ".engine"
TIMINGS = "timing.cache"
"""What TensorRT measured while it built: makes the next build quick."""
_MAGIC = b"kerbside engine 1\n"
_PURPOSE = b"kerbside engine store"
_MAC_BYTES = 32
_MOST_BYTES = 1 << 30
_SECRET_BYTES = 32


class EngineRefused(ModelError):
    """There is no engine for this use, or it is not to be trusted or not up to date. Build it anew."""


class Origin(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an engine was built from and for; in words, so that a difference can be told."""

    graph: str
    onnx_sha256: str
    pictures: str
    precision: str
    recipe: str
    tensorrt: str
    gpu: str
    compute_capability: str
    power_mode: str

    @property
    def file_name(self) -> str:
        """One file a graph and picture size: a new build takes the place of the old."""
        return f"{self.graph}-{self.pictures.split()[0]}{SUFFIX}"

    def difference(self, wanted: Origin) -> str:
        """What of this differs from ``wanted``, in words; empty if nothing does."""
        pairs = [(name, getattr(self, name), getattr(wanted, name)) for name in self.__struct_fields__]
        return "; ".join(f"{name} is {have}, wanted is {want}" for name, have, want in pairs if have != want)


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``outputs`` in the graph's order, the ``precision`` that came of the wanted one, how near fp32 it was."""

    origin: Origin
    outputs: tuple[str, ...]
    precision: str
    agreement: str


@dataclass(frozen=True)
class Engine:
    """A plan that may be loaded."""

    header: Header
    plan: bytes


class EngineStore:
    """A folder of engines.

    Args:
        folder: is made, for this user only, when something is written.
        device_key: a secret of this device, at least 32 bytes.

    Raises:
        ValueError: the key is too short to be one.
    """

    def __init__(self, folder: Path, device_key: bytes) -> None:
        if len(device_key) < _SECRET_BYTES:
            raise ValueError(f"device key: {len(device_key)} bytes, at least {_SECRET_BYTES} are needed")
        self.folder = folder
        self._key = hmac.digest(device_key, _PURPOSE, hashlib.sha256)

    def read(self, wanted: Origin) -> Engine:
        """The engine for this very use.

        Raises:
            EngineRefused: says what is wrong.
        """
        engine = self.inspect(wanted.file_name)
        if difference := engine.header.origin.difference(wanted):
            raise EngineRefused(f"{wanted.file_name}: out of date: {difference}")
        return engine

    def inspect(self, file_name: str) -> Engine:
        """The engine of a file, whatever it is for.

        Raises:
            EngineRefused: absent, cut, changed, or made under another device's key.
        """
        body = self._authentic(file_name)
        length = int.from_bytes(body[:4], "big")
        try:
            header = msgspec.json.decode(body[4 : 4 + length], type=Header)
        except msgspec.MsgspecError as error:  # ours, by the MAC: an earlier version of this program wrote it
            raise EngineRefused(f"{file_name}: out of date: {error}") from error
        return Engine(header, body[4 + length :])

    def write(self, header: Header, plan: bytes) -> Path:
        """Replace the engine of this use.

        Raises:
            ModelError: it cannot be written; the old one stays.
        """
        encoded = msgspec.json.encode(header)
        body = _MAGIC + len(encoded).to_bytes(4, "big") + encoded + plan
        return self._write(header.origin.file_name, body)

    def timings(self) -> bytes:
        """The timing cache, or nothing where it is absent or not ours: a build without it is only slower."""
        try:
            return self._authentic(TIMINGS)
        except EngineRefused:
            return b""

    def keep_timings(self, blob: bytes) -> None:
        """Replace the timing cache.

        Raises:
            ModelError: as :meth:`write`.
        """
        self._write(TIMINGS, _MAGIC + blob)

    def _authentic(self, file_name: str) -> bytes:
        """What stands behind the magic, once the MAC is right."""
        try:
            with (self.folder / file_name).open("rb") as file:
                data = file.read(_MOST_BYTES)
        except FileNotFoundError as error:
            raise EngineRefused(f"{file_name}: not built yet") from error
        except OSError as error:
            raise EngineRefused(f"{file_name}: {error.strerror}") from error
        body, mac = data[:-_MAC_BYTES], data[-_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(file_name, body)) or not body.startswith(_MAGIC):
            raise EngineRefused(
                f"{file_name}: not built by this device, cut short, or changed since ({len(data)} bytes)"
            )
        return body[len(_MAGIC) :]

    def _write(self, file_name: str, body: bytes) -> Path:
        path = self.folder / file_name
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_durably(path, body + self._mac(file_name, body), mode=0o600)
        except OSError as error:
            raise ModelError(f"{path}: {error.strerror}; the old engine stays") from error
        return path

    def _mac(self, file_name: str, body: bytes) -> bytes:
        """Bound to the name: a file that was renamed is another's."""
        return hmac.digest(self._key, file_name.encode() + b"\0" + body, hashlib.sha256)
