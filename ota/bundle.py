"""A watchlist as bytes: head, templates and small portraits in one safetensors file, compressed, then encrypted.

Knows the layout and its limits; refuses to know who is on the list and who signed it. The reader trusts nothing: sizes
are checked before memory is taken. Encryption is to one key made for this list (age: age-encryption.org/v1), which
never travels with it.
"""

from __future__ import annotations

import io
import itertools
from dataclasses import dataclass
from typing import cast

import msgspec
import numpy as np
import numpy.typing as npt
import pyrage
import zstandard
from pyrage.x25519 import Recipient
from safetensors import SafetensorError
from safetensors.numpy import load, save

from ota.content import ListHead

MAX_PLAIN_BYTES = 256 * 2**20
"""Of the safetensors file: 10,000 entries of 512 dimensions with portraits of 20 KB."""
MAX_PORTRAIT_BYTES = 32 * 1024
_MAX_WINDOW = 2**23
"""zstd's own recommendation for what any decoder must be able to hold (RFC 8878, 3.1.1.1.2)."""
_LEVEL = 3
_PIECE = 2**20
_NAMES = {"head", "templates", "portraits", "portrait_ends"}
F16 = npt.NDArray[np.float16]


class BundleError(Exception):
    """A list cannot be used; the text names the fault, the figure and the limit, and no entry."""


@dataclass(frozen=True)
class Bundle:
    """A list.

    Attributes:
        head: entries and limits.
        templates: (n, d) f16, rows of unit length in the order of the entries.
        portraits: (n) JPEG or PNG files for the officer's comparison; b"" where there is none.
    """

    head: ListHead
    templates: F16
    portraits: tuple[bytes, ...]


def pack(bundle: Bundle) -> bytes:
    """The compressed file.

    Raises:
        BundleError: parts that do not fit each other or the limits.
    """
    _check(bundle)
    tensors: dict[str, npt.NDArray[np.generic]] = {
        "head": np.frombuffer(msgspec.json.encode(bundle.head), np.uint8),
        "templates": np.ascontiguousarray(bundle.templates),
        "portraits": np.frombuffer(b"".join(bundle.portraits), np.uint8),
        "portrait_ends": np.cumsum([len(portrait) for portrait in bundle.portraits], dtype=np.int64),
    }
    plain = save(tensors)
    if len(plain) > MAX_PLAIN_BYTES:
        raise BundleError(f"list: {len(plain)} bytes, at most {MAX_PLAIN_BYTES}")
    return zstandard.ZstdCompressor(level=_LEVEL).compress(plain)


def seal(packed: bytes, recipient: Recipient) -> bytes:
    """The compressed file, encrypted to the list's own key."""
    return bytes(pyrage.encrypt(packed, [recipient]))


def unpack(packed: bytes) -> Bundle:
    """Read a compressed file.

    Raises:
        BundleError: it is none, or breaks a limit.
    """
    plain = decompress(packed)
    try:
        tensors = load(plain)
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise BundleError(f"list: not a safetensors file: {error}") from error
    if set(tensors) != _NAMES:
        raise BundleError(f"list: holds {sorted(tensors)[:8]}, expected {sorted(_NAMES)}")
    bundle = Bundle(_head(tensors), cast("F16", tensors["templates"]), _portraits(tensors))
    _check(bundle)
    return bundle


def decompress(packed: bytes, most: int = MAX_PLAIN_BYTES) -> bytes:
    """What a zstd frame holds, and no more than ``most`` bytes of it.

    Raises:
        BundleError: damaged, cut, or larger than it may be, whatever its header says.
    """
    plain = bytearray()
    reader = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW).stream_reader(io.BytesIO(packed))
    try:
        while piece := reader.read(_PIECE):
            plain += piece
            if len(plain) > most:
                raise BundleError(f"list: unpacks to more than the {most} bytes that are allowed")
    except zstandard.ZstdError as error:
        raise BundleError(f"list: damaged compression: {error}") from error
    return bytes(plain)


def _head(tensors: dict[str, npt.NDArray[np.generic]]) -> ListHead:
    raw = tensors["head"]
    if raw.dtype != np.uint8 or raw.ndim != 1:
        raise BundleError(f"list: head is {raw.dtype} {raw.shape}, expected bytes")
    try:
        return msgspec.json.decode(raw.tobytes(), type=ListHead)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        # the error's own words would quote what was read
        raise BundleError("list: its head does not fit the schema, or contradicts itself") from None


def _portraits(tensors: dict[str, npt.NDArray[np.generic]]) -> tuple[bytes, ...]:
    data, ends = tensors["portraits"], tensors["portrait_ends"]
    if data.dtype != np.uint8 or data.ndim != 1 or ends.dtype != np.int64 or ends.ndim != 1:
        raise BundleError("list: portraits are not bytes with int64 ends")
    edges: list[int] = [0, *cast("npt.NDArray[np.int64]", ends).tolist()]
    if edges != sorted(edges) or edges[-1] != len(data):
        raise BundleError("list: portraits' ends do not fit their bytes")
    return tuple(data[start:end].tobytes() for start, end in itertools.pairwise(edges))


def _check(bundle: Bundle) -> None:
    count, templates = len(bundle.head.entries), bundle.templates
    if templates.dtype != np.float16 or templates.ndim != 2 or len(templates) != count:
        raise BundleError(f"list: {count} entries, templates are {templates.dtype} {templates.shape}")
    if len(bundle.portraits) != count:
        raise BundleError(f"list: {count} entries, {len(bundle.portraits)} portraits")
    largest = max(map(len, bundle.portraits), default=0)
    if largest > MAX_PORTRAIT_BYTES:
        raise BundleError(f"list: a portrait of {largest} bytes, at most {MAX_PORTRAIT_BYTES}")
    lengths = np.linalg.norm(templates.astype(np.float32), axis=1)
    if not np.all(np.abs(lengths - 1) < 5e-3):
        raise BundleError("list: a template is not of unit length")
