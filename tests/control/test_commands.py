"""Commands: what no van could take is refused here, and whoever signs sees what it orders."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from firmware import asyncapi_examples as examples
from firmware import envelope
from firmware.arguments import ARGUMENTS
from firmware.control import commands
from firmware.control.commands import CommandError, Stamp, Wish
from firmware.messages import Command
from firmware.policy.table import CommandName, load_table
from firmware.policy.trust import load_policy
from tests.control.stage import VAN, Keys
from tests.control.van import a_state

PAUSE = Wish("pause", "test")
STAMP = Stamp("command-1", 1_700_000_000_000)


def made(wish: Wish = PAUSE) -> Command:
    return commands.compose(wish, a_state(), 500.0, STAMP)


def test_a_command_is_for_this_van_in_this_boot_and_for_a_minute() -> None:
    command = made(replace(PAUSE, authority="auth-9"))
    state = a_state()
    assert (command.van, command.boot, command.exp_up) == (VAN, state.boot, 560.0)
    assert (command.id, command.ctr) == ("command-1", 1_700_000_000_000)
    assert (command.cmd, command.reason, command.authority) == ("pause", "test", "auth-9")


@pytest.mark.parametrize("name", sorted(ARGUMENTS))
def test_every_command_that_there_is_can_be_made(name: CommandName) -> None:
    assert made(Wish(name, "routine", examples.command(name).args)).cmd == name


@pytest.mark.parametrize(
    ("wish", "because"),
    [
        (Wish("export", "test"), "no command 'export'"),
        (Wish("lower-threshold", "test", {"threshold": 0.1}), "no command"),
        (Wish("pause", "because I say so"), "is no reason"),
        (Wish("pause", "test", {"threshold": 0.6}), "unknown field `threshold`"),
        (Wish("raise-threshold", "test"), "missing required field `threshold`"),
        (Wish("raise-threshold", "test", {"threshold": 0.46}), "would not raise it"),
        (Wish("raise-threshold", "test", {"threshold": 1.01}), "<= 1.0"),
        (Wish("raise-threshold", "test", {"threshold": float("nan")}), "threshold"),
        (Wish("pause", "test", authority="warrant of Jane Doe"), "authority"),
        (Wish("pause", "test", lifetime_s=301.0), "up to 300 s"),
        (Wish("pause", "test", lifetime_s=0.0), "up to 300 s"),
    ],
)
def test_what_no_van_could_take_is_not_made(wish: Wish, because: str) -> None:
    with pytest.raises(CommandError, match=because):
        made(wish)


def test_two_holders_keys_satisfy_a_rule_of_two(keys: Keys) -> None:
    policy = load_policy(keys.policy())
    rule = load_table().rule("resume", "locked")
    alone = commands.sign(made(), [keys.signer("ada")])
    both = commands.countersign(alone, keys.signer("eve"))
    assert both == commands.sign(made(), [keys.signer("ada"), keys.signer("eve")])
    assert not policy.satisfies(rule, policy.signed_by(envelope.read(alone)))
    assert policy.satisfies(rule, policy.signed_by(envelope.read(both)))


def test_the_same_key_twice_is_refused(keys: Keys) -> None:
    ada = keys.signer("ada")
    with pytest.raises(CommandError, match="once"):
        commands.sign(made(), [ada, ada])
    with pytest.raises(CommandError, match="once"):
        commands.sign(made(), [])
    with pytest.raises(CommandError, match="already"):
        commands.countersign(commands.sign(made(), [ada]), ada)


def test_no_more_signatures_than_a_van_reads(keys: Keys) -> None:
    crowd = [keys.signer(f"holder-{number}") for number in range(9)]
    full = commands.sign(made(), crowd[:8])
    with pytest.raises(CommandError, match="at most 8"):
        commands.countersign(full, crowd[8])


def test_a_file_that_holds_no_command_is_refused_before_anybody_signs(keys: Keys, tmp_path: Path) -> None:
    ada = keys.signer("ada")
    nothing = envelope.sign(b"{}", envelope.COMMAND, ada)
    receipt = envelope.sign(msgspec.json.encode(made()), envelope.RECEIPT, ada)
    foreign = msgspec.structs.replace(made(), cmd="export")
    large = msgspec.structs.replace(made(), args={f"argument-{number}": 1.0 for number in range(1_000)})
    for data in (b"", b"{}", nothing, receipt, commands.sign(foreign, [ada]), commands.sign(large, [ada])):
        (tmp_path / "file").write_bytes(data)
        with pytest.raises(CommandError):
            commands.read_file(tmp_path / "file")
        with pytest.raises(CommandError):
            commands.countersign(data, keys.signer("eve"))


def test_a_file_is_written_whole_and_not_over_another(keys: Keys, tmp_path: Path) -> None:
    path = tmp_path / "release.json"
    ready = commands.sign(made(), [keys.signer("ada")])
    commands.write_file(path, ready, replace=False)
    with pytest.raises(CommandError, match="File exists"):
        commands.write_file(path, ready, replace=False)
    commands.write_file(path, commands.countersign(ready, keys.signer("eve")), replace=True)
    signed, command = commands.read(commands.read_file(path))
    assert (len(signed.signatures), command) == (2, made())
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_file()] == ["release.json"]


def test_the_summary_says_what_matters(keys: Keys) -> None:
    command = made(Wish("raise-threshold", "officer-safety", {"threshold": 0.6}))
    signed, _ = commands.read(commands.sign(command, [keys.signer("ada")]))
    rows = dict(commands.summary(signed, command, 42.0))
    assert (rows["command"], rows["van"], rows["arguments"]) == ("raise-threshold", VAN, "threshold 0.6")
    assert (rows["reason"], rows["expires"]) == ("officer-safety", "in 42 s")
    assert rows["claims to be signed by"] == keys.signer("ada").public_key.keyid[:16]
    assert dict(commands.summary(signed, command, -1.0))["expires"].startswith("EXPIRED")
    assert "not known" in dict(commands.summary(signed, command, None))["expires"]


def test_time_is_over_at_the_uptime_and_at_the_next_boot() -> None:
    command = made()
    assert commands.expires_in_s(command, a_state(), 520.0) == 40.0
    assert commands.expires_in_s(command, a_state(boot="cd" * 16), 1.0) == -1.0
    assert commands.expires_in_s(command, None, 1.0) is None


def test_a_resume_is_of_the_class_that_the_vans_mode_asks_for() -> None:
    resume, table = made(Wish("resume", "test")), load_table()
    assert commands.topic_class(resume, table, a_state(mode="paused")) == "operate"
    assert commands.topic_class(resume, table, a_state(mode="locked")) == "release"
    assert "2 different holders" in commands.wanted(resume, table, a_state(mode="locked"))[1]
    assert "1 holder of operator" in commands.wanted(resume, table, None)[1]


def test_a_command_on_its_way_tells_nobody_anything_in_words(keys: Keys) -> None:
    signed = json.loads(commands.sign(made(), [keys.signer("ada")]))
    assert set(signed) == {"payload", "payloadType", "signatures"}
    assert len(commands.sign(made(), [keys.signer("ada"), keys.signer("eve")])) < 2_000
