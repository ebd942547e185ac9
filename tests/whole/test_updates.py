"""A list over the air as it is deployed: what leaks (nothing), how it is taken back, and what a kill leaves."""

from __future__ import annotations

import base64
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from firmware.match.portraits import enrol
from models.built import BUILT, FILES
from models.faces import F32
from models.manifest import MANIFEST
from models.vision import Vision
from ota.archive import pack
from ota.content import Revocation, Revoked
from tests.film import drawn_face
from tests.keyring import KEYRING
from tests.link.stage import Broker, wait_until
from tests.match.memory_search import found_in_memory
from tests.match.test_released import only_root
from tests.whole.van import REFS, WALKERS, Van, write_street

KINDS = {"half", "exact", "portrait", "reference", "key"}
REVOKED_WITHIN_S = 5.0
BACK_WITHIN_S = 15.0


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_street(tmp_path_factory.mktemp("street"))


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory, vision: Vision) -> F32:
    """The walkers' templates."""
    folder = tmp_path_factory.mktemp("portraits")
    for walker in WALKERS:
        drawn_face(walker).save(folder / f"{walker}.png")
    listed = enrol(folder, vision).watchlist
    rows = [[entry.ref for entry in listed.entries].index(walker) for walker in WALKERS]
    return listed._matrix[rows].copy()


@pytest.fixture
def van(tmp_path: Path, broker: Broker, street: Path, faces: F32, vision: Vision) -> Iterator[Van]:
    with Van(tmp_path, broker.port, street, faces, vision) as van:
        yield van


@pytest.fixture
def offered(van: Van) -> Van:
    """A van that has the list's file, and cannot read it."""
    van.publish("watchlist", "l1", van.list.data)
    van.boot()
    van.wait_for_phase("watchlist", "offered", van.list.sha256)
    return van


def test_no_byte_on_the_network_or_on_the_disk_tells_who_is_listed_before_during_and_after(offered: Van) -> None:
    van = offered
    everything = van.plain_list + van.secrets.everything
    assert van.secrets.found_in(van.plain_list) == {"half", "portrait", "reference"}, "else the search would be blind"
    for before in range(3):
        assert van.secrets.found_in(base64.b64encode(bytes(before) + everything)) == KINDS
    assert van.list.data in van.taps[1].bytes, "it came this way, encrypted"
    assert b"lfr/v1/van-07/state" in van.taps[0].bytes
    assert van.list.data in [path.read_bytes() for path in van.disk.rglob("*") if path.is_file()]
    assert van.leaks() == {}, "before the release"

    van.arm()
    van.wait_for_report_of("pale")
    van.wait_for_report_of("dark")
    assert van.room.events[0].portrait == van.secrets.portraits[0]
    assert van.room.events[0].calibration_digest == van.calibration == van.state.versions.calibration
    assert (van.state.threshold, van.state.threshold_by) == (0.46, "calibration")
    assert van.leaks() == {}, "armed, after two possible matches"

    first = {state.release_key for state in van.room.states}
    boots = {van.state.boot}
    van.cut_power()
    assert van.leaks() == {}, "after a power cut"

    van.boot()
    assert (van.state.entries, van.state.boot in boots, van.state.release_key in first - {""}) == (0, False, False)
    van.arm()
    began_s = time.monotonic()
    assert van.revoke("pale").outcome == "done"
    wait_until(lambda: van.state.entries == len(REFS) - 1, "one entry less")
    assert time.monotonic() - began_s < REVOKED_WITHIN_S
    van.wait_for_report_of("dark", 2)
    assert van.reported == [REFS[0], REFS[1], REFS[1]], "the pale one passed first, and was not reported again"
    assert van.says().mode == "seeing"
    wait_until(lambda: van.state.counters.tracks >= 2, "the tracks of both")
    assert van.leaks() == {}, "after the revocation"
    assert van.stop() == 0
    assert van.leaks() == {}, "after it was switched off"


@only_root
def test_after_a_stop_the_memory_of_the_van_holds_nothing_of_the_list(offered: Van) -> None:
    van = offered
    van.arm()
    van.wait_for_report_of("pale")
    assert van.room.order("stop", "operator-1").outcome == "done"
    van.wait_for("stopped")
    samples = van.secrets.samples(len(WALKERS))
    for module, pid in van.process.children().items():
        assert found_in_memory(pid, samples) == [], module


def test_a_van_that_was_away_cannot_be_armed_with_a_list_that_was_revoked_meanwhile(offered: Van) -> None:
    van = offered
    van.web.stop()
    van.check()
    van.wait_for_fault("unreachable")
    content = msgspec.json.encode(Revocation(revoked=(Revoked(list=van.list.sha256),)))
    sha256 = van.publish("revocation", "r1", content)
    van.web.start()
    van.check()
    van.wait_for_phase("revocation", "active", sha256)
    assert van.state.updates is not None
    assert van.state.updates.fault == ""
    answer = van.release()
    assert (answer.outcome, answer.why) == ("refused", "revoked")
    boots = {van.state.boot}
    van.kill("match")
    van.wait_for_boot(boots)
    assert van.release().why == "revoked", "also after a restart"


def test_whatever_is_killed_is_back_in_seconds_and_a_killed_match_has_no_list_and_another_key(offered: Van) -> None:
    van = offered
    van.arm()
    keys = {state.release_key for state in van.room.states}
    pids = van.process.children()
    assert set(pids) == {"firmware.agent", "firmware.link", "firmware.match"}
    for module, sign in (("agent", "agent_started"), ("link", "link_started")):
        began_s = time.monotonic()
        van.kill(module)
        van.process.wait_for(sign, 2)
        assert time.monotonic() - began_s < BACK_WITHIN_S
    van.process.wait_for("update agent connected", 2)
    van.newer_state()
    assert van.process.children()["firmware.match"] == pids["firmware.match"]
    assert (van.newer_state().mode, van.state.entries) == ("seeing", len(REFS)), "neither takes the list away"

    boots, began_s = {van.state.boot}, time.monotonic()
    van.kill("match")
    van.wait_for_boot(boots)
    assert time.monotonic() - began_s < BACK_WITHIN_S
    wait_until(lambda: van.state.release_key, "a key")
    assert van.state.entries == 0
    assert van.state.release_key not in keys
    assert len(van.process.said("armed")) == 1
    van.arm()


def policy(folder: Path, *without: str) -> bytes:
    """The van's own policy, less the keys of some holders, as it is published."""
    path = KEYRING.write(folder) / "policy" / "keys.json"
    listed = json.loads(path.read_text("utf-8"))
    listed["holders"] = [one for one in listed["holders"] if one["holder"] not in without]
    path.write_text(json.dumps(listed), "utf-8")
    return pack(path.parent)


def test_a_policy_takes_a_key_away_while_the_van_is_armed_and_one_that_cannot_be_used_changes_nothing(
    offered: Van, tmp_path: Path
) -> None:
    van = offered
    van.arm()
    boots = {van.state.boot}
    sha256 = van.publish("policy", "p1", policy(tmp_path / "p1", "operator-1"))
    van.check()
    van.wait_for_phase("policy", "active", sha256)
    van.room.send("pause", van.room.signed(van.room.command("pause"), "operator-1"))
    assert van.process.wait_for("not believed")["reason"] == "signatures"
    assert van.says().mode == "seeing"
    assert van.room.order("pause", "operator-2").outcome == "done"
    van.wait_for("paused")
    assert {van.state.boot} == boots, "without a restart"

    bad = van.publish("policy", "p2", policy(tmp_path / "p2", "control-room-1"), counter=2)
    van.check()
    van.wait_for_fault("refused")
    van.wait_for_phase("policy", "active", sha256)
    (refusal,) = [line for line in van.process.said("offered") if line["sha256"] == bad]
    assert "nobody could sign receipts" in refusal["why"]
    assert van.room.order("resume", "operator-2", "authoriser-1").outcome == "done"

    van.kill("match")
    van.wait_for_boot(boots)
    van.room.send("pause", van.room.signed(van.room.command("pause"), "operator-1"))
    assert van.process.wait_for("not believed", 2)["reason"] == "signatures"
    assert van.says().mode == "unarmed"
    assert van.room.order("pause", "operator-2").outcome == "done"


GRAPHS = ("sface.onnx", "yunet.onnx", "yunet-small.onnx", "yunet-closeup.onnx")


def model(folder: Path, words: str, spoil: Callable[[Path], None] = lambda folder: None) -> bytes:
    """The shipped networks as they are published; ``words`` makes them another target."""
    folder.mkdir()
    for path in (FILES / BUILT, *(FILES / name for name in GRAPHS)):
        shutil.copyfile(path, folder / path.name)
    (folder / MANIFEST.name).write_text(f"# {words}\n{MANIFEST.read_text('utf-8')}", "utf-8")
    spoil(folder)
    return pack(folder)


def damage(folder: Path) -> None:
    """One byte of the embedder is another, and its recorded digest is not."""
    with (folder / "sface.onnx").open("r+b") as file:
        file.seek(-9, os.SEEK_END)
        byte = file.read(1)
        file.seek(-9, os.SEEK_END)
        file.write(bytes([byte[0] ^ 1]))


def test_a_model_is_taken_by_a_new_start_when_no_list_is_armed_and_a_damaged_one_never(
    offered: Van, tmp_path: Path
) -> None:
    van = offered
    van.arm()
    boots = {van.state.boot}
    good = van.publish("model", "m1", model(tmp_path / "m1", "the first"))
    van.check()
    van.wait_for_phase("model", "trial", good)
    wait_until(lambda: van.answers(good) == ["later"], "its word on it")
    assert (van.says().boot in boots, van.says().mode) == (True, "seeing")

    van.kill("match")
    wait_until(
        lambda: van.answers(good) == ["later", "taken", "taken"], "its adoption, and the next start's word on it"
    )
    van.process.wait_for("ordered to start anew")
    van.newer_state()
    boot = van.says().boot
    van.wait_for_phase("model", "active", good)
    assert json.loads((van.disk / "state/kept.json").read_text("utf-8"))["model"]["sha256"] == good

    bad = van.publish("model", "m2", model(tmp_path / "m2", "the second", damage), counter=2)
    van.check()
    van.wait_for_fault("refused")
    van.wait_for_phase("model", "active", good)
    (refusal,) = [line for line in van.process.said("offered") if line["sha256"] == bad]
    assert (refusal["answer"], "sface.onnx" in refusal["why"]) == ("refused", True)
    assert van.says().boot == boot, "nothing was started anew for it"
    van.arm()
    van.wait_for_report_of("pale")
