"""The command table and the list of keys: what a policy may say, and what it may not weaken."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from firmware.arguments import ARGUMENTS
from firmware.policy.table import SHIPPED, PolicyError, load_table
from firmware.policy.trust import MAX_RECIPIENTS, Policy, load_policy
from tests.keyring import KEYRING, Keyring

Table = dict[str, Any]


def shipped() -> Table:
    table: Table = json.loads(SHIPPED.read_text("utf-8"))
    return table


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return KEYRING.write(tmp_path) / "policy"


@pytest.fixture
def policy(folder: Path) -> Policy:
    return load_policy(folder)


def test_the_shipped_table_knows_every_command_and_none_beside() -> None:
    assert set(load_table().commands) == set(ARGUMENTS)


def test_to_narrow_takes_one_and_to_leave_a_wiped_mode_two_of_different_roles() -> None:
    table = load_table()
    for name in ("pause", "stop", "purge", "lock", "raise-threshold", "status"):
        assert table.rule(name, "seeing").signatures == 1
    for mode in ("stopped", "purged", "locked"):
        assert table.class_of("resume", mode) == "release"
        assert table.rule("resume", mode).signatures == 2
        assert set(table.rule("resume", mode).each) == {"operator", "authoriser"}
    assert table.class_of("resume", "paused") == "operate"


def ask_for_more(table: Table) -> None:
    table["classes"]["operate"] = {"signatures": 2, "roles": ["operator"]}


def ask_for_less(table: Table) -> None:
    table["classes"]["release"]["signatures"] = 1


def let_others_sign(table: Table) -> None:
    table["classes"]["operate"]["roles"].append("maintainer")


def need_no_authoriser(table: Table) -> None:
    table["classes"]["release"]["each"] = ["operator"]


def call_it_narrow(table: Table) -> None:
    table["commands"]["resume"] = "narrow"


def lift_with_one(table: Table) -> None:
    table["lifting"]["locked"] = "operate"


def forget_the_lock(table: Table) -> None:
    del table["lifting"]["locked"]


def forget_a_command(table: Table) -> None:
    del table["commands"]["pause"]


def narrow_with_two(table: Table) -> None:
    table["classes"]["narrow"]["signatures"] = 2


def add_a_command(table: Table) -> None:
    table["commands"]["export"] = "narrow"


def need_nobody(table: Table) -> None:
    table["classes"]["narrow"]["signatures"] = 0


def write(folder: Path, change: Callable[[Table], None]) -> Path:
    table = shipped()
    change(table)
    path = folder / "commands.json"
    path.write_text(json.dumps(table), "utf-8")
    return path


def test_a_policy_may_ask_for_more(folder: Path) -> None:
    write(folder, ask_for_more)
    assert load_policy(folder).table.rule("selftest", "seeing").signatures == 2


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (ask_for_less, "asks for less than the shipped table for 'resume' in mode 'stopped'"),
        (let_others_sign, "asks for less than the shipped table for 'resume' in mode 'seeing'"),
        (need_no_authoriser, "asks for less"),
        (call_it_narrow, "asks for less than the shipped table for 'resume' in mode 'seeing'"),
        (lift_with_one, "asks for less than the shipped table for 'resume' in mode 'locked'"),
        (forget_the_lock, "says nothing of"),
        (forget_a_command, "says nothing of 'pause'"),
        (add_a_command, "export"),
        (narrow_with_two, "to narrow must take one signature, not 2"),
        (need_nobody, ">= 1"),
    ],
)
def test_but_not_for_less(folder: Path, change: Callable[[Table], None], complaint: str) -> None:
    path = write(folder, change)
    with pytest.raises(PolicyError, match=complaint) as error:
        load_policy(folder)
    assert str(path) in str(error.value)


def test_a_rule_counts_holders_and_roles_and_not_keys(policy: Policy) -> None:
    ids = {holder: KEYRING.keyid(holder) for holder in KEYRING.people}
    release = policy.table.classes["release"]
    assert policy.satisfies(release, {ids["operator-1"], ids["authoriser-1"]})
    assert not policy.satisfies(release, {ids["operator-1"]})
    assert not policy.satisfies(release, {ids["operator-1"], ids["operator-2"]})
    assert not policy.satisfies(release, {ids["operator-1"], ids["maintainer-1"], ids["control-room-1"]})
    assert not policy.satisfies(policy.table.classes["narrow"], {ids["control-room-1"]})
    assert not policy.satisfies(policy.table.classes["narrow"], set())


def spoil(folder: Path, change: Callable[[Table], None]) -> None:
    listed = json.loads((folder / "keys.json").read_text("utf-8"))
    change(listed)
    (folder / "keys.json").write_text(json.dumps(listed), "utf-8")


def stand_twice(listed: Table) -> None:
    listed["holders"].append({**listed["holders"][0], "holder": "somebody-else", "roles": ["authoriser"]})


def no_control_room(listed: Table) -> None:
    listed["holders"] = [holder for holder in listed["holders"] if holder["roles"] != ["control-room"]]


def only_a_control_room(listed: Table) -> None:
    listed["holders"] = [holder for holder in listed["holders"] if holder["roles"] == ["control-room"]]


def no_key(listed: Table) -> None:
    listed["holders"][0]["public"] = "zz" * 32


def no_point(listed: Table) -> None:
    listed["holders"][0]["public"] = "ab"


def a_name(listed: Table) -> None:
    listed["holders"][0]["holder"] = "Ada Lovelace"


def a_rank(listed: Table) -> None:
    listed["holders"][0]["roles"] = ["chief"]


def no_reader(listed: Table) -> None:
    listed["recipients"] = []


def a_wrong_reader(listed: Table) -> None:
    listed["recipients"] = ["age1wrong"]


def too_many_readers(listed: Table) -> None:
    listed["recipients"] = [str(Keyring().reader.to_public()) for _ in range(MAX_RECIPIENTS + 1)]


def a_private_reader(listed: Table) -> None:
    listed["recipients"] = [str(KEYRING.reader)]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (stand_twice, "a public key stands twice"),
        (no_control_room, "nobody could sign receipts"),
        (only_a_control_room, "nobody could give a command that narrows"),
        (no_key, "public"),
        (no_point, "public"),
        (a_name, "holder"),
        (a_rank, "chief"),
        (no_reader, "recipients"),
        (a_wrong_reader, "age1wrong"),
        (too_many_readers, "recipients"),
        (a_private_reader, "recipient"),
    ],
)
def test_a_list_of_keys_that_cannot_be_right_is_refused_by_name(
    folder: Path, change: Callable[[Table], None], complaint: str
) -> None:
    spoil(folder, change)
    with pytest.raises(PolicyError, match=complaint) as error:
        load_policy(folder)
    assert "keys.json" in str(error.value)
    assert str(KEYRING.reader) not in str(error.value)


def test_the_digest_tells_one_policy_from_another(folder: Path, policy: Policy) -> None:
    assert load_policy(folder).digest == policy.digest
    write(folder, ask_for_more)
    assert load_policy(folder).digest != policy.digest
