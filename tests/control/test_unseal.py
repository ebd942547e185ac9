"""What a console believes: the van's own words, whole, meant for it and about that van; and nothing else."""

from __future__ import annotations

import msgspec
import pytest
from pyrage import encrypt
from pyrage.x25519 import Identity

from firmware import envelope
from firmware.control.unseal import Malformed, NotForUs, NotSigned, Unsealer
from firmware.match.seal import Sealer
from firmware.messages import Answer, CloudEvent, Health, MatchEvent, source
from tests.control.stage import OTHER, VAN, Keys
from tests.control.van import DECIDED, a_match, a_record, a_state, details


@pytest.fixture
def sealer(keys: Keys) -> Sealer:
    return Sealer(keys.signer(VAN), (keys.reading_key.to_public(),))


@pytest.fixture
def unsealer(keys: Keys) -> Unsealer:
    return keys.unsealer()


def an_answer(**changes: str) -> Answer:
    answer = Answer(v=1, id="command-1", van=VAN, boot="ab" * 16, uptime_s=5.0, outcome="done", mode="paused")
    return msgspec.structs.replace(answer, **changes)


def cloud_of(event: MatchEvent, **changes: str) -> CloudEvent[MatchEvent]:
    cloud = CloudEvent[MatchEvent](
        id=event.id,
        source=source(event.van),
        type="kerbside.match.v1",
        time=DECIDED,
        sequence=f"{event.sequence:016d}",
        data=event,
    )
    return msgspec.structs.replace(cloud, **changes)


def sealed(cloud: object, keys: Keys, payload_type: envelope.PayloadType = envelope.MATCH) -> bytes:
    """Whatever, encrypted to the console and signed by the van."""
    hidden = bytes(encrypt(msgspec.json.encode(cloud), [keys.reading_key.to_public()]))
    return envelope.sign(hidden, payload_type, keys.signer(VAN))


def test_what_a_van_seals_comes_out_as_it_went_in(sealer: Sealer, unsealer: Unsealer) -> None:
    health = Health(state=a_state(), details=details())
    assert unsealer.match(VAN, sealer.match(event := a_match(0))) == event
    assert unsealer.audit(VAN, sealer.audit(record := a_record(12))) == record
    assert unsealer.health(VAN, sealer.health(health)) == health
    assert unsealer.state(VAN, sealer.state(a_state())) == a_state()
    assert unsealer.answer(VAN, "command-1", sealer.answer(an_answer())) == an_answer()
    assert unsealer.details(sealer.details(details())) == details()


def test_one_changed_byte_anywhere_is_not_the_van(sealer: Sealer, unsealer: Unsealer) -> None:
    whole = sealer.match(a_match())
    for index in range(0, len(whole), 97):
        with pytest.raises(NotSigned):
            unsealer.match(VAN, whole[:index] + bytes([whole[index] ^ 1]) + whole[index + 1 :])


@pytest.mark.parametrize("rubbish", [b"", b"{}", b"\xff\xfe", b"[" * 100_000, b'{"payload":1}'])
def test_rubbish_is_not_the_van(unsealer: Unsealer, rubbish: bytes) -> None:
    with pytest.raises(NotSigned):
        unsealer.match(VAN, rubbish)


def test_another_vans_signature_on_this_vans_topic_is_not_the_van(sealer: Sealer, keys: Keys) -> None:
    with pytest.raises(NotSigned):
        keys.unsealer().match(OTHER, sealer.match(a_match()))


def test_a_van_whose_key_is_not_known_is_not_believed(sealer: Sealer, keys: Keys) -> None:
    with pytest.raises(NotSigned, match="no public key"):
        keys.unsealer(OTHER).match(VAN, sealer.match(a_match()))


def test_a_van_cannot_speak_of_another(sealer: Sealer, unsealer: Unsealer, keys: Keys) -> None:
    with pytest.raises(Malformed):
        unsealer.match(VAN, sealer.match(a_match(van=OTHER)))
    with pytest.raises(Malformed):
        unsealer.match(VAN, sealed(cloud_of(a_match(van=OTHER), source=source(VAN)), keys))
    with pytest.raises(Malformed):
        unsealer.state(VAN, sealer.state(a_state(van=OTHER)))
    with pytest.raises(Malformed):
        unsealer.answer(VAN, "command-1", sealer.answer(an_answer(van=OTHER)))


def test_an_answer_to_another_command_is_no_answer(sealer: Sealer, unsealer: Unsealer) -> None:
    with pytest.raises(Malformed):
        unsealer.answer(VAN, "command-2", sealer.answer(an_answer()))


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "another-id"},
        {"sequence": "2"},
        {"sequence": ""},
        {"source": source(OTHER)},
        {"type": "kerbside.audit.v1"},
    ],
)
def test_outer_words_that_differ_from_the_inner_are_refused(
    unsealer: Unsealer, keys: Keys, changes: dict[str, str]
) -> None:
    with pytest.raises(Malformed):
        unsealer.match(VAN, sealed(cloud_of(a_match(), **changes), keys))


def test_one_kind_of_message_cannot_pass_for_another(sealer: Sealer, unsealer: Unsealer, keys: Keys) -> None:
    with pytest.raises(Malformed):
        unsealer.audit(VAN, sealer.match(a_match()))
    with pytest.raises(Malformed):
        unsealer.match(VAN, sealed(cloud_of(a_match()), keys, envelope.AUDIT))
    with pytest.raises(Malformed):
        unsealer.state(VAN, sealer.answer(an_answer()))


def test_what_is_for_others_is_not_opened_and_is_not_called_false(sealer: Sealer, keys: Keys) -> None:
    for reading_keys in ((), (Identity.generate(),)):
        outsider = Unsealer(keys.unsealer().vans, reading_keys)
        with pytest.raises(NotForUs):
            outsider.match(VAN, sealer.match(a_match()))


def test_signed_bytes_that_are_no_event_are_malformed(unsealer: Unsealer, keys: Keys) -> None:
    contents: tuple[object, ...] = ({"a": 1}, [], "text")
    for content in contents:
        with pytest.raises(Malformed):
            unsealer.match(VAN, sealed(content, keys))
