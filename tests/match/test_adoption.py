"""A policy and a model over the air, by an agent that may be in a stranger's hands: what is taken, and what stays."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from securesystemslib.signer import CryptoSigner

from firmware.config import ConfigError, load
from firmware.envelope import public_hex
from firmware.handover import Offer, Verdict
from firmware.match.adoption import Adoption, Change
from firmware.match.kept import Kept, KeptError
from firmware.match.settings import MatchFile
from firmware.policy.trust import Policy, load_policy
from firmware.van import VanFile
from models.calibrated import Calibrated, Use
from models.calibrating import encode
from models.calibration import Calibration, FmrPoint, Limit, limits_of
from models.intervals import Rate
from models.manifest import ModelError
from ota.archive import digest, pack
from ota.content import MAX_BYTES, Custom, Kind, Revocation, Revoked
from ota.disk import Disk
from tests.keyring import KEYRING, ROLES
from tests.match.lists import NOW, USE, VAN_KEY, a_list
from tests.match.signers import said
from tests.match.test_arming import Van
from tests.models.made_calibration import BEARS, made, made_file
from tests.ota.throwaway import make_keys
from tests.process import write_config


class FullDisk(Disk):
    """It has no room for a while."""

    full = False

    def append(self, path: Path, data: bytes) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        super().append(path, data)


class Notes(Disk):
    """Writes down what was made to last while the pointer said something else."""

    def __init__(self, pointer: Path) -> None:
        self.synced: list[str] = []
        self._pointer = pointer

    def sync(self, path: Path) -> None:
        super().sync(path)
        if not self._pointer.exists():
            self.synced.append(path.name)


class Taker:
    """A van that takes policies and models, and what has come of it."""

    def __init__(self, folder: Path) -> None:
        self.van, self.folder = Van(folder), folder
        self.in_force: list[Policy] = []
        self.calibrated: list[Calibrated] = []
        self.proven: list[Path] = []
        self.fault: Exception | None = None
        self.starts = 0
        self.disk = FullDisk()
        self.start()

    def start(self) -> None:
        self.van.kept._disk = self.disk
        change = Change(
            self.prove,
            lambda: self.van.arming.armed is not None,
            self.start_anew,
            self.in_force.append,
            self.calibrate,
            lambda: None if self.van.arming.fit is None else self.van.arming.fit.use,
        )
        adoption = Adoption(self.van.kept, change)
        self.van.arming.handlers.update(
            {"policy": adoption.policy, "model": adoption.model, "calibration": adoption.calibration}
        )

    def restart(self) -> None:
        connections = self.van.agent.connections
        self.van.reboot()
        self.van.agent.wait_for_connection(connections + 1)
        self.start()

    def prove(self, folder: Path) -> None:
        self.proven.append(folder)
        if self.fault is not None:
            raise self.fault

    def start_anew(self) -> None:
        self.starts += 1

    def calibrate(self, calibrated: Calibrated, until: int) -> None:
        self.calibrated.append(calibrated)
        self.van.arming.calibrate(calibrated, until)

    def calibration(self, name: str, bears: Mapping[float, int] = BEARS, use: Use = USE) -> Path:
        path = self.folder / f"{name}.json"
        path.write_bytes(made_file(use, bears))
        return path

    def policy(self, name: str) -> Path:
        """An archive with keys of its own."""
        (self.folder / name).mkdir()
        holders = [
            {"holder": f"{name}-{holder}", "roles": list(roles), "public": public_hex(CryptoSigner.generate_ed25519())}
            for holder, roles in ROLES.items()
        ]
        listed = {"v": 1, "holders": holders, "recipients": [str(KEYRING.reader.to_public())]}
        (self.folder / name / "keys.json").write_text(json.dumps(listed), "utf-8")
        return self.packed(name)

    def model(self, name: str) -> Path:
        (self.folder / name).mkdir()
        (self.folder / name / "weights").write_text(name, "utf-8")
        return self.packed(name)

    def packed(self, name: str) -> Path:
        archive = self.folder / f"{name}.archive"
        archive.write_bytes(pack(self.folder / name))
        return archive

    def answers(self, offer: Offer) -> tuple[str, str]:
        verdict: Verdict = self.van.answer(offer)
        return verdict.answer, verdict.why

    @property
    def copies(self) -> list[str]:
        return sorted(path.name for path in self.folder.glob("*-*") if path.name.startswith(("policy-", "model-")))


@pytest.fixture
def taker(tmp_path: Path) -> Iterator[Taker]:
    taker = Taker(tmp_path)
    yield taker
    taker.van.close()


def test_a_signed_policy_is_in_force_at_once_and_after_a_restart(taker: Taker) -> None:
    offer = taker.van.signers.offer("policy", taker.policy("new"))
    assert taker.answers(offer) == ("taken", "")
    assert [policy.digest for policy in taker.in_force] == [load_policy(taker.folder / "new").digest]
    taker.restart()
    folder = taker.van.kept.policy_folder()
    assert folder is not None
    assert load_policy(folder).digest == taker.in_force[0].digest
    assert taker.answers(offer) == ("taken", "")
    assert len(taker.in_force) == 1, "the same again is nothing new"


def test_an_agents_own_policy_model_and_revocation_do_nothing(taker: Taker) -> None:
    signers, listed = taker.van.signers, a_list(taker.folder / "list.age")
    for kind, path in (("policy", taker.policy("evil")), ("model", taker.model("evil-model"))):
        answer, why = taker.answers(signers.unsigned(kind, path))  # type: ignore[arg-type]
        assert answer == "later"
        assert "not proved" in why
    path = taker.folder / "revocation"
    path.write_bytes(msgspec.json.encode(Revocation(revoked=(Revoked(list=listed.sha256),))))
    assert taker.answers(signers.unsigned("revocation", path))[0] == "later"
    assert (taker.in_force, taker.proven, taker.starts, taker.copies) == ([], [], 0, [])
    assert not taker.van.revocations.whole(listed.sha256)


def test_an_agents_own_list_cannot_be_released(taker: Taker) -> None:
    van, listed = taker.van, a_list(taker.folder / "list.age")
    offer = van.signers.unsigned("watchlist", listed.path, listed.custom())
    assert taker.answers(offer)[0] == "later"
    van.until(lambda: van.offer_is(listed.sha256), "the offer")
    assert van.release(listed).why == "not offered"
    assert [one.phase for one in van.arming.updates.fitted] == ["refused"]


FORGERS: dict[str, Callable[[Taker], list[CryptoSigner]]] = {
    "one of two": lambda taker: taker.van.signers.repository.signers["policies"][:1],
    "those who sign lists": lambda taker: taker.van.signers.repository.signers["watchlists"],
    "keys of nobody": lambda taker: make_keys(2),
}


@pytest.mark.parametrize("by", FORGERS)
def test_a_policy_that_not_enough_of_its_signers_signed_does_nothing(taker: Taker, by: str) -> None:
    offer = taker.van.signers.offer("policy", taker.policy("new"))
    taker.van.signers.repository.offer("policies", FORGERS[by](taker))
    taker.van.signers.write()
    answer, why = taker.answers(offer)
    assert (answer, "was signed by" in why) == ("later", True)
    assert (taker.in_force, taker.van.kept.policy) == ([], "")


def test_another_vans_policy_is_refused(taker: Taker) -> None:
    custom = msgspec.structs.replace(said("policy"), vans=("ab" * 32,))
    offer = taker.van.signers.offer("policy", taker.policy("new"), custom)
    assert taker.answers(offer) == ("refused", "policy: is not for this van")


def test_an_older_policy_is_refused_also_after_a_restart_and_so_is_a_leap(taker: Taker) -> None:
    signers = taker.van.signers
    older, same = (signers.offer("policy", taker.policy(f"p{n}"), said("policy", n)) for n in (4, 5))
    newest = signers.offer("policy", taker.policy("newest"), said("policy", 5))
    assert taker.answers(newest) == ("taken", "")
    for offer in (older, same):
        assert taker.answers(offer)[0] == "refused"
        assert taker.answers(offer)[1].startswith("rollback: counter")
    taker.restart()
    assert taker.answers(older)[1].startswith("rollback: counter 4 is not above 5")
    leap = signers.offer("policy", taker.policy("leap"), said("policy", 5 + 1_000_001))
    assert taker.answers(leap) == ("refused", "counter 1000006 is more than 1000000 above 5")
    last = signers.offer("policy", taker.policy("last"), said("policy", 5 + 1_000_000))
    assert taker.answers(last) == ("taken", "")


def test_an_older_root_and_older_targets_are_refused_also_after_a_restart(taker: Taker) -> None:
    signers = taker.van.signers
    old = signers.offer("policy", taker.policy("old"), said("policy", 1))
    signers.repository.publish("targets")
    signers.write()
    assert taker.answers(signers.offer("policy", taker.policy("new"), said("policy", 2))) == ("taken", "")
    after = signers.offer("policy", taker.policy("after"), said("policy", 3))
    (signers.metadata / "targets.json").write_bytes(signers.repository.files["metadata/1.targets.json"])
    assert taker.answers(after) == ("refused", "rollback: targets v1, v2 was seen before")
    signers.repository.publish("root")
    signers.write()
    assert taker.answers(after) == ("taken", "")
    taker.restart()
    (signers.metadata / "root_history/2.root.json").unlink()
    assert taker.answers(old) == ("refused", "rollback: root v1, v2 was seen before")


def test_after_the_end_of_the_signatures_nothing_new_is_taken_and_what_is_in_force_stays(taker: Taker) -> None:
    signers = taker.van.signers
    held = signers.offer("policy", taker.policy("held"), said("policy", 1))
    assert taker.answers(held) == ("taken", "")
    new = signers.offer("policy", taker.policy("new"), said("policy", 2))
    taker.van.pass_time(91 * 86_400)
    assert "policies v3: expired at" in taker.answers(new)[1]
    assert taker.answers(held) == ("taken", "")


def test_while_nobody_knows_the_time_no_policy_is_taken(taker: Taker) -> None:
    offer = taker.van.signers.offer("policy", taker.policy("new"))
    taker.van.until(lambda: taker.van.line.report, "its report")
    taker.van.wall_s -= 86_400
    assert taker.answers(offer)[0] == "later"
    taker.van.wall_s += 86_400
    assert taker.answers(offer) == ("taken", "")


def test_an_archive_that_is_not_the_signed_one_is_refused_and_what_was_taken_is_out_of_the_agents_reach(
    taker: Taker,
) -> None:
    signers = taker.van.signers
    archive, other = taker.policy("new"), taker.policy("other")
    offer = signers.offer("policy", archive)
    good = archive.read_bytes()
    archive.write_bytes(other.read_bytes())
    assert taker.answers(offer) == ("refused", "policy: not the file that was signed")
    assert (taker.in_force, taker.copies) == ([], [])
    archive.write_bytes(good)
    assert taker.answers(offer) == ("taken", "")
    archive.write_bytes(b"changed afterwards")
    taker.restart()
    folder = taker.van.kept.policy_folder()
    assert folder is not None
    assert digest(folder) == digest(taker.folder / "new")


def test_a_pipe_a_link_or_too_much_is_refused_and_keeps_nobody_waiting(taker: Taker) -> None:
    archive = taker.policy("new")
    offer = taker.van.signers.offer("policy", archive)
    archive.rename(archive.with_suffix(".good"))
    os.mkfifo(archive)
    assert taker.answers(offer) == ("refused", "policy: not a plain file")
    archive.unlink()
    archive.symlink_to(archive.with_suffix(".good"))
    assert taker.answers(offer)[0] == "refused"
    archive.unlink()
    with archive.open("wb") as file:
        file.truncate(MAX_BYTES["policy"] + 1)
    assert taker.answers(offer) == ("refused", f"policy: {2**20 + 1} bytes, at most {2**20}")


def test_a_signed_archive_that_is_none_or_no_policy_is_refused(taker: Taker) -> None:
    strange = taker.folder / "strange"
    strange.write_bytes(b"no archive")
    assert taker.answers(taker.van.signers.offer("policy", strange, said("policy", 1)))[0] == "refused"
    no_policy = taker.van.signers.offer("policy", taker.model("no-policy"), said("policy", 2))
    assert taker.answers(no_policy)[0] == "refused"
    assert (taker.in_force, taker.copies, taker.van.kept.policy) == ([], [], "")


def test_a_full_disk_and_a_missing_file_are_for_later_and_what_was_in_force_stays(taker: Taker) -> None:
    signers = taker.van.signers
    first = signers.offer("policy", taker.policy("first"), said("policy", 1))
    assert taker.answers(first) == ("taken", "")
    kept = taker.copies
    archive = taker.policy("second")
    second = signers.offer("policy", archive, said("policy", 2))
    taker.disk.full = True
    assert taker.answers(second)[0] == "later"
    assert taker.copies == kept
    taker.disk.full = False
    archive.rename(archive.with_suffix(".away"))
    assert taker.answers(second)[0] == "later"
    archive.with_suffix(".away").rename(archive)
    assert taker.answers(second) == ("taken", "")
    assert len(taker.copies) == 1, "one policy is kept at a time"


def test_a_pointer_that_cannot_be_written_leaves_the_old_policy_in_force(taker: Taker) -> None:
    signers = taker.van.signers
    assert taker.answers(signers.offer("policy", taker.policy("first"), said("policy", 1))) == ("taken", "")
    kept, pointer = taker.copies, (taker.folder / "kept.json").read_bytes()
    second = signers.offer("policy", taker.policy("second"), said("policy", 2))
    (taker.folder / "kept.json").unlink()
    (taker.folder / "kept.json").mkdir()
    assert taker.answers(second)[0] == "later"
    assert (len(taker.in_force), taker.copies) == (1, kept)
    (taker.folder / "kept.json").rmdir()
    (taker.folder / "kept.json").write_bytes(pointer)
    taker.restart()
    assert taker.answers(second) == ("taken", "")


def test_a_model_is_proven_from_the_vans_own_copy_and_used_after_a_new_start(taker: Taker) -> None:
    archive = taker.model("new")
    offer = taker.van.signers.offer("model", archive)
    assert taker.answers(offer) == ("taken", "")
    assert taker.starts == 1
    archive.write_bytes(b"changed afterwards")
    taker.restart()
    folder = taker.van.kept.model_folder()
    assert taker.proven == [folder]
    assert folder is not None
    assert folder.parent == taker.folder
    assert (folder / "weights").read_text() == "new"


def test_a_model_that_is_not_proven_is_refused_and_one_that_could_not_be_looked_at_is_for_later(taker: Taker) -> None:
    offer = taker.van.signers.offer("model", taker.model("new"))
    taker.fault = ModelError("its golden vectors differ")
    assert taker.answers(offer) == ("refused", "its golden vectors differ")
    assert (taker.copies, taker.starts) == ([], 0)
    taker.fault = ModelError("too many open files")
    taker.fault.__cause__ = OSError(errno.EMFILE, "Too many open files")
    assert taker.answers(offer)[0] == "later"
    taker.fault = None
    assert taker.answers(offer) == ("taken", "")


def test_a_model_waits_while_a_list_is_armed(taker: Taker) -> None:
    van, listed = taker.van, a_list(taker.folder / "list.age")
    van.offered(listed)
    assert van.release(listed).outcome == "done"
    offer = van.signers.offer("model", taker.model("new"))
    assert taker.answers(offer)[0] == "later"
    van.arming.wipe()
    assert taker.answers(offer) == ("taken", "")


def test_a_copy_lasts_before_anything_starts_with_it(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "made").mkdir()
    (tmp_path / "made/keys.json").write_text("keys")
    (tmp_path / "archive").write_bytes(pack(tmp_path / "made"))
    notes = Notes(tmp_path / "state/kept.json")
    kept = Kept(tmp_path / "state", digest, notes)
    own = kept.unpack("policy", "ab" * 32, tmp_path / "archive")
    kept.keep("policy", "ab" * 32, own)
    assert notes.synced[-3:] == ["keys.json", f"{own.name}.part", "state"]
    assert kept.policy_folder() == own


@pytest.mark.parametrize("kind", [MatchFile, VanFile])
def test_a_van_with_an_agent_and_no_root_to_judge_it_by_does_not_start(
    tmp_path: Path, kind: type[MatchFile | VanFile]
) -> None:
    config = write_config(tmp_path, tmp_path, {"front": "csi://0"})
    text = config.read_text("utf-8").replace(f'portraits = "{tmp_path}"\n', "")
    config.write_text(f'handover = "{tmp_path}/agent.sock"\n{text}', "utf-8")
    with pytest.raises(ConfigError, match=r"'handover' needs 'match\.root'"):
        load(config, kind)
    config.write_text(config.read_text("utf-8").replace("[match]", f'[match]\nroot = "{tmp_path}"'), "utf-8")
    load(config, kind)


def test_a_signed_calibration_says_what_the_next_list_is_used_at_and_outlives_a_restart(taker: Taker) -> None:
    path = taker.calibration("new", {0.6: 10_000})
    offer = taker.van.signers.offer("calibration", path)
    assert taker.answers(offer) == ("taken", "")
    content = path.read_bytes()
    path.write_bytes(b"changed afterwards")
    taker.restart()
    assert taker.van.kept.calibration_content() == content
    assert taker.answers(offer) == ("taken", "")
    assert [one.digest for one in taker.calibrated] == [offer.sha256], "the same again is nothing new"


def test_while_a_list_is_armed_a_calibration_waits_and_the_list_stays_on_its_own(taker: Taker) -> None:
    van, listed = taker.van, a_list(taker.folder / "list.age")
    van.offered(listed)
    assert van.release(listed).outcome == "done"
    offer = van.signers.offer("calibration", taker.calibration("new", {0.6: 10_000}))
    assert taker.answers(offer) == ("later", "a list is armed, on the terms of the calibration in use")
    assert (van.least(), taker.calibrated, van.kept.calibration) == (0.46, [], "")
    van.arming.wipe()
    assert taker.answers(offer) == ("taken", "")
    assert van.release(listed).outcome == "done"
    assert van.least() == 0.6


def test_an_older_calibration_is_refused_also_after_a_restart(taker: Taker) -> None:
    signers = taker.van.signers
    older = signers.offer("calibration", taker.calibration("older", {0.3: 10_000}), said("calibration", 4))
    newest = signers.offer("calibration", taker.calibration("newest"), said("calibration", 5))
    assert taker.answers(newest) == ("taken", "")
    taker.restart()
    assert taker.answers(older) == ("refused", "rollback: counter 4 is not above 5, which was taken before")
    assert taker.van.kept.calibration == newest.sha256


def _forged(change: Callable[[Calibration], Calibration]) -> bytes:
    return encode(change(made(USE)))


def _with(**fields: object) -> Callable[[Calibration], Calibration]:
    return lambda one: msgspec.structs.replace(one, **fields)


def _nearer(one: Calibration) -> Calibration:
    """Ends of intervals at the rates themselves, and the limits that they would bear."""
    curve = tuple(FmrPoint(point.threshold, _plain(point.fmr)) for point in one.curve)
    limits = limits_of(curve, (), one.fusion * one.shrink, one.allowed_per_1000)
    return msgspec.structs.replace(one, curve=curve, limits=limits)


def _plain(rate: Rate) -> Rate:
    return Rate(rate.events, rate.trials, rate.rate, rate.rate)


FORGED: dict[str, tuple[bytes, str]] = {
    "a longer list": (_forged(_with(limits=(Limit(0.46, 501), *made(USE).limits[1:]))), "not those of its figures"),
    "no factor for groups": (_forged(_with(shrink=1.0)), "shrink 1.0, its groups bear 10.0"),
    "narrower intervals": (_forged(_nearer), "do not bear"),
    "more false alerts": (_forged(_with(allowed_per_1000=2.0)), "allowed_per_1000"),
    "no JSON": (b"{", "calibration: Input data was truncated"),
}


@pytest.mark.parametrize("what", FORGED)
def test_a_calibration_that_claims_more_than_its_figures_bear_is_refused_though_two_signed_it(
    taker: Taker, what: str
) -> None:
    content, words = FORGED[what]
    path = taker.folder / "forged.json"
    path.write_bytes(content)
    answer, why = taker.answers(taker.van.signers.offer("calibration", path))
    assert (answer, words in why) == ("refused", True), why
    assert (taker.calibrated, taker.van.kept.calibration) == ([], "")


def test_a_model_that_is_signed_as_a_calibration_and_the_other_way_round_are_refused(taker: Taker) -> None:
    signers = taker.van.signers
    answer, why = taker.answers(signers.offer("calibration", taker.model("model")))
    assert (answer, why.startswith("calibration: ")) == ("refused", True)
    assert taker.answers(signers.offer("model", taker.calibration("calibration")))[0] == "refused"
    as_model = signers.offer("model", taker.calibration("both"), said("model", 2))
    answer, why = taker.answers(msgspec.structs.replace(as_model, kind="calibration"))
    assert (answer, "was signed as a model, and is offered as a calibration" in why) == ("later", True)
    assert (taker.calibrated, taker.proven, taker.starts) == ([], [], 0)


def test_a_kept_calibration_that_was_damaged_is_as_none_until_it_is_offered_again(taker: Taker) -> None:
    offer = taker.van.signers.offer("calibration", taker.calibration("new"))
    assert taker.answers(offer) == ("taken", "")
    (kept,) = taker.folder.glob("calibration-*.json")
    kept.write_bytes(kept.read_bytes().replace(b"0.46", b"0.26"))
    taker.restart()
    with pytest.raises(KeptError, match="is not what it was when it was taken"):
        taker.van.kept.calibration_content()
    taker.van.kept.forget_calibration()
    assert taker.van.kept.calibration_content() == b""
    assert taker.answers(offer) == ("taken", "")
    assert len(taker.calibrated) == 2


def test_a_calibration_that_cannot_be_written_down_leaves_the_old_one_in_force(taker: Taker) -> None:
    signers = taker.van.signers
    assert taker.answers(signers.offer("calibration", taker.calibration("first"), said("calibration", 1)))[0] == "taken"
    before, pointer = taker.van.kept.calibration, (taker.folder / "kept.json").read_bytes()
    second = signers.offer("calibration", taker.calibration("second", {0.6: 9}), said("calibration", 2))
    (taker.folder / "kept.json").unlink()
    (taker.folder / "kept.json").mkdir()
    assert taker.answers(second)[0] == "later"
    assert (taker.van.kept.calibration, len(taker.calibrated)) == (before, 1)
    assert [path.name for path in taker.folder.glob("calibration-*")] == [f"calibration-{before[:16]}.json"]
    (taker.folder / "kept.json").rmdir()
    (taker.folder / "kept.json").write_bytes(pointer)
    assert taker.answers(second) == ("taken", "")


def _file(taker: Taker, kind: Kind) -> Path:
    made: dict[Kind, Callable[[str], Path]] = {
        "model": taker.model,
        "policy": taker.policy,
        "calibration": taker.calibration,
    }
    return made[kind]("new")


@pytest.mark.parametrize("kind", ["model", "policy", "calibration"])
def test_what_is_new_is_taken_in_its_signed_time_only_whatever_the_agent_says_of_it(taker: Taker, kind: Kind) -> None:
    path, signers = _file(taker, kind), taker.van.signers
    begins = Custom(kind=kind, vans=(VAN_KEY,), counter=1, not_before=NOW + 60, not_after=NOW + 120)
    offer = msgspec.structs.replace(signers.offer(kind, path, begins), not_before=0, not_after=NOW + 999_999)
    answer, why = taker.answers(offer)
    assert (answer, why.startswith(f"{kind}: its time begins at 20")) == ("later", True)
    taker.van.pass_time(120)
    answer, why = taker.answers(offer)
    assert (answer, why.startswith(f"{kind}: its time ended at 20")) == ("refused", True)
    assert (taker.in_force, taker.starts, taker.calibrated) == ([], 0, [])
    taker.van.pass_time(-1)
    assert taker.answers(offer) == ("taken", "")


def test_after_its_signed_end_a_kept_calibration_arms_nothing_also_after_a_restart(taker: Taker) -> None:
    van, listed = taker.van, a_list(taker.folder / "list.age")
    path = taker.calibration("new", {0.6: 10_000})
    ends = Custom(kind="calibration", vans=(VAN_KEY,), counter=1, not_after=NOW + 600)
    offer = van.signers.offer("calibration", path, ends)
    assert taker.answers(msgspec.structs.replace(offer, not_after=NOW + 999_999)) == ("taken", "")
    taker.restart()
    assert van.kept.calibration_until == NOW + 600
    taker.calibrate(Calibrated.read(van.kept.calibration_content()), van.kept.calibration_until)
    van.offered(listed)
    van.pass_time(599)
    assert van.release(listed).outcome == "done"
    van.pass_time(1)
    assert van.arming.armed is not None, "what is armed is used to its end"
    van.arming.wipe()
    refused = van.release(listed)
    assert (refused.outcome, refused.why) == ("refused", "no calibration")
    assert refused.text.startswith("the time of the one that there is ended at 20")
    assert any(alarm.startswith("no calibration: the time of the one") for alarm in van.arming.alarms)
    longer = van.signers.offer("calibration", path, msgspec.structs.replace(ends, counter=2, not_after=NOW + 900))
    assert taker.answers(longer) == ("taken", "")
    assert van.kept.calibration_until == NOW + 900
    assert van.release(listed).outcome == "done"


@pytest.mark.parametrize("what", ["model", "space", "rule"])
def test_a_calibration_for_another_use_is_taken_and_whoever_signed_it_is_told(taker: Taker, what: str) -> None:
    other = replace(USE, **{what: "0d" * 32})
    answer, why = taker.answers(taker.van.signers.offer("calibration", taker.calibration("other", use=other)))
    assert (answer, why.startswith("taken, but it is for another: calibration")) == ("taken", True), why
