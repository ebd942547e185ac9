"""What somebody who holds the network, or some keys, cannot do: the attack classes of the public conformance suite.

The classes are those of theupdateframework/tuf-conformance (rollback, freeze, mix-and-match, fast-forward recovery,
thresholds, delegation graphs); each runs against the van's own verifying side, with its floors.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from itertools import chain, combinations
from pathlib import Path

import pytest

from ota.content import ROLES
from ota.trusted import UpdateError
from tests.ota.throwaway import DAY_S, NOW, Repository, custom, make_keys
from tests.ota.van import Van

CACHE = ("timestamp", "snapshot", "targets", "watchlists", "models", "root", "root_history/1.root")
YEAR_S = 365 * DAY_S


@pytest.fixture
def repository() -> Repository:
    return Repository()


@pytest.fixture
def van(tmp_path: Path, repository: Repository) -> Van:
    return Van(tmp_path, repository)


def check(van: Van) -> tuple[str, ...]:
    """The paths of a check that has to succeed and leave nothing out."""
    with van.started() as agent:
        targets = agent.trusted.check()
        assert agent.trusted.skipped == ()
        return tuple(target.path for target in targets)


def refusal(van: Van) -> UpdateError:
    """Of a check that has to fail, why."""
    with van.started() as agent, pytest.raises(UpdateError) as caught:
        agent.trusted.check()
    return caught.value


def cached(van: Van, role: str) -> int:
    """The version of a role that is in the cache."""
    return int(json.loads((van.cache / f"{role}.json").read_bytes())["signed"]["version"])


def lists_of_three_weeks(van: Van, repository: Repository) -> dict[str, bytes]:
    """The van sees three lists, one after the other; what the repository offered in the first week."""
    repository.add("watchlist", "week-1", b"1")
    repository.publish("watchlists")
    first = dict(repository.files)
    check(van)
    for week in (2, 3):
        repository.targets("watchlists").targets.clear()
        repository.add("watchlist", f"week-{week}", b"%d" % week, custom("watchlist", week))
        repository.publish("watchlists")
        check(van)
    return first


def offer_only(repository: Repository, files: dict[str, bytes]) -> None:
    repository.files.clear()
    repository.files.update(files)


# Rollback


def test_the_whole_repository_of_an_earlier_week_is_refused(van: Van, repository: Repository) -> None:
    first = lists_of_three_weeks(van, repository)
    offer_only(repository, first)
    assert refusal(van).fault == "rollback"


@pytest.mark.parametrize("role", ["snapshot", "targets", "watchlists"])
def test_an_older_version_of_one_role_is_refused_though_what_lists_it_is_new(
    van: Van, repository: Repository, role: str
) -> None:
    for _ in range(3):
        repository.publish("targets", "watchlists")
    check(van)
    repository.roles[role].signed.version = 1
    if role == "snapshot":
        repository.link()
        repository.roles["snapshot"].signed.version = 1
        repository.roles["timestamp"].signed.version += 1
        repository.offer("snapshot")
        repository.offer("timestamp")
    else:
        repository.offer(role)
        repository.publish()
    assert refusal(van).fault == "rollback"


def every_subset(names: tuple[str, ...]) -> list[tuple[str, ...]]:
    return list(chain.from_iterable(combinations(names, size) for size in range(1, len(names) + 1)))


@pytest.mark.parametrize("harm", ["truncated", "emptied", "removed", "garbled"])
def test_no_torn_cache_makes_an_earlier_week_valid_again(tmp_path: Path, harm: str) -> None:
    """The public client takes a torn file for an absent one: with timestamp and snapshot torn it believed the past."""
    harms: dict[str, Callable[[Path], object]] = {
        "truncated": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
        "emptied": lambda path: path.write_bytes(b""),
        "removed": lambda path: path.unlink(),
        "garbled": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    }
    repository = Repository()
    van = Van(tmp_path, repository)
    first = lists_of_three_weeks(van, repository)
    now = dict(repository.files)
    for torn in every_subset(CACHE):
        for name in torn:
            harms[harm](van.cache / f"{name}.json")
        offer_only(repository, first)
        assert refusal(van).fault == "rollback", torn
        offer_only(repository, now)
        assert check(van) == ("watchlist/week-3",), torn


def copy_of_the_cache(van: Van) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in van.cache.rglob("*.json")}


def put_back(cache: dict[Path, bytes]) -> None:
    for path, data in cache.items():
        path.write_bytes(data)


def test_a_cache_of_an_earlier_week_that_is_put_back_makes_it_no_more_valid(van: Van, repository: Repository) -> None:
    check(van)
    earlier, first = copy_of_the_cache(van), dict(repository.files)
    lists_of_three_weeks(van, repository)
    put_back(earlier)
    offer_only(repository, first)
    assert refusal(van).fault == "rollback"


def test_with_the_online_keys_a_thief_cannot_make_a_cached_older_list_the_newest(
    van: Van, repository: Repository
) -> None:
    """Power failed after the floors were committed and before the cache was written: it holds the list before."""
    lists_of_three_weeks(van, repository)
    earlier = copy_of_the_cache(van)
    repository.publish("watchlists")
    check(van)
    put_back(earlier)
    repository.roles["watchlists"].signed.version -= 1
    repository.publish()
    with van.started() as agent:
        assert agent.trusted.check() == ()
        assert [(one.name, one.fault) for one in agent.trusted.skipped] == [("watchlists", "rollback")]


def test_records_that_cannot_be_read_end_updates_instead_of_starting_anew(van: Van) -> None:
    check(van)
    (van.folder / "records.db").write_bytes(b"no database" * 1000)
    with pytest.raises(UpdateError, match=r"records\.db: file is not a database") as caught, van.started():
        pass
    assert caught.value.fault == "disk"


def test_a_root_is_never_older_even_with_its_history_lost(van: Van, repository: Repository) -> None:
    """Keys were stolen and replaced, a root's too: the thief offers the world before that, with higher versions."""
    stolen, old = repository.signers["timestamp"], repository.signers["root"]
    before = dict(repository.files)
    repository.rotate("timestamp", "root")
    repository.publish("root")
    repository.offer("root", [*old[:2], *repository.signers["root"][:2]])
    check(van)
    for path in sorted(van.cache.rglob("*.json")):
        path.unlink()
    offer_only(repository, before)
    repository.roles["timestamp"].signed.version = 99
    repository.offer("timestamp", stolen)
    assert "root v1 is older than v2" in str(refusal(van))


# Freeze, and the clock


@pytest.mark.parametrize("days", [2, 400])
def test_metadata_that_nobody_renews_expires_and_says_so(van: Van, days: int) -> None:
    check(van)
    van.now = NOW + days * DAY_S
    assert refusal(van).fault == "expired"


@pytest.mark.parametrize("back_s", [30 * DAY_S, 3 * YEAR_S])
def test_a_clock_that_was_set_back_does_not_make_old_metadata_fresh(
    van: Van, repository: Repository, back_s: int
) -> None:
    check(van)
    frozen = dict(repository.files)
    repository.now = van.now = NOW + 60 * DAY_S
    repository.publish("root", "targets", *ROLES)
    check(van)
    offer_only(repository, frozen)
    van.now -= back_s
    asked = len(van.shelf.asked)
    assert refusal(van).fault == "clock"
    assert len(van.shelf.asked) == asked, "nobody is asked while the clock is wrong"


@pytest.mark.parametrize("back_s", [30 * DAY_S, 3 * YEAR_S])
def test_a_van_that_knows_no_floor_learns_from_the_timestamp_that_its_clock_is_wrong(van: Van, back_s: int) -> None:
    van.now = NOW - back_s
    error = refusal(van)
    assert error.fault == "clock"
    assert f"was not signed before {NOW}, and the clock says {NOW - back_s}" in str(error)
    van.now = NOW
    check(van)


@pytest.mark.parametrize("back_s", [30 * DAY_S, 3 * YEAR_S])
def test_what_a_timestamp_proved_is_remembered_over_restarts_with_the_clock_set_back(van: Van, back_s: int) -> None:
    check(van)
    van.now = NOW - back_s
    error = refusal(van)
    assert (error.fault, "certainly not before 2027-01-15T08:00:00Z" in str(error)) == ("clock", True)


@pytest.mark.parametrize(("slow_s", "floor"), [(0, NOW), (3600, NOW - 3600), (3601, 0)])
def test_a_clock_that_is_slow_by_an_hour_is_believed_and_the_floor_is_never_beyond_it(
    van: Van, slow_s: int, floor: int
) -> None:
    van.now = NOW - slow_s
    with van.started() as agent, suppress(UpdateError):
        agent.trusted.check()
    with van.started() as agent:
        assert agent.clock.floor == floor


def test_a_clock_that_jumped_ahead_changes_nothing_once_it_is_right_again(van: Van) -> None:
    check(van)
    van.now = NOW + 400 * DAY_S
    assert refusal(van).fault == "expired"
    van.now = NOW + 60
    assert check(van) == ()


@pytest.mark.parametrize("ahead_s", [2 * DAY_S, 364 * DAY_S, 50 * YEAR_S])
def test_a_stolen_timestamp_key_stops_the_van_until_it_is_replaced_and_no_longer(
    van: Van, repository: Repository, ahead_s: int
) -> None:
    check(van)
    repository.now = NOW + ahead_s
    repository.publish(only=["timestamp"])
    error = refusal(van)
    assert (error.fault, "the timestamp's key is misused" in str(error)) == ("clock", True)
    with van.started() as agent:
        assert agent.clock.floor == NOW
    repository.now = van.now = NOW + 3600
    repository.rotate("timestamp", "snapshot")
    repository.publish("root", "targets", *ROLES)
    check(van)
    with van.started() as agent:
        assert (agent.clock.floor, agent.records.checked) == (NOW + 3600, NOW + 3600)


# Mix-and-match


def test_a_snapshot_that_the_timestamp_does_not_name_is_refused(van: Van, repository: Repository) -> None:
    other = Repository()
    other.signers = repository.signers
    other.roles["snapshot"].signed.version = 7
    data = other.offer("snapshot")
    repository.files["metadata/1.snapshot.json"] = data
    assert refusal(van).fault == "rollback"


def test_targets_of_another_day_under_this_days_name_are_refused(van: Van, repository: Repository) -> None:
    repository.publish("targets")
    repository.files["metadata/2.targets.json"] = repository.files["metadata/1.targets.json"]
    assert refusal(van).fault == "rollback"


def test_metadata_of_one_role_is_not_taken_for_another(van: Van, repository: Repository) -> None:
    repository.files["metadata/1.targets.json"] = repository.files["metadata/1.snapshot.json"]
    assert refusal(van).fault == "refused"


# Thresholds


@pytest.mark.parametrize(("role", "enough"), [("root", 2), ("targets", 2), ("snapshot", 1), ("timestamp", 1)])
def test_one_signature_too_few_ends_the_check(van: Van, repository: Repository, role: str, enough: int) -> None:
    repository.publish(*{"root", "targets"} & {role})
    repository.offer(role, repository.signers[role][: enough - 1])
    assert refusal(van).fault == "not-signed"
    repository.offer(role, repository.signers[role][:enough])
    check(van)


def test_a_root_that_only_its_own_new_keys_signed_is_refused(van: Van, repository: Repository) -> None:
    check(van)
    repository.rotate("root")
    repository.publish("root")
    assert refusal(van).fault == "not-signed"


def test_a_root_that_old_and_new_keys_signed_is_followed(van: Van, repository: Repository) -> None:
    old = repository.signers["root"]
    repository.rotate("root")
    repository.publish("root")
    repository.offer("root", [*old[:2], *repository.signers["root"][:2]])
    check(van)
    assert cached(van, "root") == 2


def test_a_root_that_came_with_the_release_is_verified_too(van: Van) -> None:
    forged = json.loads(van.root)
    forged["signed"]["roles"]["timestamp"]["threshold"] = 2
    van.root = json.dumps(forged).encode()
    assert refusal(van).fault == "not-signed"


# Fast-forward recovery


@pytest.mark.parametrize(
    ("burned", "rotated"),
    [
        ("timestamp", ("timestamp",)),
        ("snapshot", ("snapshot", "timestamp")),
        ("targets", ("snapshot", "timestamp")),
        ("watchlists", ("watchlists", "snapshot", "timestamp")),
    ],
)
def test_versions_that_a_thief_ran_up_count_anew_when_the_keys_are_replaced(
    van: Van, repository: Repository, burned: str, rotated: tuple[str, ...]
) -> None:
    repository.roles[burned].signed.version = 99_999
    repository.publish(*{"targets", "watchlists"} & {burned})
    check(van)
    repository.rotate(*rotated)
    repository.roles[burned].signed.version = 1
    repository.publish("root", "targets", "watchlists")
    check(van)
    assert cached(van, burned) < 10


def test_without_new_keys_a_burned_version_stays_burned(van: Van, repository: Repository) -> None:
    repository.roles["timestamp"].signed.version = 99_999
    repository.publish()
    check(van)
    repository.roles["timestamp"].signed.version = 5
    repository.publish()
    assert refusal(van).fault == "rollback"


# Delegation graphs


def test_a_role_that_is_named_beside_ours_for_our_folder_is_not_asked(van: Van, repository: Repository) -> None:
    repository.delegate("intruder", ["watchlist/*"])
    repository.put("intruder", "watchlist/forged", b"forged", custom("watchlist"))
    repository.publish("targets", "intruder")
    assert check(van) == ()


def test_a_role_below_ours_is_not_asked(van: Van, repository: Repository) -> None:
    repository.delegate("below", ["*"], delegator="models")
    repository.put("below", "model/below", b"x", custom("model"))
    repository.publish("models", "below")
    assert check(van) == ()


def test_a_target_in_the_top_level_role_is_not_taken(van: Van, repository: Repository) -> None:
    repository.put("targets", "model/top", b"x", custom("model"))
    repository.publish("targets")
    assert check(van) == ()


def test_roles_that_delegate_in_a_circle_end(van: Van, repository: Repository) -> None:
    repository.delegate("circle", ["*"], delegator="models")
    repository.delegate("models-again", ["*"], delegator="circle")
    repository.publish("models", "circle", "models-again")
    assert check(van) == ()


def test_a_role_that_lost_its_keys_to_others_is_not_believed_by_the_old_ones(van: Van, repository: Repository) -> None:
    thief = repository.signers["watchlists"]
    repository.rotate("watchlists")
    repository.publish("targets", "watchlists")
    check(van)
    repository.publish("watchlists")
    repository.offer("watchlists", thief[:2])
    with van.started() as agent:
        agent.trusted.check()
        assert [(one.name, one.fault) for one in agent.trusted.skipped] == [("watchlists", "not-signed")]


def test_strangers_keys_open_nothing(van: Van, repository: Repository) -> None:
    repository.offer("timestamp", make_keys(3))
    assert refusal(van).fault == "not-signed"
