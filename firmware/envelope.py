"""Signed envelopes: DSSE around bytes of one declared type, with the signatures of one or more Ed25519 keys.

Knows how an envelope is read, signed and whose signatures hold; refuses to know what is inside and who may say it.
The payload is never parsed before a signature is checked by whoever calls :func:`signers`, and the type is part of what
is signed: a receipt cannot be passed off as a command (secure-systems-lab/dsse: protocol.md, PAE).
"""

from __future__ import annotations

import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, NewType

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, Key, Signature, SSlibKey

MAX_SIGNATURES = 8
PayloadType = NewType("PayloadType", str)
COMMAND = PayloadType("application/vnd.kerbside.command.v1+json")
ANSWER = PayloadType("application/vnd.kerbside.answer.v1+json")
RECEIPT = PayloadType("application/vnd.kerbside.receipt.v1+json")
STATE = PayloadType("application/vnd.kerbside.state.v1+json")
MATCH = PayloadType("application/vnd.kerbside.match.v1+age")
AUDIT = PayloadType("application/vnd.kerbside.audit.v1+age")
HEALTH = PayloadType("application/vnd.kerbside.health.v1+age")


class EnvelopeError(Exception):
    """Bytes that are no envelope. Believe nothing of them."""


class KeyFileError(Exception):
    """A key cannot be used; the text names the file, never its content."""


class _Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    keyid: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
    sig: Annotated[bytes, msgspec.Meta(min_length=64, max_length=64)]


class Signed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"payload_type": "payloadType"}):
    """An envelope as it was read: nothing of it is believed yet.

    Attributes:
        payload: the bytes that were signed.
        payload_type: what they claim to be.
        signatures: at most ``MAX_SIGNATURES``; one key's second signature counts for nothing.
    """

    payload: bytes
    payload_type: Annotated[str, msgspec.Meta(max_length=100)]
    signatures: Annotated[tuple[_Signature, ...], msgspec.Meta(min_length=1, max_length=MAX_SIGNATURES)]


_decoder = msgspec.json.Decoder(Signed)


def read(data: bytes) -> Signed:
    """The envelope in ``data``, strictly: unknown fields, bad base64 and more signatures than the limit are refused.

    Raises:
        EnvelopeError: it is none.
    """
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise EnvelopeError(f"not a signed envelope: {error}") from error


def sign(payload: bytes, payload_type: PayloadType, signer: CryptoSigner) -> bytes:
    """A new envelope with one signature, as JSON."""
    envelope = Envelope(payload, payload_type, {})
    envelope.sign(signer)
    return msgspec.json.encode(envelope.to_dict())


def countersign(data: bytes, signer: CryptoSigner) -> bytes:
    """The envelope with one more signature over the same payload.

    Raises:
        EnvelopeError: ``data`` is none, or holds the most signatures already.
    """
    envelope = _library(read(data))
    envelope.sign(signer)
    if len(envelope.signatures) > MAX_SIGNATURES:
        raise EnvelopeError(f"{len(envelope.signatures)} signatures, at most {MAX_SIGNATURES} are read")
    return msgspec.json.encode(envelope.to_dict())


def signers(signed: Signed, keys: Iterable[SSlibKey]) -> frozenset[str]:
    """The ids of those ``keys`` whose signature of the payload and its type holds."""
    envelope = _library(signed)
    return frozenset(key.keyid for key in keys if key.keyid in envelope.signatures and _holds(envelope, key))


def _holds(envelope: Envelope, key: Key) -> bool:
    try:
        envelope.verify([key], 1)
    except VerificationError:
        return False
    return True


def _library(signed: Signed) -> Envelope:
    signatures = {found.keyid: Signature(found.keyid, found.sig.hex()) for found in signed.signatures}
    return Envelope(signed.payload, signed.payload_type, signatures)


def public_key(public_hex: str) -> SSlibKey:
    """The verifying key of 32 bytes in hexadecimal; its id is derived from them, so one key has one id.

    Raises:
        KeyFileError: not an Ed25519 public key.
    """
    try:
        return SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_hex)))
    except ValueError as error:
        raise KeyFileError(f"not an Ed25519 public key of 64 hexadecimal digits: {error}") from error


def load_signer(path: Path) -> CryptoSigner:
    """The signing key in a PKCS#8 PEM file that only its owner can read.

    Raises:
        KeyFileError: missing, open to others, or not an unencrypted Ed25519 key.
    """
    try:
        mode = path.stat().st_mode
        pem = path.read_bytes()
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from error
    if stat.S_IMODE(mode) & 0o077:
        raise KeyFileError(f"{path}: mode {stat.S_IMODE(mode):o} lets others read a signing key; chmod 600 it")
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError) as error:
        raise KeyFileError(f"{path}: not an unencrypted PKCS#8 PEM key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError(f"{path}: not an Ed25519 key")
    return CryptoSigner(key)


def public_hex(signer: CryptoSigner) -> str:
    """The public half as policy files write it."""
    return str(signer.public_key.keyval["public"])
