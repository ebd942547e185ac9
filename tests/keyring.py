"""Throw-away keys of a van, its people and its control room, and the files that a van is given of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pyrage.x25519 import Identity
from securesystemslib.signer import CryptoSigner

from firmware import envelope
from firmware.match.seal import Sealer
from firmware.policy.trust import Policy, load_policy

ROLES = {
    "operator-1": ("operator",),
    "operator-2": ("operator",),
    "authoriser-1": ("authoriser",),
    "maintainer-1": ("maintainer",),
    "control-room-1": ("control-room",),
}


@dataclass(frozen=True)
class Keyring:
    """A signing key for each holder, one for the van, and the control room's reading key."""

    van: CryptoSigner = field(default_factory=CryptoSigner.generate_ed25519)
    reader: Identity = field(default_factory=Identity.generate)
    people: dict[str, CryptoSigner] = field(
        default_factory=lambda: {holder: CryptoSigner.generate_ed25519() for holder in ROLES}
    )

    @property
    def sealer(self) -> Sealer:
        return Sealer(self.van, (self.reader.to_public(),))

    def keyid(self, holder: str) -> str:
        return str(self.people[holder].public_key.keyid)

    def write(self, folder: Path, more: Sequence[dict[str, object]] = ()) -> Path:
        """``van.pem``, ``policy/keys.json``, and each holder's key; returns the folder."""
        policy = folder / "policy"
        policy.mkdir(parents=True, exist_ok=True)
        holders = [
            {"holder": holder, "roles": list(roles), "public": envelope.public_hex(self.people[holder])}
            for holder, roles in ROLES.items()
        ]
        listed = {"v": 1, "holders": [*holders, *more], "recipients": [str(self.reader.to_public())]}
        (policy / "keys.json").write_text(json.dumps(listed), "utf-8")
        write_key(folder / "van.pem", self.van)
        for holder, signer in self.people.items():
            write_key(folder / f"{holder}.pem", signer)
        (folder / "reader.age").touch(0o600)
        (folder / "reader.age").write_text(str(self.reader), "utf-8")
        return folder

    def policy(self, folder: Path) -> Policy:
        return load_policy(self.write(folder) / "policy")


def write_key(path: Path, signer: CryptoSigner) -> None:
    """A PKCS#8 PEM file for its owner alone."""
    key = signer._private_key
    assert isinstance(key, Ed25519PrivateKey)
    path.touch(0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


KEYRING = Keyring()
"""For stories in which nobody changes keys."""
