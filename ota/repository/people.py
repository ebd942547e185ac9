"""Who signs what: the file ``fleet.toml``, and the rule that a threshold counts different people.

Knows opaque holders, never names; refuses to know private keys. After the first ceremony the signed metadata is the
truth about people, and the file is only read for where the online keys are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import tomli
from securesystemslib.signer import Key, SSlibKey
from tuf.api.metadata import Root, Targets

from ota.content import FOLDER, ROLE, Kind, Opaque
from ota.repository.keys import KeyFileError, holder_of, public_key
from ota.repository.roles import DELEGATED, OFFLINE, ONLINE, RULES

OfflineRole = Literal[
    "root", "targets", "watchlists", "revocations", "models", "policies", "software", "os"
]  # roles.OFFLINE
OnlineRole = Literal["snapshot", "timestamp"]


class FleetError(Exception):
    """It was asked for wrongly, or a rule forbids it; the text names the thing, the figure and the limit."""


class Holder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One key and who holds it: an opaque reference such as a post. Two keys of one holder are two of these."""

    name: Opaque
    public: str
    roles: Annotated[tuple[OfflineRole, ...], msgspec.Meta(min_length=1)]


class Online(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A machine's key. ``uri``: its private half, a PEM file's path or a securesystemslib URI."""

    role: OnlineRole
    public: str
    uri: str


class FleetFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``fleet.toml``. ``threshold``: signatures a role needs, where it is more than the least."""

    holder: tuple[Holder, ...]
    online: tuple[Online, ...]
    threshold: dict[OfflineRole, int] = {}


def read_file(path: Path) -> FleetFile:
    """The file, by its schema only.

    Raises:
        FleetError: missing or not in the format; names the field.
    """
    try:
        return msgspec.convert(tomli.loads(path.read_text("utf-8")), FleetFile)
    except OSError as error:
        raise FleetError(f"{path}: {error.strerror}") from error
    except (tomli.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise FleetError(f"{path}: {error}") from error


@dataclass(frozen=True)
class Seats:
    """Who may sign a role, as metadata says it; ``keys`` by key id."""

    role: str
    threshold: int
    keys: Mapping[str, Key]

    def holders(self) -> dict[str, str]:
        """Whose each key is, by key id."""
        return {keyid: holder_of(key) or "online" for keyid, key in self.keys.items()}


def seats_of(root: Root, targets: Targets) -> dict[str, Seats]:
    """Every role's seats."""
    found = {}
    for name, role in root.roles.items():
        found[name] = Seats(name, role.threshold, {keyid: root.keys[keyid] for keyid in role.keyids})
    delegations = targets.delegations
    for name, delegated in (delegations.roles or {}).items() if delegations else ():
        keys = {keyid: delegations.keys[keyid] for keyid in delegated.keyids} if delegations else {}
        found[name] = Seats(name, delegated.threshold, keys)
    return found


def check_seats(root: Root, targets: Targets) -> None:
    """Hold the people's rules over metadata that is to be signed or published.

    Raises:
        FleetError: a role too few can sign, that one holder could sign alone, or a key with two holders.
    """
    faults = list(faults_of(root, targets))
    if faults:
        raise FleetError("; ".join(faults))


def faults_of(root: Root, targets: Targets) -> Iterator[str]:
    """What breaks the rules, in words."""
    seats = seats_of(root, targets)
    strays = sorted({*seats} ^ {*RULES})
    if strays:
        yield f"roles {', '.join(strays)} are missing, or none of ours"
    for role in (name for name in RULES if name in seats):
        yield from _role_faults(seats[role])
    yield from _shared_keys(seats)
    for name in DELEGATED:
        delegated = ((targets.delegations.roles if targets.delegations else None) or {}).get(name)
        if delegated and (
            not {*(delegated.paths or ())} <= {*RULES[name].paths} or delegated.terminating != RULES[name].terminating
        ):
            yield f"{name}: may name {delegated.paths}, the rule is {RULES[name].paths}"


def not_delegated(targets: Targets) -> dict[str, list[str]]:
    """By role, what it could name by the rule and may not yet: the fleet was founded when there was no such kind."""
    roles = (targets.delegations.roles if targets.delegations else None) or {}
    here = [name for name in DELEGATED if name in roles]
    lacking = {name: [path for path in RULES[name].paths if path not in (roles[name].paths or ())] for name in here}
    return {name: paths for name, paths in lacking.items() if paths}


def refuse_undelegated(targets: Targets, kind: Kind) -> None:
    """A van takes nothing that its role was not delegated, whoever signed it.

    Raises:
        FleetError: the role may not name this kind yet; the text says what mends it.
    """
    role, folder = ROLE[kind], f"{FOLDER[kind]}/*"
    if folder in not_delegated(targets).get(role, ()):
        raise FleetError(
            f"{role} may not name {folder} yet: this fleet was founded before there was a {kind}; "
            f"`kerbside-fleet rotate {role}` drafts that it may: have that signed and published first"
        )


def _role_faults(seats: Seats) -> Iterator[str]:
    rule, role = RULES[seats.role], seats.role
    if seats.threshold < rule.least:
        yield f"{role}: {seats.threshold} signatures, the least is {rule.least}"
    if rule.online:
        return
    if any(not holder_of(key) for key in seats.keys.values()):
        yield f"{role}: a key without a holder"
    counts = Counter(holder_of(key).casefold() for key in seats.keys.values())
    # A van counts keys: whoever has two could meet a threshold of two alone.
    for holder, keys in counts.items():
        if keys > 1:
            yield f"{role}: {holder} holds {keys} keys of it, one is the limit: signatures are of different people"
    if len(counts) < seats.threshold:
        yield f"{role}: {len(counts)} holders, {seats.threshold} must sign"


def _shared_keys(seats: Mapping[str, Seats]) -> Iterator[str]:
    for keyid, key in {keyid: key for seat in seats.values() for keyid, key in seat.keys.items()}.items():
        # A van counts ids: one key under two would be two signatures.
        if _derived_id(key) != keyid:
            yield f"key {keyid[:12]}: its id is not the one of its key"
    holders: dict[str, set[str]] = {}
    for seat in (seats[role] for role in OFFLINE if role in seats):
        for keyid, key in seat.keys.items():
            holders.setdefault(keyid, set()).add(holder_of(key).casefold())
    yield from (f"key {keyid[:12]} has holders {sorted(names)}" for keyid, names in holders.items() if len(names) > 1)
    online = [keyid for role in ONLINE if role in seats for keyid in seats[role].keys]
    for keyid, uses in Counter(online).items():
        if uses > 1 or keyid in holders:
            yield f"key {keyid[:12]}: an online key signs one role only, and is nobody's"


def _derived_id(key: Key) -> str:
    try:
        return public_key(str(key.keyval.get("public"))).keyid if isinstance(key, SSlibKey) else ""
    except KeyFileError:
        return ""


def spare(seats: Seats) -> int:
    """How many keys may be lost before the role can never be signed again."""
    return len(seats.keys) - seats.threshold
