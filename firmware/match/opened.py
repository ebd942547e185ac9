"""What the match process and the short-lived process that opens a list for it say to each other, and how an opened list
lies in memory.

Knows messages and layout; refuses to know how a list is encrypted and what is done with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from firmware.match.secret_memory import U8, SecretMemory
from firmware.messages import Memory
from models.faces import F32
from ota.content import KeyId, ListHead, Moment, Sha256

Why = Literal[
    "wrong key", "wrong list", "not as signed", "wrong van", "wrong model", "not yet valid", "expired",
    "too many entries", "damaged", "too large", "no memory", "not opened",
]  # fmt: skip
"""Why a list was not opened. ``not opened``: whoever was to open it died, or took too long."""
MAX_WORDS = 200
_F32_BYTES, _I64_BYTES = 4, 8
I64 = npt.NDArray[np.int64]


class Ready(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="ready"):
    """The opening process's first message: a key can be encrypted to this age recipient, once."""

    release_key: str


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="wanted", kw_only=True):
    """Open the file whose descriptor follows, if it is all this.

    Attributes:
        capsule: the list's key, encrypted with age to the release key.
        sha256: of the encrypted list.
        van: id of this van's key.
        space, dimension: of this van's templates.
        now: seconds since the epoch.
        max_entries: most that this van takes.
        counter, not_before, not_after, deployment, max_faces, min_similarity_milli: as two people signed them; see
            :class:`ota.content.Custom`.
    """

    capsule: bytes
    sha256: Sha256
    van: KeyId
    space: str
    dimension: Annotated[int, msgspec.Meta(ge=1, le=4096)]
    now: Moment
    max_entries: Annotated[int, msgspec.Meta(ge=1)]
    counter: int
    not_before: Moment
    not_after: Moment
    deployment: str
    max_faces: int
    min_similarity_milli: int


class Opened(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="opened", kw_only=True):
    """It lies in the memory whose descriptor follows: see :class:`Layout`."""

    kind: Memory
    entries: Annotated[int, msgspec.Meta(ge=1)]
    dimension: Annotated[int, msgspec.Meta(ge=1)]
    head_bytes: Annotated[int, msgspec.Meta(ge=1)]
    portrait_bytes: Annotated[int, msgspec.Meta(ge=0)]


class Unopened(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="unopened", kw_only=True):
    """It was not opened; ``words`` has the figures and no entry."""

    why: Why
    words: Annotated[str, msgspec.Meta(max_length=MAX_WORDS)] = ""


FromOpening = Ready | Opened | Unopened


@dataclass(frozen=True)
class Layout:
    """Where the parts of an opened list lie, one after the other.

    Attributes:
        entries, dimension: rows and columns of the templates, f32.
        head_bytes: of the :class:`ota.content.ListHead`, MessagePack.
        portrait_bytes: of all portraits together; where each ends stands before them, int64.
    """

    entries: int
    dimension: int
    head_bytes: int
    portrait_bytes: int

    @property
    def _starts(self) -> tuple[int, int, int, int]:
        ends = self.entries * self.dimension * _F32_BYTES
        ends += -ends % _I64_BYTES
        portraits = ends + self.entries * _I64_BYTES
        head = portraits + self.portrait_bytes
        return ends, portraits, head, head + self.head_bytes

    @property
    def size(self) -> int:
        """Bytes of all of it."""
        return self._starts[3]

    def templates(self, memory: SecretMemory) -> F32:
        """(entries, dimension) f32, in place."""
        rows = memory.view(0, self.entries * self.dimension * _F32_BYTES).view(np.float32)
        return rows.reshape(self.entries, self.dimension)

    def ends(self, memory: SecretMemory) -> I64:
        """(entries) where each portrait ends, in place."""
        return memory.view(self._starts[0], self._starts[1]).view(np.int64)

    def portraits(self, memory: SecretMemory) -> U8:
        """All portraits, one after the other, in place."""
        return memory.view(self._starts[1], self._starts[2])

    def head(self, memory: SecretMemory) -> U8:
        """The :class:`ota.content.ListHead` in MessagePack, in place."""
        return memory.view(self._starts[2], self._starts[3])


@dataclass(frozen=True)
class OpenedList:
    """A list that lies open in ``memory``: its head, (n, d) f32 templates, portraits and (n) int64 ends of them."""

    head: ListHead
    memory: SecretMemory
    templates: F32
    portraits: U8
    portrait_ends: I64
