"""What leaves the van: who can read it, who can check it, and what nobody on the way learns."""

from __future__ import annotations

import base64
import json

import msgspec
import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyrage.x25519 import Identity

from firmware import envelope
from firmware.envelope import EnvelopeError
from firmware.messages import CloudEvent, MatchEvent
from tests.events import an_event
from tests.keyring import Keyring

KEYRING = Keyring()
EVENT = an_event("event-000001")
SEALED = KEYRING.sealer.match(EVENT)


def opened(sealed: bytes, reader: Identity) -> bytes:
    return bytes(pyrage.decrypt(envelope.read(sealed).payload, [reader]))


def test_the_control_room_reads_a_cloud_event() -> None:
    cloud = json.loads(opened(SEALED, KEYRING.reader))
    assert {key: cloud[key] for key in ("specversion", "id", "source", "type", "datacontenttype", "sequence")} == {
        "specversion": "1.0",
        "id": "event-000001",
        "source": "/vans/van-07",
        "type": "kerbside.match.v1",
        "datacontenttype": "application/json",
        "sequence": "0000000000000001",
    }
    assert cloud["time"] == EVENT.decided_utc
    decoded = msgspec.json.decode(opened(SEALED, KEYRING.reader), type=CloudEvent[MatchEvent])
    assert decoded.data == EVENT


def test_nobody_else_reads_it() -> None:
    with pytest.raises(pyrage.DecryptError):
        opened(SEALED, Identity.generate())


def test_the_vans_signature_holds_and_nobody_elses() -> None:
    signed = envelope.read(SEALED)
    assert signed.payload_type == envelope.MATCH
    assert envelope.signers(signed, [KEYRING.van.public_key]) == {KEYRING.van.public_key.keyid}
    assert envelope.signers(signed, [signer.public_key for signer in KEYRING.people.values()]) == frozenset()


def test_on_the_way_there_is_no_face_no_entry_no_category_and_no_camera() -> None:
    texts = [SEALED, envelope.read(SEALED).payload]
    secrets = [EVENT.entry.encode(), EVENT.category.encode(), EVENT.camera.encode(), EVENT.id.encode()]
    for secret in (*secrets, EVENT.crop_jpeg[:60], base64.b64encode(EVENT.crop_jpeg[:60])):
        assert all(secret not in text and base64.b64encode(secret) not in text for text in texts)


def test_two_seals_of_one_event_have_nothing_in_common() -> None:
    first, second = (envelope.read(KEYRING.sealer.match(EVENT)).payload for _ in range(2))
    assert first[200:] != second[200:]


@given(at=st.integers(0, len(SEALED) - 1), flip=st.integers(1, 255))
def test_a_changed_byte_is_no_envelope_or_nobodys(at: int, flip: int) -> None:
    changed = bytes(byte ^ (flip if here == at else 0) for here, byte in enumerate(SEALED))
    try:
        signed = envelope.read(changed)
    except EnvelopeError:
        return
    good = envelope.signers(signed, [KEYRING.van.public_key])
    assert not good or (signed == envelope.read(SEALED))
