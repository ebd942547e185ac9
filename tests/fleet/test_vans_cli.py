"""``kerbside-fleet release``, ``revoke`` and ``status`` before a van that answers as the real one does."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pyrage
import pytest
from pyrage.x25519 import Identity
from typer.testing import CliRunner, Result

from firmware.fleet.cli import app
from firmware.fleet.vans.lists import digest_of
from firmware.fleet.vans.published import published_in
from firmware.messages import Fitted, Updates
from ota.content import entry_mark
from ota.repository.revoked import revocation_in
from tests.control.stage import OTHER, VAN, Keys, iotcore
from tests.control.van import SimulatedVan
from tests.fleet.stage import Fleet

BOOT_KEY = Identity.generate()


class Desk:
    """An admin's desk: one list with its key, and a van that holds it."""

    def __init__(self, tmp: Path, port: int) -> None:
        (tmp / "people").mkdir()
        self.keys = Keys(tmp / "people")
        self.config = self.keys.config(port)
        self.list = tmp / "list.age"
        self.list.write_bytes(b"age-encryption.org/v1\nan encrypted list")
        self.list_key = Identity.generate()
        self.key_file = tmp / "list.key"
        self.key_file.touch(0o600)
        self.key_file.write_text(f"{self.list_key}\n")
        self.sha256 = digest_of(self.list)
        self.van = SimulatedVan(port, self.keys)
        offered = Fitted(kind="watchlist", sha256=self.sha256, counter=4, phase="offered")
        self.updates = Updates(floor=1, checked=int(time.time()), fault="", fitted=(offered,))
        key = str(BOOT_KEY.to_public())
        self.van.say_state(mode="unarmed", release_key=key, memory="secret", updates=self.updates)

    def run(self, command: str, *words: object, keys: tuple[str, ...] = ()) -> Result:
        signing = [word for name in keys for word in ("--key", self.keys.path(name))]
        return CliRunner().invoke(app, [command, *map(str, [*words, *signing, "-c", self.config])])

    def release(self, *words: object, keys: tuple[str, ...]) -> Result:
        return self.run("release", self.list, "--list-key", self.key_file, "--van", VAN, *words, keys=keys)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with iotcore() as port:
        made = Desk(tmp_path, port)
        yield made
        made.van.leave()


def test_two_people_arm_a_van_and_the_lists_key_travels_sealed_to_its_boot(desk: Desk) -> None:
    done = desk.release("--hours", "2", "--json", keys=("ada", "eve"))
    assert done.exit_code == 0, done.output
    (executed,) = desk.van.executed
    assert (executed.cmd, executed.args["list"], executed.args["ttl_s"]) == ("watchlist.release", desk.sha256, 7200.0)
    capsule = base64.b64decode(str(executed.args["capsule"]))
    assert pyrage.decrypt(capsule, [BOOT_KEY]).decode() == str(desk.list_key)
    assert str(desk.list_key) not in done.output


def test_one_person_only_writes_a_file_for_the_other(desk: Desk, tmp_path: Path) -> None:
    alone = desk.release(keys=("ada",))
    assert alone.exit_code == 2
    assert "needs 1 more signature(s) of other holders: write it with --out" in alone.stderr
    written = desk.release("--out", tmp_path / "release.json", keys=("ada",))
    assert written.exit_code == 0, written.output
    assert "the second holder: kerbside-ctl sign" in written.stderr
    assert desk.van.executed == []
    assert (tmp_path / "release.json").exists()


def test_two_operators_are_not_enough_for_the_van(desk: Desk) -> None:
    refused = desk.release("--timeout", "1", keys=("ada", "bob"))
    assert refused.exit_code == 4
    assert desk.van.executed == []


def test_an_entry_is_taken_back_by_one_person_and_a_van_that_is_silent_is_named(desk: Desk, tmp_path: Path) -> None:
    fleet = Fleet(tmp_path / "admin").open()
    words = (desk.list, "--entry", "entry-31", "--timeout", "1", "--fleet", fleet.path)
    asked = desk.run("revoke", *words, keys=("ada",))
    assert asked.exit_code == 4
    assert f"{VAN}: done, now unarmed" in asked.stdout
    assert f"{OTHER}: NO ANSWER" in asked.stdout
    (executed,) = desk.van.executed
    assert executed.args == {"list": desk.sha256, "entry": entry_mark(desk.sha256, "entry-31")}
    (draft,) = (fleet.path / "drafts").glob("revocations-*")
    assert str(draft.name) in asked.stderr
    shown = " ".join(fleet.run("drafts", "--fleet", fleet.path).split())
    assert f"list {desk.sha256[:16]} 1 entries, 1 more than published" in shown
    fleet.sign(draft, "officer-a")
    fleet.run("publish", draft)
    found = revocation_in(fleet.path)
    assert found is not None
    assert [(one.list, one.entries) for one in found.revoked] == [(desk.sha256, (entry_mark(desk.sha256, "entry-31"),))]


def test_what_was_revoked_is_in_the_next_draft_too(desk: Desk, tmp_path: Path) -> None:
    fleet = Fleet(tmp_path / "admin").open()
    for ref in ("a", "b"):
        words = (desk.list, "--entry", ref, "--van", VAN, "--fleet", fleet.path)
        assert desk.run("revoke", *words, keys=("ada",)).exit_code == 0
        draft = max((fleet.path / "drafts").glob("revocations-*"), key=lambda path: path.stat().st_mtime_ns)
        fleet.sign(draft, "officer-b")
        fleet.run("publish", draft)
    found = revocation_in(fleet.path)
    assert found is not None
    assert set(found.revoked[0].entries) == {entry_mark(desk.sha256, ref) for ref in ("a", "b")}
    assert [one.counter for one in published_in(fleet.path)] == [2]


def test_two_revocations_before_a_publishing_are_both_in_the_second_draft(desk: Desk, tmp_path: Path) -> None:
    fleet = Fleet(tmp_path / "admin").open()
    for ref in ("a", "b"):
        words = (desk.list, "--entry", ref, "--van", VAN, "--fleet", fleet.path)
        assert desk.run("revoke", *words, keys=("ada",)).exit_code == 0
    draft = max((fleet.path / "drafts").glob("revocations-*"), key=lambda path: path.stat().st_mtime_ns)
    fleet.sign(draft, "officer-b")
    fleet.run("publish", draft)
    found = revocation_in(fleet.path)
    assert found is not None
    assert set(found.revoked[0].entries) == {entry_mark(desk.sha256, ref) for ref in ("a", "b")}


def test_a_damaged_revocation_is_not_built_upon(desk: Desk, tmp_path: Path) -> None:
    fleet = Fleet(tmp_path / "admin").open()
    words = (desk.list, "--van", VAN, "--fleet", fleet.path)
    desk.run("revoke", *words, keys=("ada",))
    (draft,) = (fleet.path / "drafts").glob("revocations-*")
    fleet.sign(draft, "officer-b")
    fleet.run("publish", draft)
    (content,) = (fleet.path / "targets/revocation").iterdir()
    content.write_bytes(content.read_bytes().replace(b'"entries":[]', b'"entries":[ ]'))
    asked = desk.run("revoke", *words, keys=("ada",))
    assert asked.exit_code == 1
    assert "is not what was signed" in asked.stderr


def test_status_says_who_runs_what_and_who_is_frozen(desk: Desk) -> None:
    shown = desk.run("status", "--json", "--wait", "1")
    assert shown.exit_code == 0, shown.output
    found = json.loads(shown.stdout)
    assert found[VAN]["fitted"]["watchlist"]["phase"] == "offered"
    assert found[VAN]["look_at"] == []
    assert found[OTHER]["look_at"] == ["nothing heard"]
    desk.van.say_state(updates=msgspec.structs.replace(desk.updates, checked=0, fault="clock"))
    told = desk.run("status", "--wait", "1").stdout
    assert "FROZEN? has never verified anything; updates: clock" in " ".join(told.split())


def test_a_broker_that_is_not_there_is_said(desk: Desk, tmp_path: Path) -> None:
    config = tmp_path / "other.toml"
    config.write_text(desk.config.read_text().replace("port = ", "port = 1 # "))
    asked = CliRunner().invoke(app, ["status", "--wait", "0.2", "-c", str(config)])
    assert asked.exit_code == 1
    assert "kerbside-fleet: broker 127.0.0.1:1" in asked.stderr


def test_a_broker_that_is_not_there_does_not_hold_up_the_draft_for_vans_that_are_away(
    desk: Desk, tmp_path: Path
) -> None:
    fleet = Fleet(tmp_path / "admin").open()
    config = tmp_path / "other.toml"
    config.write_text(desk.config.read_text().replace("port = ", "port = 1 # "))
    key = ("--key", str(desk.keys.path("ada")))
    order = ("revoke", str(desk.list), "--van", VAN, *key, "--fleet", str(fleet.path))
    for place, code, why in ((config, 1, "broker 127.0.0.1:1: "), (tmp_path / "none.toml", 2, "none.toml")):
        asked = CliRunner().invoke(app, [*order, "-c", str(place)])
        assert asked.exit_code == code
        assert why in asked.stderr
        assert "drafted for vans that are away" in asked.stderr
    found = revocation_in(fleet.path)
    assert found is not None
    assert [one.list for one in found.revoked] == [desk.sha256]


def test_what_is_mistyped_reaches_no_van_and_no_draft(desk: Desk, tmp_path: Path) -> None:
    fleet = Fleet(tmp_path / "admin").open()
    plain = tmp_path / "plain.csv"
    plain.write_text("ref")
    for words, why in (
        ((desk.list, "--reason", "because"), "--reason 'because': one of routine"),
        ((plain,), "not an encrypted list"),
        (("ab" * 31,), "neither a file nor a SHA-256"),
    ):
        asked = desk.run("revoke", *words, "--fleet", fleet.path, keys=("ada",))
        assert asked.exit_code == 2
        assert why in asked.stderr
    assert desk.van.executed == []
    assert list((fleet.path / "drafts").glob("revocations-*")) == []


def test_status_names_registered_vans_without_a_key_here(desk: Desk, tmp_path: Path) -> None:
    fleet = Fleet(tmp_path / "admin").open()
    fleet.run("van", "add", "van-99", "--public", "ab" * 32, "--fleet", fleet.path)
    shown = desk.run("status", "--json", "--wait", "1", "--fleet", fleet.path)
    assert json.loads(shown.stdout)["van-99"]["look_at"] == ["registered, but this console has no key of it"]
    nowhere = desk.run("status", "--fleet", tmp_path)
    assert nowhere.exit_code == 2
    assert "holds no fleet.toml" in nowhere.stderr
