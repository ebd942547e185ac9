"""Encrypted lists as a fleet would make them, and every way to spoil one; real age, zstd and safetensors."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import msgspec
import numpy as np
import pyrage
from pyrage.x25519 import Identity, Recipient

from firmware.arguments import ReleaseList
from models.calibrated import Use
from models.faces import F32
from ota.bundle import Bundle, pack, seal
from ota.content import Custom, ListEntry, ListHead, entry_mark
from tests.keyring import KEYRING

NOW = 1_800_000_000
HOUR_S = 3_600
SPACE = hashlib.sha256(b"this model's templates").hexdigest()
USE = Use(hashlib.sha256(b"this model").hexdigest(), SPACE, hashlib.sha256(b"this rule").hexdigest())
VAN_KEY: str = KEYRING.van.public_key.keyid


def random_units(count: int, dimension: int = 128, seed: int = 5) -> F32:
    vectors = np.random.default_rng(seed).standard_normal((count, dimension), np.float32)
    unit: F32 = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def random_portraits(count: int, size: int = 3_000, seed: int = 6) -> tuple[bytes, ...]:
    generator = np.random.default_rng(seed)
    return tuple(generator.bytes(size) for _ in range(count))


def entries(refs: tuple[str, ...], not_after: int = NOW + 2 * HOUR_S) -> tuple[ListEntry, ...]:
    return tuple(ListEntry(ref=ref, category="wanted-by-court", not_after=not_after) for ref in refs)


def a_head(listed: tuple[ListEntry, ...], **changed: object) -> ListHead:
    head = ListHead(
        space=SPACE,
        vans=(VAN_KEY,),
        counter=1,
        not_before=NOW - HOUR_S,
        not_after=NOW + 2 * HOUR_S,
        deployment="dep-7",
        max_faces=10_000,
        entries=listed,
    )
    return msgspec.structs.replace(head, **changed)


@dataclass
class SealedList:
    """One encrypted list in a file, and the key that opens it."""

    path: Path
    packed: bytes
    key: Identity = field(default_factory=Identity.generate)
    head: ListHead = field(default_factory=lambda: a_head(entries(("entry-0",))))

    def __post_init__(self) -> None:
        self.data = seal(self.packed, self.key.to_public())
        self.sha256 = hashlib.sha256(self.data).hexdigest()
        self.path.write_bytes(self.data)

    def capsule(self, release_key: str) -> bytes:
        return bytes(pyrage.encrypt(str(self.key).encode(), [Recipient.from_str(release_key)]))

    def release(self, release_key: str, ttl_s: float = HOUR_S) -> ReleaseList:
        capsule = base64.b64encode(self.capsule(release_key)).decode()
        return ReleaseList(list=self.sha256, capsule=capsule, ttl_s=ttl_s)

    def custom(self, **changed: object) -> Custom:
        """What two people sign of it; the same as its head says, unless ``changed``."""
        head = self.head
        custom = Custom(
            kind="watchlist",
            vans=(VAN_KEY,),
            counter=head.counter,
            not_before=head.not_before,
            not_after=head.not_after,
            deployment=head.deployment,
            max_faces=head.max_faces,
            min_similarity_milli=head.min_similarity_milli,
        )
        return msgspec.structs.replace(custom, **changed)

    def mark(self, ref: str) -> str:
        return entry_mark(self.sha256, ref)


def a_list(path: Path, count: int = 12, says: Mapping[str, object] = MappingProxyType({})) -> SealedList:
    """Entries ``entry-0`` and so on with random templates and portraits; ``says`` is what its head says instead."""
    head = a_head(entries(tuple(f"entry-{number}" for number in range(count))), **says)
    return SealedList(path, pack(a_bundle(head)), head=head)


def a_bundle(head: ListHead, templates: F32 | None = None) -> Bundle:
    count = len(head.entries)
    vectors = random_units(count) if templates is None else templates
    return Bundle(head, vectors.astype(np.float16), random_portraits(count))
