"""Keys of the people and machines that sign metadata: public halves as text, private ones by file or URI.

Knows Ed25519 and ECDSA (tokens and clouds have only that) and whose key it is; refuses to know what is signed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from securesystemslib.exceptions import UnsupportedLibraryError
from securesystemslib.signer import SIGNER_FOR_URI_SCHEME, CryptoSigner, Key, Signer, SSlibKey

HOLDER = "x-kerbside-holder"
"""A key's field in signed metadata: whose it is. So everyone can check that a threshold counts different people."""
_FILE = "file2"
Passphrase = Callable[[], str]
Elsewhere = Callable[[str], str]


class KeyFileError(Exception):
    """A key cannot be used; the text names the file or URI, never its content."""


def public_key(text: str, holder: str = "") -> SSlibKey:
    """The verifying key in 64 hexadecimal digits (Ed25519) or a PEM block; its id is derived from it.

    Raises:
        KeyFileError: it is neither, or of another kind than Ed25519 and ECDSA.
    """
    try:
        if "BEGIN" in text:
            found = load_pem_public_key(text.encode())
        else:
            found = Ed25519PublicKey.from_public_bytes(bytes.fromhex(text))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyFileError(f"'{text[:24]}': neither 64 hexadecimal digits nor a public key in PEM") from error
    if not isinstance(found, Ed25519PublicKey | EllipticCurvePublicKey):
        raise KeyFileError(f"{type(found).__name__}: only Ed25519 and ECDSA keys sign here")
    key = SSlibKey.from_crypto(found)
    key.unrecognized_fields = {HOLDER: holder} if holder else {}
    return key


def holder_of(key: Key) -> str:
    """Whose key it is, by the metadata that names it; "" for a machine's."""
    return str(key.unrecognized_fields.get(HOLDER, ""))


def generate(path: Path, passphrase: str = "") -> str:
    """Make an Ed25519 key file that only its owner can read; the public half as 64 hexadecimal digits.

    Raises:
        KeyFileError: there is one already, or the folder cannot be written.
    """
    private = Ed25519PrivateKey.generate()
    how = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(descriptor)
    return private.public_key().public_bytes_raw().hex()


def open_signer(
    uri: str,
    candidates: Iterable[Key],
    passphrase: Passphrase,
    holder: str = "",
    elsewhere: Elsewhere = lambda keyid: "",
) -> Signer:
    """The signer behind a PEM file's path or a securesystemslib URI (file2, hsm, awskms, gcpkms, azurekms, hv, ...).

    Args:
        uri: where the private half is.
        candidates: the keys that may be meant; one of them is found by what a file holds.
        passphrase: asked for an encrypted file.
        holder: whose key of the ``candidates`` is meant, where no file tells.
        elsewhere: words for what a key that is none of the ``candidates`` does sign.

    Raises:
        KeyFileError: it cannot be read or used, or is none of ``candidates``.
    """
    scheme = uri.partition(":")[0]
    if scheme == _FILE or scheme not in SIGNER_FOR_URI_SCHEME:
        private = _private(Path(uri.removeprefix(f"{_FILE}:")).expanduser(), passphrase)
        known = {key.keyid: key for key in candidates}
        key = known.get(CryptoSigner(private).public_key.keyid)
        if key is None:
            raise KeyFileError(f"{uri}: this key signs no role here{elsewhere(CryptoSigner(private).public_key.keyid)}")
        return CryptoSigner(private, cast("SSlibKey", key))
    keys = {key.keyid: key for key in candidates if not holder or holder_of(key) == holder}
    if len(keys) != 1:
        raise KeyFileError(f"{uri}: say whose key it is, {len(keys)} could be meant")
    try:
        return Signer.from_priv_key_uri(uri, next(iter(keys.values())))
    except (ValueError, OSError, UnsupportedLibraryError) as error:
        raise KeyFileError(f"{scheme}: {error}") from error


def _private(path: Path, passphrase: Passphrase) -> Ed25519PrivateKey | EllipticCurvePrivateKey:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        pem = path.read_bytes()
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from error
    if mode & 0o077:
        raise KeyFileError(f"{path}: mode {mode:o} lets others read a signing key; chmod 600 it")
    secret = passphrase().encode() if b"ENCRYPTED" in pem else None
    try:
        key = load_pem_private_key(pem, secret)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFileError(f"{path}: not a PKCS#8 PEM key, or the wrong passphrase") from error
    if not isinstance(key, Ed25519PrivateKey | EllipticCurvePrivateKey):
        raise KeyFileError(f"{path}: only Ed25519 and ECDSA keys sign here")
    return key
