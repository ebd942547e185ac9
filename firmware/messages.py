"""Everything that a van and its people say to each other over MQTT, as closed types.

Knows fields, units and limits; refuses to know keys, sockets and how a match is decided. What tells of a face is
:class:`MatchEvent`, and that is only ever sent encrypted; there is no message for a face that matched nobody.
What a broker can read (:class:`State`, :class:`Command`, :class:`Receipt`) holds counters, digests and words from
closed lists: no face, no entry, no category and no place.
"""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

import msgspec

from ota.content import Kind, Moment, Sha256

MAX_COMMAND_BYTES = 16 * 1024
MAX_RECEIPT_BYTES = 8 * 1024
ACT_WITHIN_S = 60
"""An officer must not act on an older alert: the person has gone on."""
MAX_LIFETIME_S = 300
"""A command may not ask to stay valid longer than this."""

Id = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9-]{8,64}\Z")]
VanId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,64}\Z")]
Boot = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]
Reference = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{0,64}\Z")]
Digest = Annotated[str, msgspec.Meta(max_length=128)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
UptimeS = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
# Wider than [-1, 1] because a float32 product may be a hair over 1; bounded because JSON would turn NaN into null.
Cosine = Annotated[float, msgspec.Meta(ge=-2.1, le=2.1)]

Mode = Literal["seeing", "paused", "unarmed", "stopped", "purged", "locked", "ended"]
"""``seeing`` looks at frames. ``paused`` looks at none and keeps the list. ``unarmed`` has no list and waits for the
release of one; the others have wiped it."""
Memory = Literal["secret", "locked", "open"]
"""Where templates lie: in memory that not even the kernel maps (memfd_secret), in locked memory, or in neither."""
Fault = Literal["", "never-checked", "unreachable", "clock", "expired", "not-signed", "rollback", "refused", "disk"]
"""Why this van has not what it could have: a closed list, readable on the way."""
Phase = Literal["offered", "armed", "trial", "active", "refused"]
Reason = Literal["routine", "officer-safety", "public-request", "technical", "test", "end-of-deployment", "other"]
"""Why a command is given: a closed list, since commands are readable on the way and free text may name somebody."""
Outcome = Literal["done", "refused", "failed"]
CloudType = Literal["kerbside.match.v1", "kerbside.audit.v1", "kerbside.health.v1"]
Binding = Literal["nothing", "calibration", "list", "order", "configuration"]
"""Which of four asks for the least similarity that is in force: the highest of them counts."""
_T = TypeVar("_T")


class MatchEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One possible match. It proposes; an officer decides. Holds no name, no offence and no template.

    ``similarity`` and ``threshold``, the threshold in force, are cosines in [-1, 1]; ``margin``, in [0, 2], is the
    distance to the next entry. Not a number is refused on receipt. ``boot`` and ``sequence`` number what this van
    says, without gaps.
    ``crop_jpeg`` shows the matched face only: all else in it is blurred; ``portrait`` is the entry's own small picture
    (JPEG or PNG), where the list has one, for the officer's comparison; ``minor``: the entry is a child's, so more care
    is due. ``*_t_ns`` are monotonic, ``*_utc`` and ``expires_at``, after which nobody may act on it, ISO 8601.
    """

    id: Id
    van: VanId
    boot: Boot
    sequence: Count
    camera: str
    entry: str
    category: str
    similarity: Cosine
    threshold: Cosine
    margin: Cosine
    observations: int
    first_t_ns: int
    decided_t_ns: int
    decided_utc: str
    expires_at: str
    clock_trusted: bool
    watchlist_digest: Digest
    model_digest: Digest
    calibration_digest: Digest = ""
    crop_jpeg: bytes
    portrait: bytes = b""
    minor: bool = False


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What somebody orders a van to do, signed. Needs no wall clock: ``exp_up`` is an uptime of this ``boot``.

    ``ctr`` grows with each command of the same key. ``authority`` names the deployment's authority, opaquely.
    """

    v: Literal[1]
    id: Id
    van: VanId
    boot: Boot
    ctr: Count
    exp_up: UptimeS
    cmd: Annotated[str, msgspec.Meta(max_length=32)]
    args: dict[Annotated[str, msgspec.Meta(max_length=32)], float | Annotated[str, msgspec.Meta(max_length=1024)]]
    reason: Reason
    authority: Reference = ""


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What became of one command. ``why`` is a word of a closed list; ``sealed``, for whoever holds a recipient's key,
    is the JSON of a :class:`Details` encrypted with age.
    """

    v: Literal[1]
    id: Id
    van: VanId
    boot: Boot
    uptime_s: UptimeS
    outcome: Outcome
    why: Annotated[str, msgspec.Meta(max_length=64)] = ""
    mode: Mode
    sealed: bytes = b""


class Receipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The control room holds these messages of a van, durably: the van may delete them."""

    v: Literal[1]
    van: VanId
    ids: Annotated[tuple[Id, ...], msgspec.Meta(min_length=1, max_length=100)]


class Counters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Counts since this boot. ``refused`` counts commands and receipts that were not believed, by reason."""

    frames: Count = 0
    dropped: Count = 0
    faces: Count = 0
    tracks: Count = 0
    embeddings: Count = 0
    alerts: Count = 0
    templates_wiped: Count = 0
    template_life_p99_s: Annotated[float, msgspec.Meta(ge=0, le=1e9)] = 0.0
    waiting: Count = 0
    in_memory_only: Count = 0
    receipted: Count = 0
    expired_unreceipted: Count = 0
    commands: Count = 0
    refused: dict[str, Count] = {}
    heard_dropped: Count = 0


class Versions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What runs: the release, and digests of what it was given."""

    kerbside: str
    model: Digest
    watchlist: Digest
    policy: Digest
    calibration: Digest = ""


class Fitted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One thing that came over the air, and how far it has come on this van."""

    kind: Kind
    sha256: Sha256
    counter: Count
    phase: Phase


class Updates(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How it stands with updates. ``floor``, ``checked``: seconds since the epoch; see :mod:`firmware.handover`."""

    floor: Moment
    checked: Moment
    fault: Fault
    fitted: tuple[Fitted, ...]


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A van's manifest, signed and retained: an old one is told by ``boot``, ``n`` and ``uptime_s``.

    ``walled``: the process that sees faces truly has no network. ``alarms`` is how many there are; their words, which
    may name a camera, are in the encrypted :class:`Health`. ``last_sequence`` is the last number that was given out.
    ``threshold`` is the least similarity that counts, and ``threshold_by`` whose word it is: a van's configuration, its
    operators and a list's signers can raise it, and nobody can lower what the calibration asks for.
    ``release_key`` is the age recipient to which a list's key may be released now; it is made in RAM, changes with each
    start and each use, and is empty where lists come as a folder. ``updates``: absent where no agent is configured.
    ``self_tested_s``: at which ``uptime_s`` the last self-test of what looks passed; 0 while none has.
    """

    v: Literal[1]
    online: Literal[True] = True
    van: VanId
    boot: Boot
    n: Count
    uptime_s: UptimeS
    said_utc: str
    clock_trusted: bool
    mode: Mode
    walled: bool
    alarms: Count
    entries: Count
    threshold: Cosine
    threshold_by: Binding = "nothing"
    last_sequence: Count
    versions: Versions
    counters: Counters
    release_key: Annotated[str, msgspec.Meta(pattern=r"^(age1[a-z0-9]{58})?\Z")] = ""
    memory: Memory = "open"
    updates: Updates | None = None
    self_tested_s: UptimeS = 0.0


class Hint(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The last will, unsigned, on the state's topic: somebody says that the van is not there. Never evidence."""

    online: Literal[False] = False
    boot: str


class Details(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What only the recipients may read of a van: words that may name a camera or a file.

    ``text`` is what a command had to say.
    """

    wall: str
    alarms: tuple[str, ...]
    cameras: dict[str, str]
    text: str = ""


class Health(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """State and details together, encrypted, for a control room that is listening now."""

    state: State
    details: Details


class AuditRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One command that bore good signatures, and what became of it. ``by`` holds key ids."""

    id: Id
    van: VanId
    boot: Boot
    sequence: Count
    command: str
    command_id: Id
    by: tuple[str, ...]
    reason: Reason
    authority: Reference
    outcome: Outcome
    why: str
    mode: Mode
    uptime_s: UptimeS
    at_utc: str
    clock_trusted: bool


class CloudEvent(msgspec.Struct, Generic[_T], frozen=True, kw_only=True):
    """CloudEvents 1.0, structured JSON (cloudevents/spec: cloudevents/formats/json-format.md), with the sequence
    extension; this is what stands inside the encryption.
    """

    specversion: Literal["1.0"] = "1.0"
    id: str
    source: str
    type: CloudType
    time: str
    datacontenttype: Literal["application/json"] = "application/json"
    sequence: str
    data: _T


def source(van: VanId) -> str:
    """The CloudEvents source of a van."""
    return f"/vans/{van}"
