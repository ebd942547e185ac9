"""Vans of a fleet, and the certificate requests that the broker's authority is to sign."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256K1, SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from ota.repository.people import FleetError
from ota.repository.vans import add, check_request, named, read_all, record
from tests.ota.repository.stage import Stage

PUBLIC = Ed25519PrivateKey.from_private_bytes(b"7" * 32).public_key().public_bytes_raw().hex()
OTHER = Ed25519PrivateKey.from_private_bytes(b"8" * 32).public_key().public_bytes_raw().hex()


def named_as(*names: str) -> x509.CertificateSigningRequestBuilder:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name) for name in names]
    return x509.CertificateSigningRequestBuilder().subject_name(x509.Name(attributes))


def request(*names: str) -> bytes:
    return named_as(*names).sign(generate_private_key(SECP256R1()), SHA256()).public_bytes(Encoding.PEM)


def test_a_van_is_one_small_file_named_by_its_keys_id(stage: Stage) -> None:
    csr = request("van-07")
    path = add(stage.path, record("van-07", PUBLIC, "ORIN-NX"), csr)
    (van,) = read_all(stage.path)
    assert (path.name, van.van, van.public, van.hardware) == ("van-07.json", "van-07", PUBLIC, "ORIN-NX")
    assert (stage.path / "vans/van-07.csr").read_bytes() == csr
    assert named(stage.path, ["all"]) == named(stage.path, ["van-07", "van-07"]) == (van,)


def test_the_key_id_is_the_one_that_the_van_derives(stage: Stage) -> None:
    from firmware.envelope import public_key

    assert record("van-07", PUBLIC).key_id == public_key(PUBLIC).keyid


def test_neither_an_id_nor_a_key_is_registered_twice(stage: Stage) -> None:
    add(stage.path, record("van-07", PUBLIC))
    with pytest.raises(FleetError, match="van-07: van-07 is registered"):
        add(stage.path, record("van-07", OTHER))
    with pytest.raises(FleetError, match="van-08: van-07 is registered"):
        add(stage.path, record("van-08", PUBLIC))


def test_what_is_no_van_is_refused() -> None:
    with pytest.raises(FleetError, match="a van's id has 1 to 64"):
        record("van/07", PUBLIC)
    with pytest.raises(FleetError, match="64 hexadecimal digits"):
        record("van-07", PUBLIC[:-1])


def test_a_van_that_is_not_registered_gets_nothing(stage: Stage) -> None:
    with pytest.raises(FleetError, match="van-99: not registered"):
        named(stage.path, ["van-99"])
    with pytest.raises(FleetError, match="no van: not registered"):
        named(stage.path, ["all"])


def test_a_record_that_was_edited_is_found(stage: Stage) -> None:
    path = add(stage.path, record("van-07", PUBLIC))
    path.write_text(path.read_text().replace(PUBLIC, OTHER))
    with pytest.raises(FleetError, match="do not fit each other"):
        read_all(stage.path)


def test_a_request_is_for_this_van_alone_with_a_key_that_tls_takes() -> None:
    check_request(request("van-07"), "van-07")
    ed25519 = named_as("van-07").sign(Ed25519PrivateKey.generate(), None)
    check_request(ed25519.public_bytes(Encoding.PEM), "van-07")
    for csr in (request("control-room"), request("van-07", "control-room"), request()):
        with pytest.raises(FleetError, match="it has to be for CN=van-07 alone"):
            check_request(csr, "van-07")
    rsa = named_as("van-07").sign(generate_rsa(65537, 2048), SHA256()).public_bytes(Encoding.PEM)
    with pytest.raises(FleetError, match="not Ed25519, P-256 or P-384"):
        check_request(rsa, "van-07")
    koblitz = named_as("van-07").sign(generate_private_key(SECP256K1()), SHA256()).public_bytes(Encoding.PEM)
    with pytest.raises(FleetError, match="secp256k1, not"):
        check_request(koblitz, "van-07")


def test_a_request_that_was_changed_registers_no_van(stage: Stage) -> None:
    der = x509.load_pem_x509_csr(request("van-08")).public_bytes(Encoding.DER).replace(b"van-08", b"van-07")
    changed = x509.load_der_x509_csr(der).public_bytes(Encoding.PEM)
    with pytest.raises(FleetError, match="signature does not hold"):
        add(stage.path, record("van-07", PUBLIC), changed)
    with pytest.raises(FleetError, match="not a certificate request"):
        add(stage.path, record("van-07", PUBLIC), b"nonsense")
    assert read_all(stage.path) == []
