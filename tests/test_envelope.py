"""Signed envelopes and key files: what is read, what holds, and which keys are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.signer import CryptoSigner

from firmware import envelope
from firmware.envelope import MAX_SIGNATURES, EnvelopeError, KeyFileError
from tests.keyring import KEYRING, Keyring, write_key

FIRST, SECOND = KEYRING.people["operator-1"], KEYRING.people["authoriser-1"]
BOTH = [FIRST.public_key, SECOND.public_key]


@given(payload=st.binary(max_size=2_000))
def test_what_was_signed_comes_out_as_it_went_in_with_its_signer(payload: bytes) -> None:
    signed = envelope.read(envelope.sign(payload, envelope.STATE, FIRST))
    assert (signed.payload, signed.payload_type) == (payload, envelope.STATE)
    assert envelope.signers(signed, BOTH) == {FIRST.public_key.keyid}


def test_a_second_signature_stands_beside_the_first_and_the_same_one_again_changes_nothing() -> None:
    once = envelope.sign(b"{}", envelope.COMMAND, FIRST)
    twice = envelope.countersign(once, SECOND)
    assert envelope.signers(envelope.read(twice), BOTH) == {FIRST.public_key.keyid, SECOND.public_key.keyid}
    assert envelope.countersign(once, FIRST) == once


def test_signatures_are_bounded() -> None:
    data = envelope.sign(b"{}", envelope.COMMAND, FIRST)
    for _ in range(MAX_SIGNATURES - 1):
        data = envelope.countersign(data, CryptoSigner.generate_ed25519())
    with pytest.raises(EnvelopeError, match=f"at most {MAX_SIGNATURES}"):
        envelope.countersign(data, CryptoSigner.generate_ed25519())


def test_a_signature_under_another_keys_id_does_not_hold() -> None:
    data = json.loads(envelope.sign(b"{}", envelope.COMMAND, FIRST))
    data["signatures"][0]["keyid"] = SECOND.public_key.keyid
    assert envelope.signers(envelope.read(json.dumps(data).encode()), BOTH) == frozenset()


@given(data=st.binary(max_size=300) | st.text().map(str.encode))
def test_anything_else_is_no_envelope(data: bytes) -> None:
    with pytest.raises(EnvelopeError):
        envelope.read(data)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    write_key(path, FIRST)
    assert envelope.load_signer(path).public_key == FIRST.public_key
    path.chmod(0o640)
    with pytest.raises(KeyFileError, match="mode 640 lets others read"):
        envelope.load_signer(path)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "not an unencrypted PKCS#8 PEM key"),
        (b"AGE-SECRET-KEY-1QQQ", "not an unencrypted PKCS#8 PEM key"),
        (
            ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            "not an Ed25519 key",
        ),
        (
            ec.generate_private_key(ec.SECP256R1()).private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
            ),
            "not an unencrypted PKCS#8 PEM key",
        ),
    ],
    ids=["empty", "another kind", "another curve", "encrypted"],
)
def test_a_file_that_holds_no_such_key_is_named_and_its_content_is_not(
    tmp_path: Path, content: bytes, complaint: str
) -> None:
    path = tmp_path / "key.pem"
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(KeyFileError, match=complaint) as error:
        envelope.load_signer(path)
    assert str(path) in str(error.value)
    assert "QQQ" not in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"absent\.pem: No such file"):
        envelope.load_signer(tmp_path / "absent.pem")


def test_one_public_key_has_one_id() -> None:
    again = envelope.public_key(envelope.public_hex(FIRST))
    assert again.keyid == FIRST.public_key.keyid
    assert Keyring().van.public_key.keyid != again.keyid
