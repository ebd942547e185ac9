"""Who may sign: the first draft, the rule of different people, and changes of keys."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from securesystemslib.signer import SSlibKey
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Targets
from tuf.api.serialization.json import JSONSerializer

from ota.content import MAX_STEP
from ota.repository import ceremony, draft
from ota.repository.audit import audit
from ota.repository.changes import changes
from ota.repository.edition import edition, send
from ota.repository.folder import MetadataError, Published
from ota.repository.keys import HOLDER, KeyFileError
from ota.repository.people import FleetError, check_seats, seats_of
from ota.repository.publishing import NotEnough
from ota.repository.roles import DELEGATED, RULES
from ota.repository.stores import DirectoryStore
from tests.ota.repository.stage import (
    ALL,
    HOLDERS,
    NOW,
    Cut,
    CutStore,
    Keys,
    Stage,
    holder_block,
    online_block,
    usual_people,
    van_of,
)

EXPECTED = {
    "root": (2, 365 * 24),
    "targets": (2, 365 * 24),
    "watchlists": (2, 48),
    "revocations": (1, 90 * 24),
    "models": (2, 90 * 24),
    "policies": (2, 90 * 24),
    "software": (2, 90 * 24),
    "os": (2, 90 * 24),
    "snapshot": (1, 7 * 24),
    "timestamp": (1, 24 - 1 / 6),
}


def online(keys: Keys) -> str:
    return "".join(online_block(role, keys.public[role], keys.path(role)) for role in ("snapshot", "timestamp"))


def refused(tmp_path: Path, people: str, match: str) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(people)
    with pytest.raises(FleetError, match=match):
        ceremony.found(tmp_path / "bad", file, now=NOW)
    assert not (tmp_path / "bad").exists()


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    made = Keys(tmp_path / "keys")
    made.make(*HOLDERS, "officer-a-2", "officer-d", "snapshot", "timestamp")
    return made


def test_the_first_state_has_the_thresholds_expiries_and_paths_of_the_table(stage: Stage) -> None:
    state: Published = stage.folder.need_published()
    signed = {"root": state.root, "snapshot": state.snapshot.signed, "timestamp": state.timestamp.signed}
    ends = signed | {role: one.signed for role, one in state.targets.items()}
    seats = seats_of(state.root, state.targets["targets"].signed)
    hours = {role: (int(one.expires.timestamp()) - NOW) / 3600 for role, one in ends.items()}
    assert {role: (seats[role].threshold, hours[role]) for role in RULES} == EXPECTED
    delegations = state.targets["targets"].signed.delegations
    assert delegations is not None
    assert delegations.roles is not None
    assert [role for role, one in delegations.roles.items() if one.terminating] == ["watchlists"]
    assert {role: one.paths for role, one in delegations.roles.items()} == {
        role: RULES[role].paths for role in DELEGATED
    }
    assert state.root.consistent_snapshot


def test_the_first_draft_needs_two_holders_too(new_fleet: Stage) -> None:
    new_fleet.sign(new_fleet.first, "officer-a")
    with pytest.raises(NotEnough, match="root: 1 of 2 signatures, missing officer-b or officer-c"):
        new_fleet.publish(new_fleet.first)
    assert new_fleet.folder.published() is None


def test_two_keys_of_one_holder_are_not_two_people(tmp_path: Path, keys: Keys) -> None:
    two = holder_block("officer-a", keys.public["officer-a"], ALL) + holder_block(
        "Officer-A", keys.public["officer-a-2"], ["watchlists"]
    )
    people = two + holder_block("officer-b", keys.public["officer-b"], [*ALL, "revocations"]) + online(keys)
    refused(tmp_path, people, "watchlists: officer-a holds 2 keys of it, one is the limit")


def test_one_key_under_two_names_is_not_two_people(tmp_path: Path, keys: Keys) -> None:
    twice = holder_block("officer-a", keys.public["officer-a"], ALL) + holder_block(
        "officer-b", keys.public["officer-a"], [*ALL, "revocations"]
    )
    refused(tmp_path, twice + online(keys), "key [0-9a-f]{12} is of officer-a, not of officer-b")
    apart = holder_block("officer-d", keys.public["officer-a"], ["revocations"])
    refused(tmp_path, usual_people(keys) + apart, "key [0-9a-f]{12} is of officer-a, not of officer-d")


def test_a_role_that_one_holder_could_sign_alone_is_refused(tmp_path: Path, keys: Keys) -> None:
    alone = holder_block("officer-a", keys.public["officer-a"], [*ALL, "revocations"])
    refused(tmp_path, alone + online(keys), "root: 1 holders, 2 must sign")


def test_a_threshold_below_the_rule_is_refused(tmp_path: Path, keys: Keys) -> None:
    for role, least in (("root", 2), ("watchlists", 2), ("os", 2)):
        people = f"{usual_people(keys)}\n[threshold]\n{role} = {least - 1}\n"
        refused(tmp_path, people, f"{role}: {least - 1} signatures, the least is {least}")


def test_a_higher_threshold_is_taken(tmp_path: Path, keys: Keys) -> None:
    file = tmp_path / "people.toml"
    file.write_text(f"{usual_people(keys)}\n[threshold]\nroot = 3\n")
    made = draft.load(ceremony.found(tmp_path / "fleet", file, now=NOW))
    assert made.metadata["root"].signed.roles["root"].threshold == 3


def test_an_online_key_is_nobodys_and_signs_one_role(tmp_path: Path, keys: Keys) -> None:
    people = usual_people(keys)
    shared = people.replace(keys.public["timestamp"], keys.public["snapshot"])
    refused(tmp_path, shared, "an online key signs one role only")
    refused(
        tmp_path,
        people.replace(keys.public["timestamp"], keys.public["officer-c"]),
        "is of officer-c, not of a machine",
    )


def test_a_file_that_is_none_is_refused_by_its_field(tmp_path: Path, keys: Keys) -> None:
    refused(tmp_path, usual_people(keys).replace('"models"', '"modls"'), "Invalid enum value 'modls'")
    refused(tmp_path, "[[holder]", "bad.toml")
    file = tmp_path / "bad.toml"
    file.write_text(usual_people(keys).replace(keys.public["officer-a"], "abc"))
    with pytest.raises(KeyFileError, match="neither 64 hexadecimal digits nor a public key"):
        ceremony.found(tmp_path / "bad", file, now=NOW)


def test_a_folder_in_use_is_left_alone(stage: Stage) -> None:
    with pytest.raises(FleetError, match="not empty"):
        ceremony.found(stage.path, stage.people, now=NOW)


def rotate(stage: Stage, role: str, new: str, old: str) -> Path:
    stage.keys.make(new)
    return ceremony.rotate(stage.path, role, add=[stage.keys.key(new, new)], remove=[old], now=NOW)


def test_a_new_root_is_signed_by_enough_of_the_old_and_of_the_new_holders(stage: Stage) -> None:
    stage.keys.make("officer-d", "officer-e")
    add = [stage.keys.key(name, name) for name in ("officer-d", "officer-e")]
    path = ceremony.rotate(stage.path, "root", add=add, remove=["officer-b", "officer-c"], now=NOW)
    stage.sign(path, "officer-d", "officer-e")
    with pytest.raises(NotEnough, match="root: 0 of 2 signatures, missing officer-a or officer-b or officer-c"):
        stage.publish(path)
    stage.sign(path, "officer-a")
    with pytest.raises(NotEnough, match="root: 1 of 2 signatures, missing officer-b or officer-c"):
        stage.publish(path)
    stage.sign(path, "officer-b")
    stage.publish(path)
    stage.release(stage.propose("sface-2"))
    assert van_of(stage).sees("model/sface-2") is not None, "a van with the first root follows"


def test_a_van_follows_through_several_roots(stage: Stage) -> None:
    for new, old, signers in (
        ("officer-d", "officer-c", ("officer-a", "officer-b")),
        ("officer-e", "officer-a", ("officer-a", "officer-b", "officer-d")),
    ):
        path = rotate(stage, "root", new, old)
        stage.sign(path, *signers)
        stage.publish(path)
    assert stage.folder.need_published().root.version == 3
    assert van_of(stage).sees("model/none") is None


def test_who_no_longer_signs_lists_cannot_sign_the_next_one(stage: Stage) -> None:
    stage.release(stage.propose_list("list-1", "north"))
    path = rotate(stage, "watchlists", "officer-d", "officer-c")
    stage.sign(path, "officer-a", "officer-b")
    stage.publish(path)
    assert van_of(stage).sees("watchlist/list-1") is not None
    new = stage.propose_list("list-2", "north")
    with pytest.raises(KeyFileError, match="signs no role here"):
        stage.sign(new, "officer-c")
    stage.sign(new, "officer-a", "officer-d")
    stage.publish(new)
    assert van_of(stage).sees("watchlist/list-2") is not None


def test_a_van_refuses_the_next_list_of_who_no_longer_signs(stage: Stage) -> None:
    """A thief with the keys of before publishes by hand: what the van itself holds against them."""
    stage.release(stage.propose_list("list-1", "north"))
    old = stage.tmp / "old"
    shutil.copytree(stage.path, old)
    path = rotate(stage, "watchlists", "officer-d", "officer-c")
    stage.sign(path, "officer-a", "officer-b")
    stage.publish(path)
    van = van_of(stage)
    assert van.sees("watchlist/list-1") is not None
    shutil.copy(old / "metadata/2.watchlists.json", stage.path / "metadata/3.watchlists.json")
    with pytest.raises(RepositoryError):
        van_of(stage, name="other").sees("watchlist/list-1")


def test_a_machines_key_is_replaced_and_no_van_is_lost_on_the_way(stage: Stage) -> None:
    stage.keys.make("timestamp-2")
    file = stage.path / "fleet.toml"
    file.write_text(file.read_text() + online_block("timestamp", *_half(stage.keys, "timestamp-2")))
    old = seats_of(stage.folder.need_published().root, stage.folder.need_published().targets["targets"].signed)
    keyid = next(iter(old["timestamp"].keys))
    place = stage.tmp / "www"
    stage.send_to(DirectoryStore(place))
    path = ceremony.rotate(stage.path, "timestamp", add=[stage.keys.key("timestamp-2")], remove=[keyid[:12]], now=NOW)
    stage.sign(path, "officer-a", "officer-b")
    stage.publish(path)
    stage.send_to(DirectoryStore(place))
    assert van_of(stage, place).sees("model/none") is None


def test_a_van_can_ask_at_any_moment_while_a_machines_key_is_replaced(stage: Stage) -> None:
    stage.keys.make("timestamp-2")
    file = stage.path / "fleet.toml"
    file.write_text(file.read_text() + online_block("timestamp", *_half(stage.keys, "timestamp-2")))
    before = stage.tmp / "before"
    stage.send_to(DirectoryStore(before))
    keyid = next(iter(stage.folder.need_published().root.roles["timestamp"].keyids))
    path = ceremony.rotate(stage.path, "timestamp", add=[stage.keys.key("timestamp-2")], remove=[keyid], now=NOW)
    stage.sign(path, "officer-a", "officer-b")
    stage.publish(path)
    new = edition(stage.folder.need_published(), stage.path, {})
    for step in range(len(new.first) + 2):
        place = stage.tmp / f"www-{step}"
        shutil.copytree(before, place)
        with pytest.raises(Cut):
            send(new, CutStore(place, step), lambda done, total: None)
        assert van_of(stage, place, f"van-{step}").sees("model/none") is None


def test_a_rotation_whose_role_was_left_out_is_not_published(stage: Stage) -> None:
    """The published version is signed by officer-a and officer-b: without officer-a's key it would hold no longer."""
    path = rotate(stage, "models", "officer-d", "officer-a")
    (path / "models.json").unlink()
    stage.sign(path, "officer-b", "officer-c")
    with pytest.raises(MetadataError, match="models was signed by 1/2 keys"):
        stage.publish(path)
    assert stage.folder.need_published().version("targets") == 1


def _half(keys: Keys, name: str) -> tuple[str, Path]:
    return keys.public[name], keys.path(name)


def test_a_rotation_that_breaks_a_rule_is_refused(stage: Stage) -> None:
    key = stage.keys.key("officer-a", "officer-a")
    with pytest.raises(FleetError, match="models: nothing would change"):
        ceremony.rotate(stage.path, "models", add=[key], now=NOW)
    with pytest.raises(FleetError, match="models: 1 holders, 2 must sign"):
        ceremony.rotate(stage.path, "models", remove=["officer-a", "officer-b"], now=NOW)
    with pytest.raises(FleetError, match="officer-z: 0 keys of models are meant"):
        ceremony.rotate(stage.path, "models", remove=["officer-z"], now=NOW)
    with pytest.raises(FleetError, match="models: 1 signatures, the least is 2"):
        ceremony.rotate(stage.path, "models", threshold=1, now=NOW)
    stage.keys.make("officer-d")
    with pytest.raises(FleetError, match="models: name the holder of key"):
        ceremony.rotate(stage.path, "models", add=[stage.keys.key("officer-d")], now=NOW)
    with pytest.raises(FleetError, match="snapshot: no holder has key"):
        ceremony.rotate(stage.path, "snapshot", add=[stage.keys.key("officer-d", "officer-d")], now=NOW)


@pytest.fixture
def old_fleet(tmp_path: Path) -> Stage:
    """Founded when there were no calibrations."""
    stage = Stage(tmp_path)
    file = stage.first / "targets.json"
    first = Metadata[Targets].from_file(str(file))
    assert first.signed.delegations is not None
    assert first.signed.delegations.roles is not None
    first.signed.delegations.roles["models"].paths = ["model/*"]
    file.write_bytes(first.to_bytes(JSONSerializer(compact=False)))
    stage.ceremony()
    return stage


def test_a_fleet_from_before_there_were_calibrations_is_told_how_to_get_to_them(old_fleet: Stage) -> None:
    old_fleet.release(old_fleet.propose("sface-2"))  # all else goes on
    with pytest.raises(FleetError, match=r"models may not name calibration/\* yet: .* `kerbside-fleet rotate models`"):
        old_fleet.propose("sface-2", "calibration")
    assert audit(old_fleet.folder, NOW)[-1].why == "may not name calibration/* yet: `rotate models` drafts that it may"
    path = ceremony.rotate(old_fleet.path, "models", now=NOW)
    shown = changes(draft.load(path), old_fleet.folder.need_published(), {})
    assert ("+", "models may name calibration/*") in [(one.mark, one.what) for one in shown]
    old_fleet.release(path)
    assert audit(old_fleet.folder, NOW) == []
    old_fleet.release(old_fleet.propose("sface-2", "calibration"))
    van = van_of(old_fleet)
    assert van.sees("calibration/sface-2") == van.sees("model/sface-2") is not None
    with pytest.raises(FleetError, match="models: nothing would change"):
        ceremony.rotate(old_fleet.path, "models", now=NOW)


def test_a_draft_made_by_hand_cannot_name_what_its_role_was_not_delegated(old_fleet: Stage) -> None:
    path = old_fleet.propose("sface-2")
    file = path / "models.json"
    file.write_text(
        file.read_text()
        .replace('"model/sface-2"', '"calibration/sface-2"')
        .replace('"kind": "model"', '"kind": "calibration"')
    )
    with pytest.raises(FleetError, match="models may not name calibration"):
        old_fleet.sign(path, "officer-a")


def test_counters_of_models_and_calibrations_do_not_hold_each_other_up(stage: Stage) -> None:
    stage.release(stage.propose("sface-2", counter=MAX_STEP))
    stage.release(stage.propose("sface-3", counter=2 * MAX_STEP))
    assert draft.next_counter(stage.path, "calibration") == 1
    with pytest.raises(FleetError, match="counter 1000001 is more than 1000000 above 0"):
        stage.propose("sface-3", "calibration", counter=MAX_STEP + 1)
    path = stage.propose("sface-3", "calibration", counter=1)
    file = path / "models.json"
    file.write_text(file.read_text().replace('"counter": 1,', f'"counter": {MAX_STEP + 1},'))
    with pytest.raises(FleetError, match="calibration/sface-3: counter 1000001 is more than 1000000 above 0"):
        stage.sign(path, "officer-a")


def test_a_draft_made_by_hand_cannot_get_around_the_rules(stage: Stage) -> None:
    """Somebody edits the metadata of a rotation: signers and publishing look at the people again."""
    path = rotate(stage, "models", "officer-d", "officer-c")
    file = path / "targets.json"
    file.write_text(file.read_text().replace('"x-kerbside-holder": "officer-d"', '"x-kerbside-holder": "officer-a"'))
    with pytest.raises(FleetError, match="models: officer-a holds 2 keys of it"):
        stage.sign(path, "officer-b")
    state = stage.folder.need_published()
    targets = state.targets["targets"].signed
    assert targets.delegations is not None
    assert targets.delegations.roles is not None
    targets.delegations.roles["models"].paths = ["model/*", "watchlist/*"]
    with pytest.raises(FleetError, match="models: may name"):
        check_seats(state.root, targets)


def test_one_key_under_two_ids_is_not_two_people(stage: Stage) -> None:
    state = stage.folder.need_published()
    targets = state.targets["targets"].signed
    public = {"public": stage.keys.public["officer-a"]}
    targets.add_key(SSlibKey("ab" * 32, "ed25519", "ed25519", public, {HOLDER: "officer-d"}), "os")
    with pytest.raises(FleetError, match="key abababababab: its id is not the one of its key"):
        check_seats(state.root, targets)


def test_a_key_of_the_root_with_another_holder_elsewhere_is_found(stage: Stage) -> None:
    state = stage.folder.need_published()
    targets = state.targets["targets"].signed
    targets.add_key(stage.keys.key("officer-c", "officer-d"), "revocations")
    with pytest.raises(FleetError, match=r"has holders \['officer-c', 'officer-d'\]"):
        check_seats(state.root, targets)


def test_a_damaged_state_is_never_built_upon(stage: Stage) -> None:
    file = stage.path / "metadata/1.models.json"
    file.write_text(file.read_text().replace('"targets": {}', '"targets": {}, "x": 1'))
    with pytest.raises(MetadataError, match="models 1: models was signed by 0/2 keys"):
        stage.propose("sface-2")


def test_a_rotation_that_was_killed_between_root_and_timestamp_is_finished_by_doing_it_again(stage: Stage) -> None:
    """The old machine's key is gone: the new root comes first, and the old timestamp does not hold under it."""
    stage.keys.make("timestamp-2")
    file = stage.path / "fleet.toml"
    lost = online_block("timestamp", *_half(stage.keys, "timestamp"))
    file.write_text(file.read_text().replace(lost, online_block("timestamp", *_half(stage.keys, "timestamp-2"))))
    keyid = next(iter(stage.folder.need_published().root.roles["timestamp"].keyids))
    path = ceremony.rotate(stage.path, "timestamp", add=[stage.keys.key("timestamp-2")], remove=[keyid], now=NOW)
    stage.sign(path, "officer-a", "officer-b")
    kept, timestamp = stage.tmp / "kept", stage.path / "metadata/timestamp.json"
    shutil.copytree(path.parent, kept)
    before = timestamp.read_bytes()
    stage.publish(path)
    timestamp.write_bytes(before)
    shutil.rmtree(path.parent)
    shutil.copytree(kept, path.parent)
    assert stage.folder.need_published().root.version == 1
    assert stage.publish(path).root.version == 2
    assert van_of(stage).sees("model/none") is None
