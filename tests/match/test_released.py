"""A real van, a real broker, a list over the air: from the release to the last byte of it, and what a kill leaves."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from firmware.handover import Report, Withdrawn
from firmware.match.pipeline import PipelineSettings
from firmware.match.portraits import enrol
from firmware.messages import Answer
from models.faces import F32
from models.vision import Vision
from ota.bundle import Bundle, pack
from tests.link.stage import Link, wait_until
from tests.match.agent import Agent
from tests.match.lists import HOUR_S, SealedList, a_head, entries, random_portraits, random_units
from tests.match.memory_search import found_in_memory, found_on_disk
from tests.match.signers import Signers
from tests.models.made_calibration import made_file
from tests.process import Process, write_config
from tests.room import ControlRoom

WALKER = "pale"
OTHERS = tuple(f"entry-{number}" for number in range(20))

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root sees the memory of a process that is not dumpable")


@dataclass(frozen=True)
class Secrets:
    """What must be nowhere, by what it is."""

    templates: F32
    portraits: tuple[bytes, ...]
    key: str

    def rows(self) -> list[bytes]:
        half = self.templates.astype(np.float16)
        exact = half.astype(np.float32)
        exact /= np.linalg.norm(exact, axis=1, keepdims=True)
        return [row.tobytes()[:64] for rows in (exact, half) for row in rows]

    def pictures(self) -> list[bytes]:
        """Of those who were not seen: a possible match's portrait goes out with it, encrypted."""
        return [portrait[1_000:1_064] for portrait in self.portraits[1:]]


class Van:
    """One van over several boots, its agent, and the list that it is to have: the walker, and twenty who never come."""

    def __init__(self, folder: Path, room: ControlRoom, vision: Vision, portraits: Path) -> None:
        self.folder, self.room = folder, room
        now = int(time.time())
        walker = enrol(portraits, vision).watchlist
        row = [entry.ref for entry in walker.entries].index(WALKER)
        templates = np.concatenate([walker._matrix[[row]], random_units(len(OTHERS), vision.embedder.dimension)])
        pictures = random_portraits(len(OTHERS) + 1)
        listed = entries((WALKER, *OTHERS), now + 2 * HOUR_S)
        head = a_head(listed, space=vision.embedder.space, not_before=now - 60, not_after=now + 2 * HOUR_S)
        packed = pack(Bundle(head, templates.astype(np.float16), pictures))
        self.list = SealedList(folder / "list.age", packed, head=head)
        self.signers = Signers(folder, now)
        calibration = folder / "calibration.json"
        calibration.write_bytes(made_file(PipelineSettings().use(vision)))
        self.calibration = self.signers.offer("calibration", calibration)
        self.offer = self.signers.offer_list(self.list)
        self.secrets = Secrets(templates, pictures, str(self.list.key))
        self.agent = Agent(folder / "agent.sock", Report(floor=now - 60, checked=now, fault=""))
        self.agent.offer(self.calibration)
        self.agent.offer(self.offer)
        self._config = write_config(folder, portraits, {"front": "csi://0"})
        text = self._config.read_text("utf-8").replace(f'portraits = "{portraits}"\n', "")
        text = text.replace("[match]\n", f'[match]\nroot = "{self.signers.root}"\n')
        self._config.write_text(f'handover = "{folder}/agent.sock"\n{text}', "utf-8")
        self._process: Process | None = None

    @property
    def process(self) -> Process:
        assert self._process is not None
        return self._process

    def boot(self, *circumstances: str, mode: str = "unarmed") -> None:
        boots = {state.boot for state in self.room.states}
        self._process = Process("tests.match.walled_van", str(self._config), *circumstances)
        wait_until(lambda: self.room.states and self.room.states[-1].boot not in boots, "its first state")
        self.wait_for(mode)

    def wait_for(self, mode: str) -> None:
        wait_until(lambda: self.room.state().mode == mode, f"the mode {mode}, not {self.room.state().mode}")

    def release(self) -> Answer:
        """By two people, as soon as the van can take it."""
        wait_until(self.ready, "a van that can be armed")
        asked = self.list.release(self.room.state().release_key)
        args = {"list": asked.list, "capsule": asked.capsule, "ttl_s": asked.ttl_s}
        return self.room.order("watchlist.release", "operator-1", "authoriser-1", args=args)

    def ready(self) -> bool:
        state = self.room.state()
        fitted = () if state.updates is None else state.updates.fitted
        return bool(state.release_key) and [one.phase for one in fitted] == ["offered"]

    def arm(self) -> None:
        answer = self.release()
        assert (answer.outcome, answer.why) == ("done", "")
        self.wait_for("seeing")

    def end(self) -> None:
        if self._process is not None:
            self._process.end()
        self._process = None

    def close(self) -> None:
        self.end()
        self.agent.close()


@pytest.fixture
def van(tmp_path: Path, link: Link, control_room: ControlRoom, portraits: Path, vision: Vision) -> Iterator[Van]:
    link.start()
    van = Van(tmp_path, control_room, vision, portraits)
    yield van
    van.close()


def test_a_van_looks_at_nothing_until_two_people_release_its_list_and_then_finds_the_walker(van: Van) -> None:
    van.boot()
    state = van.room.state()
    assert (state.entries, state.counters.frames, van.process.said("armed")) == (0, 0, [])
    van.arm()
    wait_until(lambda: van.room.events, "the walker")
    event = van.room.events[0]
    assert (event.entry, event.category) == (WALKER, "wanted-by-court")
    assert event.portrait == van.secrets.portraits[0]
    assert (event.watchlist_digest, event.calibration_digest) == (van.list.sha256, van.calibration.sha256)
    wait_until(lambda: van.room.state().entries == 21, "its entries")
    state = van.room.state()
    assert state.updates is not None
    assert [one.phase for one in state.updates.fitted] == ["armed"]
    assert (state.release_key, state.versions.watchlist) == ("", van.list.sha256)
    assert (state.threshold, state.threshold_by, state.versions.calibration) == (
        0.46,
        "calibration",
        van.calibration.sha256,
    )


def test_one_persons_release_is_not_believed(van: Van) -> None:
    van.boot()
    wait_until(van.ready, "a van that can be armed")
    asked = van.list.release(van.room.state().release_key)
    args = {"list": asked.list, "capsule": asked.capsule, "ttl_s": asked.ttl_s}
    van.room.send("watchlist.release", van.room.signed(van.room.command("watchlist.release", args=args), "operator-1"))
    wait_until(lambda: van.room.state().counters.refused == {"signatures": 1}, "the refusal")
    assert van.room.state().mode == "unarmed"


def test_a_revoked_entry_is_not_found_and_stays_out_of_the_list_after_a_kill(van: Van) -> None:
    van.boot()
    args = {"list": van.list.sha256, "entry": van.list.mark(WALKER)}
    assert van.room.order("watchlist.revoke", "operator-1", args=args).outcome == "done"
    van.process.send(signal.SIGKILL)
    van.end()
    van.boot()
    van.arm()
    wait_until(lambda: van.room.state().entries == 20, "the rest of the list")
    wait_until(lambda: van.room.state().counters.embeddings >= 6, "the walker to be looked at")
    assert van.room.events == []


def test_a_withdrawn_list_leaves_the_van_unarmed_and_another_release_arms_it_again(van: Van) -> None:
    van.boot()
    first = van.room.state().release_key
    van.arm()
    van.agent.say(Withdrawn(sha256=van.list.sha256))
    van.wait_for("unarmed")
    wait_until(lambda: van.room.state().release_key not in {"", first}, "another key")
    assert van.room.state().entries == 0
    van.agent.say(van.offer)
    van.arm()
    van.process.wait_for("armed", 2)


def test_a_killed_van_comes_back_without_a_list_and_with_another_key(van: Van) -> None:
    van.boot()
    wait_until(van.ready, "a key")
    first = van.room.state().release_key
    van.arm()
    children = van.process.children()
    van.process.send(signal.SIGKILL)
    van.end()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children.values()), "its children's end")
    van.boot()
    wait_until(van.ready, "a key")
    assert van.room.state().release_key != first
    assert (van.room.state().entries, van.process.said("armed")) == (0, [])


def test_an_order_to_look_for_updates_reaches_the_agent(van: Van) -> None:
    van.boot()
    assert van.room.order("update.check", "maintainer-1").outcome == "done"
    van.agent.wait_for_ask()


def test_an_unarmed_van_proves_its_networks_and_an_order_raises_its_threshold_and_lowers_none(van: Van) -> None:
    van.boot()
    assert van.room.order("selftest").outcome == "done"
    assert van.room.order("raise-threshold", args={"threshold": 0.2}).outcome == "done"
    van.arm()
    wait_until(lambda: van.room.state().threshold_by == "calibration", "the calibration's word")
    assert van.room.state().threshold == 0.46
    assert van.room.order("raise-threshold", args={"threshold": 0.3}).outcome == "refused"
    assert van.room.order("raise-threshold", args={"threshold": 0.9}).outcome == "done"
    wait_until(lambda: van.room.state().threshold_by == "order", "the order")
    assert van.room.state().threshold == 0.9
    van.agent.say(Withdrawn(sha256=van.list.sha256))
    van.wait_for("unarmed")
    van.agent.say(van.offer)
    van.arm()
    wait_until(lambda: van.room.state().threshold == 0.9, "the order also of the next list")


def test_a_van_without_a_calibration_is_not_armed_and_says_why_until_it_has_one_which_outlives_a_kill(van: Van) -> None:
    van.agent.offers.clear()
    van.agent.offer(van.offer)
    van.boot()
    answer = van.release()
    assert (answer.outcome, answer.why) == ("refused", "no calibration")
    wait_until(lambda: van.room.state().alarms > 0, "an alarm")
    assert van.room.state().versions.calibration == ""
    van.agent.say(van.calibration)
    assert van.agent.wait_for_verdict(van.calibration.sha256).answer == "taken"
    van.arm()
    van.process.send(signal.SIGKILL)
    van.end()
    van.boot()
    assert van.room.state().versions.calibration == van.calibration.sha256
    van.arm()


@only_root
@pytest.mark.parametrize(
    ("circumstances", "kind"), [((), "secret"), (("no-secret",), "locked")], ids=["secret", "fallback"]
)
def test_of_a_wiped_list_nothing_is_left_in_memory_or_on_the_disk(
    van: Van, circumstances: tuple[str, ...], kind: str
) -> None:
    van.boot(*circumstances)
    van.arm()
    wait_until(lambda: van.room.events, "the walker")
    assert van.room.state().memory == kind
    rows, pictures, key = van.secrets.rows(), van.secrets.pictures(), van.secrets.key.encode()
    shown = found_in_memory(van.process.pid, [*rows[:21], *pictures])
    assert len(shown) == {"secret": 0, "locked": 21 + len(pictures)}[kind], "what lies where it may be looked at"
    assert found_in_memory(van.process.pid, [*rows[21:], key]) == [], "halves and the list's key were never here"
    assert van.room.order("lock").outcome == "done"
    van.wait_for("locked")
    assert found_in_memory(van.process.pid, [*rows, *pictures, key]) == []
    assert found_on_disk(van.folder, [*rows, *pictures, key]) == []
    assert van.process.stop() == 0
    assert found_on_disk(van.folder, [*rows, *pictures, key]) == []


@only_root
def test_the_process_that_waits_to_open_a_list_cannot_be_looked_into_and_leaves_no_core(van: Van) -> None:
    van.boot()
    wait_until(van.ready, "a key")
    pid = van.process.children()["firmware.match.opening"]
    limits = Path(f"/proc/{pid}/limits").read_text("ascii")
    core = next(line.split() for line in limits.splitlines() if line.startswith("Max core file size"))
    assert core[4:6] == ["0", "0"]
    assert Path(f"/proc/{pid}/environ").stat().st_uid == 0, "root's, since it is not dumpable"
    assert Path(f"/proc/{pid}/ns/net").readlink() == Path(f"/proc/{van.process.pid}/ns/net").readlink()
