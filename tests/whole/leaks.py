"""What must be nowhere: every part of a list, as it is and in base64, and where it was found all the same."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pyrage.x25519 import Identity

from models.faces import F32

WINDOW_BYTES = 32
"""Whoever leaks twice as many bytes of a template or a portrait in one piece leaks one of these windows whole."""
_HEAD_BYTES = 8
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
"""BIP 173; an age key is the bech32 of its 32 bytes (age-encryption.org/v1)."""


@dataclass(frozen=True)
class Secrets:
    """Of one list.

    Attributes:
        templates: (n, d) f32, as they were made; what travels is f16.
        portraits: files.
        references: of its entries.
        key: the list's own.
    """

    templates: F32
    portraits: tuple[bytes, ...]
    references: tuple[str, ...]
    key: Identity
    _by_head: dict[int, list[tuple[bytes, str]]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for needle, what in {needle: what for what, secret in self.parts() for needle in _forms(secret)}.items():
            self._by_head[_head(needle)].append((needle, what))

    @property
    def count(self) -> int:
        return len(self.references)

    @property
    def half(self) -> bytes:
        return self.templates.astype(np.float16).tobytes()

    @property
    def exact(self) -> bytes:
        """As the van computes them of what travels."""
        rows = self.templates.astype(np.float16).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows.tobytes()

    @property
    def everything(self) -> bytes:
        """All of it in one piece, for whoever wants to see that it would be found."""
        parts = (self.half, self.exact, *self.portraits, str(self.key).encode(), key_bytes(self.key))
        return b"\n".join((*parts, *(reference.encode() for reference in self.references)))

    def parts(self) -> list[tuple[str, bytes]]:
        """Each with what it is."""
        found = [("half", window) for window in _windows(self.half)]
        found += [("exact", window) for window in _windows(self.exact)]
        found += [("portrait", window) for portrait in self.portraits for window in _windows(portrait)]
        found += [("reference", reference.encode()) for reference in self.references]
        return [*found, ("key", str(self.key).encode()), ("key", key_bytes(self.key))]

    def samples(self, reported: int) -> list[bytes]:
        """A piece of each part, but for the portraits of the first entries: a possible match's goes out, encrypted."""
        kinds = (self.half, self.exact)
        rows = [rows[at : at + 64] for rows in kinds for at in range(0, len(rows), len(rows) // self.count)]
        pictures = [portrait[500:564] for portrait in self.portraits[reported:]]
        return [*rows, *pictures, str(self.key).encode(), key_bytes(self.key)]

    def found_in(self, data: bytes) -> set[str]:
        """What of it stands in these bytes, at any place and in any of the forms."""
        found: set[str] = set()
        heads = np.array(sorted(self._by_head), np.uint64)
        data += bytes(_HEAD_BYTES)
        for shift in range(_HEAD_BYTES):
            words = np.frombuffer(data, "<u8", (len(data) - shift) // _HEAD_BYTES, shift)
            for at in np.flatnonzero(np.isin(words, heads)).tolist():
                place = shift + _HEAD_BYTES * at
                found |= {what for needle, what in self._by_head[int(words[at])] if data.startswith(needle, place)}
        return found

    def found_on(self, folder: Path) -> dict[str, set[str]]:
        """What stands in the files of a folder, and in their names."""
        paths = sorted(folder.rglob("*"))
        names = self.found_in("\n".join(map(str, paths)).encode())
        files = {str(path): self.found_in(path.read_bytes()) for path in paths if path.is_file()}
        return {name: found for name, found in {"a name": names, **files}.items() if found}


def key_bytes(key: Identity) -> bytes:
    """The 32 bytes of an age key."""
    digits = [_BECH32.index(letter) for letter in str(key).lower().rpartition("1")[2]][:-6]
    number = int("".join(f"{digit:05b}" for digit in digits)[:256], 2)
    return number.to_bytes(32, "big")


def in_base64(data: bytes) -> Iterable[bytes]:
    """What surely stands in the base64 of whatever holds these bytes, wherever they begin in it."""
    for before in range(3):
        text = base64.b64encode(bytes(before) + data)
        yield text[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]


def _windows(data: bytes) -> list[bytes]:
    return [data[at : at + WINDOW_BYTES] for at in range(0, len(data) - WINDOW_BYTES + 1, WINDOW_BYTES)]


def _forms(secret: bytes) -> list[bytes]:
    return [secret, *in_base64(secret)]


def _head(needle: bytes) -> int:
    return int.from_bytes(needle[:_HEAD_BYTES], "little")
