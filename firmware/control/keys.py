"""The console's own secrets on disk: reads age identities, makes new keys. Knows files; not what they open."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pyrage import IdentityError
from pyrage.x25519 import Identity
from securesystemslib.signer import CryptoSigner

from firmware.envelope import KeyFileError, public_hex


@dataclass(frozen=True)
class NewKeys:
    """What :func:`make_keys` wrote; the public halves are for policy files.

    Attributes:
        key: the PEM file.
        public: 64 hexadecimal digits.
        reading_key: the age identity file, where one was asked for.
        recipient: its ``age1...``, else empty.
    """

    key: Path
    public: str
    reading_key: Path | None
    recipient: str


def make_keys(folder: Path, name: str, *, age: bool) -> NewKeys:
    """Write ``NAME.pem`` (Ed25519) and, for ``age``, ``NAME.age``; only their owner can read them.

    Raises:
        KeyFileError: one of the files exists already, or cannot be written. Nothing is ever overwritten.
    """
    key, reading_key = folder / f"{name}.pem", folder / f"{name}.age"
    for path in (key, reading_key) if age else (key,):
        if path.exists() or path.is_symlink():
            raise KeyFileError(f"{path}: exists already and is not overwritten")
    private, opener = Ed25519PrivateKey.generate(), Identity.generate()
    _write_new(key, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = public_hex(CryptoSigner(private))
    if not age:
        return NewKeys(key, public, None, "")
    recipient = str(opener.to_public())
    _write_new(reading_key, f"# recipient: {recipient}\n{opener}\n".encode())
    return NewKeys(key, public, reading_key, recipient)


def _write_new(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(file, "wb") as output:
            output.write(content)
            output.flush()
            os.fsync(output.fileno())
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from error


def load_reading_keys(paths: Iterable[Path]) -> tuple[Identity, ...]:
    """The age identities of these files: one a line, ``#`` begins a comment (age(1)).

    Raises:
        KeyFileError: missing, open to others, or without an X25519 identity.
    """
    return tuple(key for path in paths for key in _reading_keys(path))


def _reading_keys(path: Path) -> list[Identity]:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise KeyFileError(f"{path}: not a file of age identities") from error
    if mode & 0o077:
        raise KeyFileError(f"{path}: mode {mode:o} lets others read an identity; chmod 600 it")
    secrets = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not secrets:
        raise KeyFileError(f"{path}: holds no age identity")
    try:
        return [Identity.from_str(secret) for secret in secrets]
    except IdentityError as error:
        raise KeyFileError(f"{path}: not an age X25519 identity (AGE-SECRET-KEY-1...)") from error
