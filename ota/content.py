"""What comes over the air, as closed types: kinds, what the signers say of a target, and the head of a watchlist.

Knows fields, limits and which TUF role answers for which kind; refuses to know how anything is signed, fetched or used.
Metadata can be read by whoever runs the network, so :class:`Custom` holds key ids, times and opaque references; what
tells of entries stands in :class:`ListHead`, which exists only inside a list's encryption.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timezone
from typing import Annotated, Literal, get_args

import msgspec

Kind = Literal["watchlist", "revocation", "model", "calibration", "policy", "software", "os"]
KINDS: tuple[Kind, ...] = get_args(Kind)
ROLE: dict[Kind, str] = {
    "watchlist": "watchlists",
    "revocation": "revocations",
    "model": "models",
    "calibration": "models",
    "policy": "policies",
    "software": "software",
    "os": "os",
}
"""The delegated TUF role that signs targets of a kind. Whoever answers for a model answers for how it may be used."""
ROLES: tuple[str, ...] = tuple(dict.fromkeys(ROLE.values()))
"""Each delegated role once."""
FOLDER: dict[Kind, str] = {
    "watchlist": "watchlist",
    "revocation": "revocation",
    "model": "model",
    "calibration": "calibration",
    "policy": "policy",
    "software": "sw",
    "os": "os",
}
"""A target's path is FOLDER/NAME; the role is delegated FOLDER/* of each of its kinds and nothing else."""
MAX_BYTES: dict[Kind, int] = {
    "watchlist": 256 * 2**20,
    "revocation": 2**20,
    "model": 512 * 2**20,
    "calibration": 2**20,
    "policy": 2**20,
    "software": 1024 * 2**20,
    "os": 16 * 2**30,
}
"""No target of a kind may be larger, whoever signed it."""
MAX_ENTRIES = 10_000
"""Longest list that the format holds; how long one may be on a van, its calibration says."""
MAX_REVOKED_LISTS = 1_000
"""In one revocation; the oldest go, since no list lives longer than the next figure."""
MAX_LIST_DAYS = 7
"""A list is one deployment's: it cannot be signed for longer."""

MAX_STEP = 1_000_000
"""A counter grows by no more at once, lest a single signer uses them up."""

NO_END = 2**40
"""The end of what has none, in seconds since the epoch."""

KeyId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Opaque = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,64}\Z")]
"""A reference that tells an outsider nothing."""
Moment = Annotated[int, msgspec.Meta(ge=0, le=2**40)]
"""Whole seconds since the epoch, UTC."""
Milli = Annotated[int, msgspec.Meta(ge=0, le=1_000)]
Category = Literal[
    "wanted-by-court",
    "wanted-by-police",
    "unlawfully-at-large",
    "bail-or-order-breach",
    "court-order-subject",
    "missing-at-risk",
    "vulnerable-at-risk",
    "risk-of-serious-harm",
]
"""Why an entry may be on a list: a closed list, after the College of Policing's Authorised Professional Practice on
live facial recognition. Whom it is not for (victims, witnesses, a crowd) has no word here."""


class Custom(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """``custom`` of a TUF target, and so what its signers vouch for.

    What says nothing is left out: a van whose software does not know a field yet takes all that does not need it.

    Attributes:
        kind: what it is; must be that of its path.
        vans: of the vans that it is for, the ids of their Ed25519 keys, as securesystemslib derives them; never empty.
        counter: grows with each target of a kind; a van that has taken one takes no lower or equal one, and
            none more than :data:`MAX_STEP` above it.
        not_before, not_after: when it may be used; a list needs both.
        deployment: opaque reference of the deployment that a list is for.
        max_faces: most entries that a list may hold.
        min_similarity_milli: of a list, the least cosine that it may be used at, in thousandths, since what is signed
            holds no fractions (OLPC Canonical JSON); a van may ask for more.
        version: of software or OS image, for people.
    """

    kind: Kind
    vans: Annotated[tuple[KeyId, ...], msgspec.Meta(min_length=1, max_length=5_000)]
    counter: Annotated[int, msgspec.Meta(ge=1, le=2**53)]
    not_before: Moment = 0
    not_after: Moment = NO_END
    deployment: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{0,64}\Z")] = ""
    max_faces: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0
    min_similarity_milli: Milli = 0
    version: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._+-]{0,64}\Z")] = ""

    def __post_init__(self) -> None:
        """Refuse a list without its limits.

        Raises:
            ValueError: names the field, its figure and the limit.
        """
        if self.not_after <= self.not_before:
            raise ValueError(f"not_after {self.not_after} is not after not_before {self.not_before}")
        if self.kind != "watchlist":
            if self.min_similarity_milli:
                raise ValueError(f"min_similarity_milli {self.min_similarity_milli}: a {self.kind} has none")
            return
        _refuse_long(self.not_before, self.not_after)
        if not self.deployment or not 1 <= self.max_faces <= MAX_ENTRIES:
            raise ValueError(f"a list names its deployment and 1 to {MAX_ENTRIES} as max_faces, not {self.max_faces}")


class ListEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One entry of a list as a van has it: no name, no offence, no source.

    ``not_after``: it is not matched after that. ``minor``: shown to the officer, because more care is due.
    """

    ref: Opaque
    category: Category
    not_after: Moment
    minor: bool = False


class ListHead(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What a list says of itself, inside its encryption; the same limits as its :class:`Custom`.

    Attributes:
        space: digest of the model and preprocessing that made its templates.
        entries: in the order of the templates' rows.
    """

    v: Literal[1] = 1
    space: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    vans: Annotated[tuple[KeyId, ...], msgspec.Meta(min_length=1, max_length=5_000)]
    counter: Annotated[int, msgspec.Meta(ge=1, le=2**53)]
    not_before: Moment
    not_after: Moment
    deployment: Opaque
    max_faces: Annotated[int, msgspec.Meta(ge=1, le=MAX_ENTRIES)]
    min_similarity_milli: Milli = 0
    entries: Annotated[tuple[ListEntry, ...], msgspec.Meta(min_length=1, max_length=MAX_ENTRIES)]

    def __post_init__(self) -> None:
        """Refuse what contradicts itself.

        Raises:
            ValueError: names the fault, the figure and the limit.
        """
        _refuse_long(self.not_before, self.not_after)
        if len(self.entries) > self.max_faces:
            raise ValueError(f"{len(self.entries)} entries, the list's own limit is {self.max_faces}")
        if len({entry.ref for entry in self.entries}) < len(self.entries):
            raise ValueError("a reference stands twice")


class Revoked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A revocation target's one list: ``entries`` are :func:`entry_mark` s; none means the whole list."""

    list: Sha256
    entries: Annotated[tuple[Sha256, ...], msgspec.Meta(max_length=MAX_ENTRIES)] = ()


class Revocation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A revocation target's content. It can only take away, so one signature is enough; it is never undone."""

    v: Literal[1] = 1
    revoked: Annotated[tuple[Revoked, ...], msgspec.Meta(min_length=1, max_length=MAX_REVOKED_LISTS)]


def kinds_of(role: str) -> tuple[Kind, ...]:
    """What a delegated role answers for; nothing where there is no such role."""
    return tuple(kind for kind in KINDS if ROLE[kind] == role)


def kind_at(path: str) -> Kind | None:
    """The kind whose folder a target's path begins with."""
    folder = path.partition("/")[0]
    return next((kind for kind in KINDS if FOLDER[kind] == folder), None)


def entry_mark(list_sha256: str, ref: str) -> str:
    """What names an entry on a road where others read: SHA-256 over the encrypted list's digest and its reference."""
    return hashlib.sha256(f"{list_sha256}:{ref}".encode()).hexdigest()


def in_words(moment: int) -> str:
    """A moment for people: ``2026-05-01T12:00:00Z``; "no end" for one that no calendar has."""
    try:
        return f"{datetime.fromtimestamp(moment, timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError, OSError):
        return "no end"


def _refuse_long(not_before: int, not_after: int) -> None:
    if not_after <= not_before:
        raise ValueError(f"not_after {not_after} is not after not_before {not_before}")
    if not_after - not_before > MAX_LIST_DAYS * 86_400:
        days = (not_after - not_before) / 86_400
        raise ValueError(f"a list is valid for at most {MAX_LIST_DAYS} days, not {days:.1f}")
