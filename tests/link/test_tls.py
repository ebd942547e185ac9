"""A line through TLS: both sides prove who they are, and what comes in one go is read in one go."""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from firmware.topics import topic
from firmware.wire import Heard, Linked
from tests.link.scripted_broker import Script, ScriptedBroker, publish
from tests.link.stage import VAN, Link, Match, wait_until

COMMAND = publish(topic(VAN, "cmd", "pause"), bytes(5_000))


def self_signed(path: Path) -> Path:
    """A certificate that is its own authority, with its key, for both sides."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.timezone.utc)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    path.write_bytes(certificate.public_bytes(pem) + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return path


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return self_signed(tmp_path / "own.pem")


@pytest.fixture
def context(own: Path) -> ssl.SSLContext:
    """A broker's, that asks for a certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(own))
    context.load_cert_chain(str(own))
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@pytest.fixture
def connected(tmp_path: Path, context: ssl.SSLContext) -> Iterator[Callable[..., tuple[Link, Match]]]:
    """A link with these lines in its ``[link.tls]`` table, and its match process."""
    started: list[tuple[ScriptedBroker, Link, Match]] = []

    def new(*lines: str) -> tuple[Link, Match]:
        broker = ScriptedBroker(Script(after=COMMAND * 100), tls=context)
        link = Link(tmp_path, broker.port)
        link.start('broker_host = "localhost"', "[link.tls]", *lines)
        match = Match(link.socket)
        started.append((broker, link, match))
        match.greet()
        return link, match

    yield new
    for broker, link, match in started:
        link.close()
        match.die()
        broker.close()


def test_with_certificates_of_both_sides_there_is_a_line(
    connected: Callable[..., tuple[Link, Match]], own: Path
) -> None:
    _, match = connected(f'ca = "{own}"', f'cert = "{own}"', f'key = "{own}"')
    match.wait_until_linked()
    match.wait_for(Heard, 100)
    assert match.deliver("match", bytes(400_000)) == 0


def test_without_a_certificate_of_the_van_there_is_none_and_the_reason_is_said(
    connected: Callable[..., tuple[Link, Match]], own: Path
) -> None:
    link, match = connected(f'ca = "{own}"')
    assert "certificate required" in link.wait_for("broker_unavailable")["reason"].lower()
    assert not any(linked.connected for linked in match.all(Linked))


def test_a_broker_of_another_authority_is_not_believed(
    connected: Callable[..., tuple[Link, Match]], tmp_path: Path, own: Path
) -> None:
    other = self_signed(tmp_path / "other.pem")
    link, _ = connected(f'ca = "{other}"', f'cert = "{own}"', f'key = "{own}"')
    assert "certificate verify failed" in link.wait_for("broker_unavailable")["reason"].lower()


def test_tls_1_2_is_too_old(connected: Callable[..., tuple[Link, Match]], context: ssl.SSLContext, own: Path) -> None:
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    link, match = connected(f'ca = "{own}"', f'cert = "{own}"', f'key = "{own}"')
    reason = link.wait_for("broker_unavailable")["reason"].lower()
    assert "version" in reason
    wait_until(lambda: match.all(Linked)[-1].reason, "the reason")
    assert not any(linked.connected for linked in match.all(Linked))


def test_a_host_name_that_is_none_ends_the_process_and_does_not_leave_it_waiting(link: Link, own: Path) -> None:
    link.start('broker_host = "van..hub"', "[link.tls]", f'ca = "{own}"')
    match = Match(link.socket)
    match.greet()
    assert link.wait_for_exit() == 1
    match.die()
    assert link.said("thread_died")[0]["thread"] == "dial"
