"""The fleet's vans: one small file each, and the check of a certificate request. Knows public keys only.

Refuses to know where a van is, who drives it and what it sees.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.x509.oid import NameOID

from ota.content import KeyId
from ota.repository.folder import VANS
from ota.repository.keys import KeyFileError, public_key
from ota.repository.people import FleetError

_VAN = r"[A-Za-z0-9][A-Za-z0-9-]{0,63}"
"""As the broker's rights want it: letters, digits and '-' (ota/broker/README.md)."""
_CURVES = {"secp256r1", "secp384r1"}
VanId = Annotated[str, msgspec.Meta(pattern=rf"^{_VAN}\Z")]


class VanRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A van as the fleet knows it.

    Attributes:
        van: its id, as in topics and its certificate's CN.
        public: its Ed25519 key, 64 hexadecimal digits.
        key_id: derived from that; what targets and lists name it by.
        hardware: such as ``ORIN-NX``; for people.
        notes: for people; nothing about a deployment.
    """

    van: VanId
    public: KeyId
    key_id: KeyId
    hardware: Annotated[str, msgspec.Meta(max_length=64)] = ""
    notes: Annotated[str, msgspec.Meta(max_length=256)] = ""


def add(fleet: Path, record_of: VanRecord, csr: bytes | None = None) -> Path:
    """Register a van, and keep its certificate request for the authority; where the record lies.

    Raises:
        FleetError: it is there already, its key is another van's, or the request is not its own.
        OSError: a file cannot be written.
    """
    for other in read_all(fleet):
        if record_of.van == other.van or record_of.key_id == other.key_id:
            raise FleetError(f"{record_of.van}: {other.van} is registered with key {other.key_id[:12]}")
    folder = fleet / VANS
    folder.mkdir(exist_ok=True)
    if csr is not None:
        check_request(csr, record_of.van)
        (folder / f"{record_of.van}.csr").write_bytes(csr)
    path = folder / f"{record_of.van}.json"
    making = path.with_suffix(".new")
    making.write_bytes(msgspec.json.format(msgspec.json.encode(record_of)))
    with making.open("rb") as file:
        os.fsync(file.fileno())
    making.rename(path)
    return path


def record(van: str, public: str, hardware: str = "", notes: str = "") -> VanRecord:
    """A van's record from its public key.

    Raises:
        FleetError: the id or key is none.
    """
    if not re.fullmatch(_VAN, van):
        raise FleetError(f"'{van}': a van's id has 1 to 64 letters, digits and '-'")
    if not re.fullmatch(r"[0-9a-f]{64}", public):
        raise FleetError(f"{van}: its public key has 64 hexadecimal digits, as `kerbside-ctl keygen --van` prints them")
    try:
        key = public_key(public)
    except KeyFileError as error:
        raise FleetError(f"{van}: {error}") from error
    return VanRecord(van=van, public=public, key_id=key.keyid, hardware=hardware, notes=notes)


def read_all(fleet: Path) -> list[VanRecord]:
    """Every registered van, by id.

    Raises:
        FleetError: a file is damaged; names it.
    """
    found = []
    for path in sorted((fleet / VANS).glob("*.json")):
        try:
            one = msgspec.json.decode(path.read_bytes(), type=VanRecord)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise FleetError(f"{path}: {error}") from error
        if one != record(path.stem, one.public, one.hardware, one.notes):
            raise FleetError(f"{path}: its name, key and key id do not fit each other")
        found.append(one)
    return found


def named(fleet: Path, names: list[str]) -> tuple[VanRecord, ...]:
    """The vans of these ids, each once; ``all`` means every one.

    Raises:
        FleetError: one is not registered.
    """
    known = {one.van: one for one in read_all(fleet)}
    wanted = sorted(known) if names == ["all"] else list(dict.fromkeys(names))
    strays = [name for name in wanted if name not in known]
    if strays or not wanted:
        raise FleetError(f"{', '.join(strays) or 'no van'}: not registered; `van add` does that")
    return tuple(known[name] for name in wanted)


def check_request(csr: bytes, van: str) -> None:
    """That a certificate request is whole, signed by its own key, and for this van and no other name.

    Raises:
        FleetError: it is not.
    """
    try:
        request = x509.load_pem_x509_csr(csr)
        key = request.public_key()
        whole = request.is_signature_valid
        names = [str(one.value) for one in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        others = len(list(request.subject)) - len(names)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise FleetError(f"{van}: not a certificate request in PEM") from error
    if not whole:
        raise FleetError(f"{van}: the request's signature does not hold")
    if names != [van] or others:
        raise FleetError(
            f"{van}: the request is for {request.subject.rfc4514_string()}, it has to be for CN={van} alone"
        )
    curve = key.curve.name if isinstance(key, EllipticCurvePublicKey) else ""
    if not isinstance(key, Ed25519PublicKey) and curve not in _CURVES:
        raise FleetError(f"{van}: the request's key is {curve or type(key).__name__}, not Ed25519, P-256 or P-384")
