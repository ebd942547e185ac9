"""What is published, as python-tuf's own client sees it: an independent witness."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tuf.api.exceptions import ExpiredMetadataError, RepositoryError

from ota.content import MAX_BYTES, Custom
from ota.repository import draft
from ota.repository.edition import Edition, edition, send
from ota.repository.folder import Folder
from ota.repository.people import FleetError
from ota.repository.publishing import NotEnough, Seen, look
from ota.repository.stores import DirectoryStore, StickStore, StoreError
from tests.ota.repository.stage import DAY, HOUR, NOW, VAN, Cut, CutStore, Stage, van_of


def test_a_client_finds_what_two_holders_signed(stage: Stage) -> None:
    assert van_of(stage).sees("model/sface-2") is None
    stage.release(stage.propose("sface-2"))
    place = stage.tmp / "www"
    stage.send_to(DirectoryStore(place))
    assert van_of(stage, place).sees("model/sface-2") is not None


def test_one_of_two_signatures_is_refused_and_the_missing_holders_are_named(stage: Stage) -> None:
    path = stage.propose("sface-2")
    stage.sign(path, "officer-b")
    with pytest.raises(NotEnough, match="models: 1 of 2 signatures, missing officer-a or officer-c"):
        stage.publish(path)
    assert van_of(stage).sees("model/sface-2") is None
    assert path.is_dir()


def test_one_signature_is_enough_to_take_away(stage: Stage) -> None:
    stage.release(stage.propose("withdrawn", "revocation"), "officer-b")
    assert van_of(stage).sees("revocation/withdrawn") is not None


def test_signature_files_can_come_from_elsewhere(stage: Stage) -> None:
    path = stage.propose("sface-2")
    mail = stage.tmp / "mail"
    mail.mkdir()
    files = [Path(shutil.move(one, mail)) for one in stage.sign(path, "officer-a", "officer-c")]
    stage.publish(path, files=files)
    assert van_of(stage).sees("model/sface-2") is not None


def test_a_new_list_replaces_that_deployments_older_one_and_no_other(stage: Stage) -> None:
    stage.release(stage.propose_list("list-1", "north"))
    stage.release(stage.propose_list("list-2", "south"))
    stage.release(stage.propose_list("list-3", "north"))
    van = van_of(stage)
    assert van.sees("watchlist/list-1") is None
    assert van.sees("watchlist/list-2") is not None
    assert van.sees("watchlist/list-3") is not None


def test_the_bytes_of_a_list_that_nobody_names_any_more_are_deleted_everywhere(stage: Stage) -> None:
    place = DirectoryStore(stage.tmp / "www")
    stage.release(stage.propose_list("list-1", "north"))
    stage.send_to(place)
    stage.release(stage.propose_list("list-2", "north"))
    stage.send_to(place)
    here = DirectoryStore(stage.path)
    assert [name[-6:] for name in here.names("targets/watchlist/")] == ["list-2"]
    assert [name[-6:] for name in place.names("targets/watchlist/")] == ["list-2"]


def test_a_list_that_has_ended_goes_with_the_next_one(stage: Stage) -> None:
    stage.release(stage.propose_list("list-1", "north"))
    later = NOW + 30 * HOUR
    stage.release(stage.propose_list("list-2", "south", now=later), now=later)
    assert van_of(stage).sees("watchlist/list-1", now=later) is None


def test_a_counter_far_above_the_published_ones_is_neither_proposed_nor_signed(stage: Stage) -> None:
    with pytest.raises(FleetError, match="counter 1000001 is more than 1000000 above 0"):
        stage.propose("sface-2", counter=1_000_001)
    path = stage.propose("sface-2", counter=1_000_000)
    file = path / "models.json"
    file.write_text(file.read_text().replace('"counter": 1000000', f'"counter": {2**53}'))
    with pytest.raises(FleetError, match=f"counter {2**53} is more than 1000000 above 0"):
        draft.check(draft.load(path), Folder(stage.path).published(), NOW)


def test_counters_grow_over_what_was_replaced_and_what_is_only_drafted(stage: Stage) -> None:
    stage.release(stage.propose_list("list-1", "north"))
    stage.release(stage.propose_list("list-2", "north"))
    stage.propose_list("list-3", "north")
    assert draft.next_counter(stage.path, "watchlist") == 4
    with pytest.raises(FleetError, match="counter 3, vans may have seen 3; the least is 4"):
        stage.propose(
            "list-4", "watchlist", counter=3, deployment="n", max_faces=1, not_after=NOW + DAY, not_before=NOW
        )


def test_of_two_drafts_of_one_role_the_second_is_stale(stage: Stage) -> None:
    one, two = stage.propose("sface-2"), stage.propose("sface-3")
    stage.sign(one, "officer-a", "officer-b")
    stage.sign(two, "officer-a", "officer-b")
    with pytest.raises(FleetError, match="two drafts of models"):
        stage.publish(one, two)
    stage.publish(one)
    with pytest.raises(FleetError, match="stale: it is models 2, and 2 is published"):
        stage.publish(two)


def test_a_draft_that_lay_about_too_long_is_refused(stage: Stage) -> None:
    path = stage.propose_list("list-1", "north")
    stage.sign(path, "officer-a", "officer-b")
    with pytest.raises(FleetError, match="watchlists expires in -"):
        stage.publish(path, now=NOW + 2 * DAY + 1)


def test_a_draft_changed_after_it_was_signed_is_refused(stage: Stage) -> None:
    path = stage.propose("sface-2")
    stage.sign(path, "officer-a", "officer-b")
    file = path / "models.json"
    file.write_text(file.read_text().replace('"counter": 1', '"counter": 9'))
    with pytest.raises(FleetError, match=r"officer-[ab] signed another models than"):
        stage.publish(path)


def test_content_changed_after_it_was_signed_is_refused(stage: Stage) -> None:
    path = stage.propose("sface-2")
    stage.sign(path, "officer-a", "officer-b")
    content = next((path / "targets/model").iterdir())
    content.write_bytes(b"x" * content.stat().st_size)
    with pytest.raises(FleetError, match="not what it says"):
        stage.publish(path)
    assert van_of(stage).sees("model/sface-2") is None


def test_a_client_that_asks_at_any_moment_of_a_publishing_sees_the_old_or_the_new(stage: Stage) -> None:
    place = stage.tmp / "www"
    stage.release(stage.propose_list("list-1", "north"))
    stage.send_to(DirectoryStore(place))
    stage.release(stage.propose_list("list-2", "north"))
    new = edition(stage.folder.need_published(), stage.path, {})
    steps = len(new.targets) + len(new.first) + 2  # the timestamp, and the old list's end
    seen = [_after(stage, place, new, step) for step in range(steps)]
    assert seen == [(True, False)] * (steps - 1) + [(False, True)]
    stage.send_to(DirectoryStore(place))
    assert van_of(stage, place, "after").sees("watchlist/list-2") is not None


def _after(stage: Stage, place: Path, new: Edition, step: int) -> tuple[bool, bool]:
    """Which list a client sees after a publishing that was cut before its nth file."""
    copy = stage.tmp / f"www-{step}"
    shutil.copytree(place, copy)
    with pytest.raises(Cut):
        send(new, CutStore(copy, step), lambda done, total: None)
    van = van_of(stage, copy, f"van-{step}")
    return van.sees("watchlist/list-1") is not None, van.sees("watchlist/list-2") is not None


def test_a_publishing_that_was_killed_in_the_fleets_own_folder_is_finished_by_doing_it_again(
    stage: Stage,
) -> None:
    path = stage.propose("sface-2")
    stage.sign(path, "officer-a", "officer-b")
    before = (stage.path / "metadata/timestamp.json").read_bytes()
    kept = stage.tmp / "kept"
    shutil.copytree(path.parent, kept)
    stage.publish(path)
    (stage.path / "metadata/timestamp.json").write_bytes(before)  # all was written but the last file
    shutil.rmtree(path.parent)
    shutil.copytree(kept, path.parent)
    assert van_of(stage, name="early").sees("model/sface-2") is None
    stage.publish(path)
    assert van_of(stage, name="late").sees("model/sface-2") is not None


def test_a_publishing_that_was_killed_before_its_draft_was_put_away_is_finished_by_doing_it_again(stage: Stage) -> None:
    path = stage.propose("sface-2")
    stage.sign(path, "officer-a", "officer-b")
    kept = stage.tmp / "kept"
    shutil.copytree(path.parent, kept)
    version = stage.publish(path).snapshot.signed.version
    shutil.rmtree(path.parent)
    shutil.copytree(kept, path.parent)
    assert stage.publish(path).snapshot.signed.version == version
    assert not path.exists()


def test_the_timestamp_is_refreshed_alone_and_the_snapshot_only_near_its_end(stage: Stage) -> None:
    one = stage.refresh(NOW + 20 * HOUR)
    assert (one.timestamp.signed.version, one.snapshot.signed.version) == (2, 1)
    two = stage.refresh(NOW + 5 * DAY)
    assert (two.timestamp.signed.version, two.snapshot.signed.version) == (3, 2)
    assert two.targets["models"].signed.version == 1
    assert van_of(stage).sees("model/none", now=NOW + 5 * DAY) is None
    with pytest.raises(ExpiredMetadataError):
        van_of(stage, name="late").sees("model/none", now=NOW + 6 * DAY + 1)


def test_a_place_that_is_further_than_this_folder_is_not_set_back(stage: Stage) -> None:
    old = stage.tmp / "old"
    shutil.copytree(stage.path, old)
    place = DirectoryStore(stage.tmp / "www")
    stage.release(stage.propose("sface-2"))
    stage.send_to(place)
    with pytest.raises(FleetError, match="there is models 2, this folder has 1: get the newer folder"):
        look(place, Folder(old).published())


def test_a_place_that_another_host_refreshed_gets_higher_numbers(stage: Stage) -> None:
    place = DirectoryStore(stage.tmp / "www")
    stage.send_to(place)
    aside = stage.tmp / "aside"
    shutil.copytree(stage.path, aside)
    stage.refresh(NOW)
    stage.refresh(NOW)
    stage.send_to(place)
    assert look(place, Folder(aside).published()) == Seen(timestamp=3, snapshot=1)
    shutil.rmtree(stage.path)
    shutil.copytree(aside, stage.path)
    assert stage.publish().timestamp.signed.version == 1
    path = stage.propose("sface-2")
    stage.sign(path, "officer-a", "officer-b")
    assert stage.publish(path, seen=look(place, stage.folder.published())).timestamp.signed.version == 4


def test_another_fleets_place_is_left_alone(stage: Stage, tmp_path: Path) -> None:
    other = Stage(tmp_path / "other-town")
    other.ceremony()
    place = DirectoryStore(tmp_path / "www")
    other.send_to(place)
    with pytest.raises(FleetError, match="did not sign it"):
        look(place, stage.folder.published())
    with pytest.raises(FleetError, match="did not sign it"):
        look(place, None)


def test_a_stick_holds_a_whole_copy_and_the_next_one_takes_its_place(stage: Stage) -> None:
    mount = stage.tmp / "stick"
    mount.mkdir()
    stage.send_to(StickStore(mount))
    stage.release(stage.propose("sface-2"))
    stage.send_to(StickStore(mount))
    assert [path.name for path in mount.iterdir()] == ["kerbside"]
    assert van_of(stage, mount / "kerbside").sees("model/sface-2") is not None


def test_a_stick_that_was_pulled_out_half_way_still_holds_the_old_copy(stage: Stage) -> None:
    mount = stage.tmp / "stick"
    mount.mkdir()
    stage.send_to(StickStore(mount))
    stage.release(stage.propose("sface-2"))
    stick = StickStore(mount)
    stick.put("metadata/timestamp.json", b"half")
    assert van_of(stage, mount / "kerbside").sees("model/sface-2") is None
    with pytest.raises(StoreError, match="is the stick mounted"):
        StickStore(mount / "absent")


def test_a_place_that_cannot_be_written_is_named(stage: Stage) -> None:
    (stage.tmp / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="file/metadata"):
        DirectoryStore(stage.tmp / "file").put("metadata/x", b"")


def test_a_client_refuses_what_was_changed_after_publishing(stage: Stage) -> None:
    stage.release(stage.propose("sface-2"))
    file = next((stage.path / "targets/model").iterdir())
    file.write_bytes(b"x" * file.stat().st_size)
    with pytest.raises(RepositoryError):
        van_of(stage).sees("model/sface-2")


def test_content_has_the_size_that_its_kind_may_have(stage: Stage) -> None:
    empty, large = stage.tmp / "empty", stage.tmp / "large"
    empty.touch()
    with large.open("wb") as file:
        file.truncate(MAX_BYTES["policy"] + 1)
    for content, length in ((empty, 0), (large, 2**20 + 1)):
        with pytest.raises(FleetError, match=f"{length} bytes, a policy has 1 to 1048576"):
            draft.propose(stage.path, "policy", "p", content, Custom(kind="policy", vans=(VAN,), counter=1), now=NOW)


def test_a_draft_whose_content_was_lost_is_not_published(stage: Stage) -> None:
    path = stage.propose("sface-2")
    stage.sign(path, "officer-a", "officer-b")
    shutil.rmtree(path / "targets")
    with pytest.raises(FleetError, match="model/sface-2: its 700 bytes are not in"):
        stage.publish(path)
    assert van_of(stage).sees("model/sface-2") is None


@pytest.mark.parametrize("name", ["../outside", "targets/../../outside", "/outside"])
def test_a_folder_takes_nothing_that_would_lie_outside_of_it(tmp_path: Path, name: str) -> None:
    store = DirectoryStore(tmp_path / "place")
    with pytest.raises(StoreError, match="lies outside of"):
        store.put(name, b"x")
    with pytest.raises(StoreError, match="lies outside of"):
        store.remove(name)
    with pytest.raises(StoreError, match="lies outside of"):
        store.read(name)
    assert not (tmp_path / "outside").exists()
