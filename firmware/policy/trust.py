"""The key holders that a van listens to, and the recipients that it encrypts to. Knows public keys only.

A holder is an opaque reference (a warrant number's alias, a post), never a name. Two keys of one holder are one person.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from pyrage import RecipientError
from pyrage.x25519 import Recipient
from securesystemslib.signer import SSlibKey

from firmware.envelope import KeyFileError, Signed, public_key, signers
from firmware.policy.table import SHIPPED, CommandTable, PolicyError, Role, Rule, load_table

MAX_RECIPIENTS = 20
"""age tries each recipient's stanza in turn: 20 cost a reader about 1 ms, 1,000 several seconds."""
_Reference = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,64}\Z")]
_Public = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


class Holder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One key of one holder; ``public`` is Ed25519, 64 hexadecimal digits."""

    holder: _Reference
    roles: Annotated[tuple[Role, ...], msgspec.Meta(min_length=1)]
    public: _Public


class KeyList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``keys.json``. ``recipients`` are age X25519 recipients (``age1...``)."""

    v: Literal[1]
    holders: Annotated[tuple[Holder, ...], msgspec.Meta(min_length=1, max_length=200)]
    recipients: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=MAX_RECIPIENTS)]


@dataclass(frozen=True)
class Policy:
    """Table and keys together.

    Attributes:
        table: the command table.
        holders: by key id.
        keys: the verifying keys, by key id.
        recipients: whoever may read events.
        digest: SHA-256 over both files.
    """

    table: CommandTable
    holders: dict[str, Holder]
    keys: dict[str, SSlibKey]
    recipients: tuple[Recipient, ...]
    digest: str

    def signed_by(self, signed: Signed) -> frozenset[str]:
        """The ids of the known keys whose signatures hold."""
        named = {found.keyid for found in signed.signatures}
        return signers(signed, [self.keys[keyid] for keyid in named if keyid in self.keys])

    def satisfies(self, rule: Rule, keyids: Collection[str]) -> bool:
        """Whether these keys' holders are as many, and of the roles, that the rule asks for."""
        known = [self.holders[keyid] for keyid in keyids if keyid in self.holders]  # one may be of an older policy
        counted = [holder for holder in known if set(holder.roles) & set(rule.roles)]
        enough = len({found.holder for found in counted}) >= rule.signatures
        return enough and all(any(role in found.roles for found in counted) for role in rule.each)

    def signed_by_control_room(self, signed: Signed) -> bool:
        """Whether a key that may sign receipts has signed; no other signature is looked at."""
        named = {found.keyid for found in signed.signatures} & self.control_room
        return bool(signers(signed, [self.keys[keyid] for keyid in named]))

    @property
    def control_room(self) -> frozenset[str]:
        """The ids of the keys that may sign receipts."""
        return frozenset(keyid for keyid, holder in self.holders.items() if "control-room" in holder.roles)


def load_policy(folder: Path) -> Policy:
    """Read ``keys.json`` and, where there is one, ``commands.json``; the shipped table stands in for an absent one.

    Raises:
        PolicyError: a file is missing or wrong, a key stands twice, nobody may sign receipts or nobody narrow.
    """
    own = folder / "commands.json"
    table_path = own if own.exists() else SHIPPED
    table, listed = load_table(table_path), _decode(folder / "keys.json")
    keys = {holder: _key(folder / "keys.json", holder) for holder in listed.holders}
    by_id = {key.keyid: holder for holder, key in keys.items()}
    if len(by_id) < len(listed.holders):
        raise PolicyError(f"{folder / 'keys.json'}: a public key stands twice")
    if not any("control-room" in holder.roles for holder in listed.holders):
        raise PolicyError(f"{folder / 'keys.json'}: no holder of the role control-room, so nobody could sign receipts")
    digest = hashlib.sha256(table_path.read_bytes() + (folder / "keys.json").read_bytes()).hexdigest()
    recipients = tuple(_recipient(folder / "keys.json", text) for text in listed.recipients)
    policy = Policy(table, by_id, {key.keyid: key for key in keys.values()}, recipients, digest)
    if not policy.satisfies(table.classes["narrow"], by_id):
        raise PolicyError(f"{folder / 'keys.json'}: nobody could give a command that narrows")
    return policy


def _decode(path: Path) -> KeyList:
    try:
        return msgspec.json.decode(path.read_bytes(), type=KeyList)
    except OSError as error:
        raise PolicyError(f"{path}: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise PolicyError(f"{path}: {error}") from error


def _key(path: Path, holder: Holder) -> SSlibKey:
    try:
        return public_key(holder.public)
    except KeyFileError as error:
        raise PolicyError(f"{path}: holder '{holder.holder}': {error}") from error


def _recipient(path: Path, text: str) -> Recipient:
    try:
        return Recipient.from_str(text)
    except RecipientError as error:
        raise PolicyError(f"{path}: recipient '{text[:12]}...': {error}") from error
