"""Lists of made-up entries for a bench: random unit vectors and portraits of random bytes. Knows sizes; nobody's face.

Random bytes are the worst case for what compresses, encrypts and carries them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pyrage.x25519 import Identity

from models.faces import F32
from ota.bundle import Bundle, pack, seal
from ota.content import Custom, ListEntry, ListHead

PORTRAIT_BYTES = 3_000
HOURS = 8
_HOUR_S = 3_600
_SEED = 5


@dataclass(frozen=True)
class MadeList:
    """An encrypted list in a file.

    Attributes:
        file: encrypted.
        sha256: of the file.
        key: opens it.
        custom: what its signers are to say of it.
        encrypted_bytes: of the file.
    """

    file: Path
    sha256: str
    key: Identity
    custom: Custom
    encrypted_bytes: int


@dataclass(frozen=True)
class Shape:
    """How many entries a list has, of how many numbers each, made by which model."""

    entries: int
    dimension: int
    space: str


def random_units(count: int, dimension: int) -> F32:
    """(count, dimension) f32, rows of unit length; the same each time."""
    vectors = np.random.default_rng(_SEED).standard_normal((count, dimension), np.float32)
    unit: F32 = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def make_list(folder: Path, shape: Shape, van: str, counter: int, now: int) -> MadeList:
    """Pack and seal a list for the van with this key id, as ``watchlist build`` does with what it made of portraits.

    Args:
        folder: for the file.
        shape: of the list.
        van: id of the van's key.
        counter: higher than any list's before.
        now: seconds since the epoch.

    Raises:
        BundleError: it is larger than a list may be.
        ValueError: more entries than a list may have.
    """
    custom = Custom(
        kind="watchlist",
        vans=(van,),
        counter=counter,
        not_before=now - _HOUR_S,
        not_after=now + HOURS * _HOUR_S,
        deployment="bench",
        max_faces=shape.entries,
    )
    head = ListHead(
        space=shape.space,
        vans=custom.vans,
        counter=counter,
        not_before=custom.not_before,
        not_after=custom.not_after,
        deployment=custom.deployment,
        max_faces=custom.max_faces,
        entries=tuple(
            ListEntry(ref=f"bench-{number}", category="wanted-by-court", not_after=custom.not_after)
            for number in range(shape.entries)
        ),
    )
    generator = np.random.default_rng(_SEED + counter)
    portraits = tuple(generator.bytes(PORTRAIT_BYTES) for _ in range(shape.entries))
    templates = random_units(shape.entries, shape.dimension).astype(np.float16)
    key = Identity.generate()
    sealed = seal(pack(Bundle(head, templates, portraits)), key.to_public())
    file = folder / f"list-{counter}.age"
    file.write_bytes(sealed)
    return MadeList(file, hashlib.sha256(sealed).hexdigest(), key, custom, len(sealed))
