"""One check of a whole repository: what is taken, what is left out, and what ends it."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner, SSlibKey
from tuf.api.metadata import TargetFile

from ota.content import KINDS, MAX_BYTES, ROLE, ROLES, Kind
from ota.repository.roles import RULES
from ota.trusted import UpdateError
from tests.ota.throwaway import DAY_S, NOW, VAN, Repository, custom, delegations, replace_id
from tests.ota.van import Van


@pytest.fixture
def repository() -> Repository:
    return Repository()


@pytest.fixture
def van(tmp_path: Path, repository: Repository) -> Van:
    return Van(tmp_path, repository)


def fault(van: Van) -> str:
    """Of a check that has to fail: the fault."""
    with van.started() as agent, pytest.raises(UpdateError) as caught:
        agent.trusted.check()
    return caught.value.fault


def names(van: Van) -> list[str]:
    """Of a check that has to succeed: the paths."""
    with van.started() as agent:
        return [target.path for target in agent.trusted.check()]


def skipped(van: Van) -> list[tuple[str, str]]:
    """Of a check that has to succeed: what was left out, and why."""
    with van.started() as agent:
        agent.trusted.check()
        return [(one.name, one.fault) for one in agent.trusted.skipped]


def test_every_kind_comes_through_its_role_with_what_its_signers_said(van: Van, repository: Repository) -> None:
    for kind in KINDS:
        repository.add(kind, "one", kind.encode())
    repository.publish(*ROLES)
    with van.started() as agent:
        targets = sorted(agent.trusted.check(), key=lambda target: KINDS.index(target.kind))
        assert [target.kind for target in targets] == list(KINDS)
        assert [target.custom for target in targets] == [custom(kind) for kind in KINDS]
        assert [agent.trusted.fetch(target).read_bytes() for target in targets] == [kind.encode() for kind in KINDS]
        assert agent.trusted.skipped == ()


def test_a_check_records_when_it_was_and_that_it_is_not_earlier(van: Van) -> None:
    van.now = NOW + 3600
    with van.started() as agent:
        agent.trusted.check()
        assert (agent.records.checked, agent.records.time_floor, agent.clock.floor) == (NOW + 3600, NOW, NOW)


def test_a_clock_may_be_some_minutes_slow_when_something_was_just_published(van: Van, repository: Repository) -> None:
    signed = repository.roles["timestamp"].signed
    signed.expires = datetime.fromtimestamp(NOW + RULES["timestamp"].lifetime_s, timezone.utc)
    repository.offer("timestamp")
    van.now = NOW - 9 * 60
    assert names(van) == []
    van.now = NOW - 11 * 60
    assert fault(van) == "clock"


def test_a_failed_check_is_not_recorded_as_one(van: Van, repository: Repository) -> None:
    del repository.files["metadata/1.targets.json"]
    assert fault(van) == "unreachable"
    with van.started() as agent:
        assert agent.records.checked == 0


LIES = {
    "of another kind": {"kind": "software", "vans": [VAN], "counter": 1},
    "no van": {"kind": "model", "vans": [], "counter": 1},
    "a name for a van": {"kind": "model", "vans": ["van-7"], "counter": 1},
    "counter 0": {"kind": "model", "vans": [VAN], "counter": 0},
    "counter as text": {"kind": "model", "vans": [VAN], "counter": "1"},
    "a field more": {"kind": "model", "vans": [VAN], "counter": 1, "run": "rm"},
    "nothing": {},
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_a_target_of_which_the_wrong_things_are_said_is_left_out_and_the_others_stand(
    van: Van, repository: Repository, lie: dict[str, object]
) -> None:
    repository.add("model", "bad", b"bad", lie)
    repository.add("model", "good", b"good")
    repository.publish("models")
    assert names(van) == ["model/good"]
    assert skipped(van) == [("model/bad", "refused")]


def test_custom_that_is_missing_or_no_object_is_left_out(van: Van, repository: Repository) -> None:
    repository.add("model", "missing", b"1")
    repository.add("model", "text", b"2")
    del repository.targets("models").targets["model/missing"].unrecognized_fields["custom"]
    repository.targets("models").targets["model/text"].unrecognized_fields["custom"] = "kind"
    repository.publish("models")
    assert skipped(van) == [("model/missing", "refused"), ("model/text", "refused")]


@pytest.mark.parametrize(
    "path",
    [
        *("watchlist/x", "model", "model/", "model/a/b", "model/..", "model/.hidden", "model/a b", "/model/x"),
        *("model/x%2f", "model/x\n", "x", "model/" + "n" * 129),
    ],
)
def test_a_role_signs_for_names_in_its_own_folder_and_nothing_else(van: Van, repository: Repository, path: str) -> None:
    repository.put("models", path, b"x", custom("model"))
    repository.publish("models")
    assert names(van) == []
    assert [why for _, why in skipped(van)] == ["refused"]


MIXED_UP = {
    "a calibration among models": ("models", "model/c", "calibration"),
    "a model among calibrations": ("models", "calibration/m", "model"),
    "a policy's holders' calibration": ("policies", "calibration/c", "calibration"),
    "a list's holders' calibration": ("watchlists", "watchlist/c", "calibration"),
}


@pytest.mark.parametrize(("role", "path", "kind"), MIXED_UP.values(), ids=MIXED_UP.keys())
def test_what_one_role_signs_for_is_taken_as_what_it_is_signed_as_or_not_at_all(
    van: Van, repository: Repository, role: str, path: str, kind: Kind
) -> None:
    repository.put(role, path, b"x", custom(kind))
    repository.publish(role)
    assert names(van) == []
    assert skipped(van) == [(path, "refused")]


def test_a_fleet_from_before_there_were_calibrations_delegates_none(tmp_path: Path) -> None:
    repository = Repository(kinds=("model",))
    repository.add("model", "m", b"m")
    repository.add("calibration", "c", b"c")
    repository.publish("models")
    van = Van(tmp_path, repository)
    assert names(van) == ["model/m"]
    with van.started() as agent:
        agent.trusted.check()
        (skipped,) = agent.trusted.skipped
    assert skipped.words == "calibration/c: models were delegated ['model/*'] and nothing else"


def test_a_role_signs_for_what_was_delegated_to_it_even_within_its_folder(van: Van, repository: Repository) -> None:
    repository.delegation("models").paths = ["model/small-*"]
    repository.add("model", "small-1", b"1")
    repository.add("model", "large-1", b"2")
    repository.publish("targets", "models")
    assert names(van) == ["model/small-1"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_target_larger_than_its_kind_may_be_is_left_out(van: Van, repository: Repository, kind: Kind) -> None:
    path = repository.add(kind, "large", b"")
    targets = repository.targets(ROLE[kind]).targets
    targets[path].length = MAX_BYTES[kind]
    repository.publish(ROLE[kind])
    assert names(van) == [path]
    targets[path].length += 1
    repository.publish(ROLE[kind])
    assert skipped(van) == [(path, "refused")]


def test_a_target_without_sha256_is_left_out(van: Van, repository: Repository) -> None:
    path = repository.add("model", "m", b"x")
    file = TargetFile.from_data(path, b"x", ["sha512"])
    file.unrecognized_fields["custom"] = repository.targets("models").targets[path].unrecognized_fields["custom"]
    repository.targets("models").targets[path] = file
    repository.publish("models")
    assert skipped(van) == [(path, "refused")]


def test_a_repository_without_some_roles_is_a_small_one(tmp_path: Path) -> None:
    repository = Repository(kinds=("model",))
    repository.add("model", "m", b"x")
    repository.publish("models")
    van = Van(tmp_path, repository)
    assert names(van) == ["model/m"]
    assert skipped(van) == []


def test_a_role_that_was_there_before_cannot_just_vanish(van: Van, repository: Repository) -> None:
    assert skipped(van) == []
    repository.undelegate("models")
    repository.publish("targets")
    assert skipped(van) == [("models", "refused")]


def test_an_expired_role_takes_no_other_with_it(van: Van, repository: Repository) -> None:
    repository.add("watchlist", "list", b"list")
    repository.add("revocation", "gone", b"gone")
    repository.publish("watchlists", "revocations")
    repository.now = van.now = NOW + 3 * DAY_S
    repository.publish()
    assert names(van) == ["revocation/gone"]
    assert skipped(van) == [("watchlists", "expired")]


def test_one_signature_of_two_leaves_the_role_out(van: Van, repository: Repository) -> None:
    repository.add("watchlist", "list", b"list")
    repository.publish("watchlists")
    repository.offer("watchlists", repository.signers["watchlists"][:1])
    assert skipped(van) == [("watchlists", "not-signed")]


def test_two_signatures_of_one_key_are_one(van: Van, repository: Repository) -> None:
    repository.publish("watchlists")
    data = json.loads(repository.offer("watchlists", repository.signers["watchlists"][:1]))
    data["signatures"] *= 2
    repository.files["metadata/2.watchlists.json"] = json.dumps(data).encode()
    assert skipped(van) == [("watchlists", "refused")]


def test_one_key_under_two_ids_is_one_key(van: Van, repository: Repository) -> None:
    """TUF counts key ids: whoever gets a second id for a key into the delegation would sign for two."""
    first = repository.signers["watchlists"][0]
    twin = CryptoSigner(first._private_key, replace_id(first.public_key, "b" * 64))
    delegations(repository.targets()).keys[twin.public_key.keyid] = twin.public_key
    repository.delegation("watchlists").keyids.append(twin.public_key.keyid)
    repository.publish("targets", "watchlists")
    repository.offer("watchlists", [first, twin])
    assert skipped(van) == [("watchlists", "refused")]


def test_one_key_that_is_written_down_in_two_ways_is_one_key(van: Van, repository: Repository) -> None:
    first = CryptoSigner.generate_ecdsa()
    begin, body, end = re.split(r"(?<=KEY-----)\n|\n(?=-----END)", first.public_key.keyval["public"].strip())
    pem = "\n".join((begin, body.replace("\n", ""), end))
    assert pem != first.public_key.keyval["public"]
    twin = CryptoSigner(first._private_key, SSlibKey("b" * 64, "ecdsa", first.public_key.scheme, {"public": pem}))
    for signer in (first, twin):
        delegations(repository.targets()).keys[signer.public_key.keyid] = signer.public_key
        repository.delegation("watchlists").keyids.append(signer.public_key.keyid)
    repository.publish("targets", "watchlists")
    repository.offer("watchlists", [first, twin])
    assert skipped(van) == [("watchlists", "refused")]


def test_keys_of_another_role_count_for_nothing(van: Van, repository: Repository) -> None:
    repository.publish("watchlists")
    repository.offer("watchlists", repository.signers["models"])
    assert skipped(van) == [("watchlists", "not-signed")]


def test_a_role_is_never_read_as_another_role_delegates_it(van: Van, repository: Repository) -> None:
    """A role that signs for models names one of its own "watchlists", with its own key, for any path."""
    honest = repository.roles["watchlists"], repository.signers["watchlists"]
    repository.add("watchlist", "honest", b"honest")
    repository.publish("watchlists")
    thief = Repository(kinds=("watchlist",))
    repository.signers["watchlists"] = thief.signers["watchlists"][:1]
    repository.delegate("watchlists", ["*"], delegator="models")
    repository.put("watchlists", "watchlist/forged", b"forged", custom("watchlist", 2))
    repository.publish("models", "watchlists")
    repository.offer("watchlists", thief.signers["watchlists"][:1])
    assert skipped(van) == [("watchlists", "not-signed")]
    repository.roles["watchlists"], repository.signers["watchlists"] = honest
    del repository.targets("watchlists").targets["watchlist/forged"]
    repository.publish("watchlists")
    assert names(van) == ["watchlist/honest"]
    assert "metadata/2.models.json" in van.shelf.asked


def test_a_role_that_cannot_be_had_ends_the_check_for_nobody_withdrew_it(van: Van, repository: Repository) -> None:
    repository.publish("watchlists")
    del repository.files["metadata/2.watchlists.json"]
    assert fault(van) == "unreachable"


def test_a_role_stays_in_its_folder_even_if_more_was_delegated_to_it(van: Van, repository: Repository) -> None:
    repository.delegation("models").paths = ["*/*"]
    repository.put("models", "watchlist/forged", b"forged", custom("watchlist"))
    repository.publish("targets", "models")
    assert skipped(van) == [("watchlist/forged", "refused")]


def test_what_one_check_left_out_the_next_one_forgets(van: Van, repository: Repository) -> None:
    repository.add("model", "bad", b"bad", {})
    repository.publish("models")
    left_out = []
    with van.started() as agent:
        agent.trusted.check()
        left_out.append(len(agent.trusted.skipped))
        repository.targets("models").targets.clear()
        repository.publish("models")
        agent.trusted.check()
        left_out.append(len(agent.trusted.skipped))
    assert left_out == [1, 0]
