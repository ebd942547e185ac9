"""Certificates for a test's broker and its clients, made in memory in milliseconds. Knows X.509; not MQTT.

A certificate's CN is the client's name to the broker, so that is all that sets one client's apart from another's.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = dt.timedelta(days=1)
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
HERE = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1"))])


@dataclass(frozen=True)
class Paths:
    """The PEM files of one certificate and of its key."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority that lives as long as one test; ``ca`` is its own certificate's file.

    Args:
        folder: where the files go.
        now: what it takes for the present.
        name: its CN.
    """

    def __init__(self, folder: Path, now: dt.datetime, name: str = "fleet") -> None:
        self.ca = folder / f"{name}-ca.crt"
        self._folder = folder
        self.now = now
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        self._revoked: list[int] = []
        folder.mkdir(parents=True, exist_ok=True)
        basic = x509.BasicConstraints(ca=True, path_length=0)
        itself = self._draft(self._name, self._key.public_key(), DAY).add_extension(basic, critical=True)
        self.ca.write_bytes(_pem(itself.sign(self._key, hashes.SHA256())))

    def server(self) -> Paths:
        """For a broker on 127.0.0.1 and localhost."""
        return self._issue("broker", SERVER, DAY)

    def client(self, cn: str, lasts: dt.timedelta = DAY) -> Paths:
        """For the client of that name; one that ``lasts`` less than nothing has expired."""
        return self._issue(cn, CLIENT, lasts)

    def revoke(self, paths: Paths) -> None:
        """Put it on the next :meth:`revocations`."""
        self._revoked.append(x509.load_pem_x509_certificate(paths.certificate.read_bytes()).serial_number)

    def revocations(self, lasts: dt.timedelta = DAY) -> bytes:
        """The list of what was revoked so far, in PEM; it ``lasts`` as a certificate does."""
        listing = x509.CertificateRevocationListBuilder(self._name, self.now - DAY, self.now + lasts)
        for serial in self._revoked:
            entry = x509.RevokedCertificateBuilder(serial, self.now - DAY)
            listing = listing.add_revoked_certificate(entry.build())
        return listing.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def _issue(self, cn: str, purpose: x509.ObjectIdentifier, lasts: dt.timedelta) -> Paths:
        key = ec.generate_private_key(ec.SECP256R1())
        draft = self._draft(_named(cn), key.public_key(), lasts)
        draft = draft.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        certificate = draft.add_extension(HERE, critical=False).sign(self._key, hashes.SHA256())
        stem = f"{cn}-{certificate.serial_number:x}"
        paths = Paths(self._folder / f"{stem}.crt", self._folder / f"{stem}.key")
        paths.certificate.write_bytes(_pem(certificate))
        paths.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return paths

    def _draft(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, lasts: dt.timedelta
    ) -> x509.CertificateBuilder:
        return x509.CertificateBuilder(
            issuer_name=self._name,
            subject_name=subject,
            public_key=key,
            serial_number=x509.random_serial_number(),
            not_valid_before=self.now - 2 * DAY,
            not_valid_after=self.now + lasts,
        )


def _named(cn: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
