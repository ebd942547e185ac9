"""Signatures as files: made on the signer's own machine, carried by mail or stick, merged when enough are together.

Knows whose signature a draft needs; refuses to know where it is published. A file holds no secret and binds to the very
bytes of its draft: a changed draft makes it worthless.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from securesystemslib.exceptions import UnverifiedSignatureError, VerificationError
from securesystemslib.signer import Key, Signature, Signer
from tuf.api.exceptions import UnsignedMetadataError
from tuf.api.metadata import Metadata

from ota.content import KeyId, Sha256
from ota.repository import draft as drafts
from ota.repository.draft import Draft
from ota.repository.folder import Published
from ota.repository.keys import holder_of
from ota.repository.people import FleetError, Seats, check_seats, seats_of

_MAX_BYTES = 64 * 1024


class Over(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A signature over one role's bytes. ``sha256``: of those bytes; ``sig``: in hexadecimal."""

    role: Annotated[str, msgspec.Meta(max_length=32)]
    version: int
    sha256: Sha256
    sig: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{2,2048}\Z")]


class SignatureFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One key's signatures of one draft. ``holder`` is for people; what counts is what the metadata says of the key."""

    v: Literal[1]
    holder: str
    keyid: KeyId
    signatures: Annotated[tuple[Over, ...], msgspec.Meta(min_length=1, max_length=16)]


@dataclass(frozen=True)
class Tally:
    """How far a role of a draft is.

    Attributes:
        seats: who may sign. A changed root has two of these: the old root's and its own.
        signed, missing: holders.
    """

    seats: Seats
    signed: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def enough(self) -> bool:
        """Whether the threshold is met."""
        return len(self.signed) >= self.seats.threshold


Signatures = dict[str, dict[str, Signature]]
"""By role, then by key id; each one verified."""


def seats_for(together: Mapping[str, Metadata[Any]], published: Published | None) -> dict[str, list[Seats]]:
    """Who may sign each role of ``together``: what a draft says goes before what is published.

    Raises:
        FleetError: the draft breaks a rule about people, or lacks what it would need.
    """
    root = together["root"].signed if "root" in together else (published.root if published else None)
    top = together["targets"] if "targets" in together else (published.targets["targets"] if published else None)
    if root is None or top is None:
        raise FleetError("nothing is published, and a first draft holds root and targets")
    targets = top.signed
    check_seats(root, targets)
    new = seats_of(root, targets)
    seats = {role: [new[role]] for role in together}
    if published and "root" in together:
        seats["root"].insert(0, seats_of(published.root, targets)["root"])
    return seats


def beside(path: Path) -> list[Path]:
    """The signature files that lie beside a draft's folder."""
    return sorted(path.parent.glob(f"{path.name}.*.sig.json"))


def sign(draft: Draft, published: Published | None, signer: Signer, *, now: int) -> Path:
    """Sign each role of a draft that ``signer``'s key may sign; the file beside the draft.

    Raises:
        FleetError: not this key's role, stale, expired, content that differs, or its holder has signed already.
        KeyFileError: the token or cloud would not sign.
        OSError: the file cannot be written.
    """
    drafts.check(draft, published, now)
    for role, metadata in draft.metadata.items():
        for target in metadata.signed.targets.values() if role not in {"root", "targets"} else ():
            drafts.check_content(draft, target.path, target)
    seats = seats_for(draft.metadata, published)
    keyid = signer.public_key.keyid
    mine = [role for role, several in seats.items() if any(keyid in seat.keys for seat in several)]
    if not mine:
        raise FleetError(f"{draft.path.name}: key {keyid[:12]} may not sign {', '.join(seats)}")
    there = collect(draft, seats, beside(draft.path))
    _refuse_second(seats, mine, there, keyid)
    made = []
    for role in mine:
        signed = draft.metadata[role]
        data = signed.signed_bytes
        try:
            signature = signed.sign(signer)
        except UnsignedMetadataError as error:
            raise FleetError(f"{role}: {error}") from error
        made.append(Over(role, signed.signed.version, hashlib.sha256(data).hexdigest(), signature.signature))
        signed.signatures.clear()
    holder = next(holder_of(seat.keys[keyid]) for seat in seats[mine[0]] if keyid in seat.keys)
    file = SignatureFile(1, holder, keyid, tuple(made))
    path = draft.path.parent / f"{draft.path.name}.{keyid[:16]}.sig.json"
    _write_new(path, msgspec.json.format(msgspec.json.encode(file)))
    return path


def _refuse_second(seats: Mapping[str, Sequence[Seats]], mine: Sequence[str], there: Signatures, keyid: str) -> None:
    for role in mine:
        for seat in (seat for seat in seats[role] if keyid in seat.keys):
            holder = holder_of(seat.keys[keyid]).casefold()
            again = [one for one in there[role] if one in seat.keys and holder_of(seat.keys[one]).casefold() == holder]
            if again:
                raise FleetError(f"{role}: {holder} has signed already; another holder has to")


def _write_new(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def read_file(path: Path) -> SignatureFile:
    """A signature file, by its schema only.

    Raises:
        FleetError: it is none.
    """
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(_MAX_BYTES), type=SignatureFile)
    except OSError as error:
        raise FleetError(f"{path}: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise FleetError(f"{path}: not a signature file: {error}") from error


def collect(draft: Draft, seats: Mapping[str, Sequence[Seats]], files: Iterable[Path]) -> Signatures:
    """Every signature of ``files`` over this draft, each verified.

    Raises:
        FleetError: names the file whose signature is of other bytes, does not hold, or is by nobody of the role.
    """
    found: Signatures = {role: {} for role in draft.metadata}
    for path in files:
        file = read_file(path)
        for over in file.signatures:
            if over.role not in draft.metadata:
                raise FleetError(f"{path.name}: signs {over.role}, which {draft.path.name} does not hold")
            data = draft.metadata[over.role].signed_bytes
            if hashlib.sha256(data).hexdigest() != over.sha256:
                raise FleetError(f"{path.name}: {file.holder} signed another {over.role} than {draft.path.name} holds")
            key = next((seat.keys[file.keyid] for seat in seats[over.role] if file.keyid in seat.keys), None)
            if key is None:
                raise FleetError(f"{path.name}: key {file.keyid[:12]} may not sign {over.role}")
            found[over.role][file.keyid] = _verified(key, Signature(file.keyid, over.sig), data, path.name)
    return found


def _verified(key: Key, signature: Signature, data: bytes, name: str) -> Signature:
    try:
        key.verify_signature(signature, data)
    except (UnverifiedSignatureError, VerificationError) as error:
        raise FleetError(f"{name}: the signature of {holder_of(key)} does not hold") from error
    return signature


def tally(seats: Mapping[str, Sequence[Seats]], signatures: Signatures) -> list[Tally]:
    """How far each role is, and who could still sign."""
    return [
        Tally(
            seat,
            tuple(holder_of(key) for keyid, key in seat.keys.items() if keyid in signatures[role]),
            tuple(holder_of(key) for keyid, key in seat.keys.items() if keyid not in signatures[role]),
        )
        for role, several in seats.items()
        for seat in several
    ]
