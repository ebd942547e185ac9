"""The way of a list on a laptop: two people sign it, a van fetches it, two release it, one takes an entry of it back.

Knows what to show and in what order; tools, agent, appliance and broker are the real ones.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyrage
from rich.console import Console

from firmware.alert_card import draw_card
from firmware.control.keys import load_reading_keys
from firmware.control.room import Room, Times, open_room
from firmware.demo_files import ENTRY, DemoError, DemoFiles, make_files, make_passes
from firmware.demo_fleet import Admins, Released, search_for
from firmware.demo_papers import VAN, Papers, Van, write_papers
from firmware.demo_room import Audience, alone, control_room, free_port, say, wait_until
from firmware.envelope import load_signer, public_hex
from firmware.link.broker import EmbeddedBroker
from firmware.log import Log
from firmware.match.decision import DecisionSettings
from firmware.messages import State
from firmware.supervisor import Supervisor
from models.calibrated import SHIPPED
from ota.bundle import unpack

PASSES, AWAY_S = 24, 1.5
MORE = 211
"""With the demo's own three the longest list that the shipped calibration bears."""
_PATIENCE_S = 40.0
_ROOMS = ("store", "state", "agent", "published", "wall")


@dataclass(frozen=True)
class _Stage:
    """What the demo plays on."""

    folder: Path
    admins: Admins
    papers: Papers
    room: Room
    audience: Audience

    def state(self) -> State:
        """The van's newest signed state."""
        with self.room.exchange(VAN) as exchange:
            found = exchange.hear_van(_PATIENCE_S).state
        if found is None:
            raise DemoError("the van said nothing")
        return found

    def wait_for(self, what: str, holds: Callable[[State], bool]) -> State:
        """The first state in which this holds."""
        give_up_s = time.monotonic() + _PATIENCE_S
        while not holds(state := self.state()):
            if time.monotonic() > give_up_s:
                raise DemoError(f"waited in vain for {what}; see {self.folder / 'log.jsonl'}")
            time.sleep(0.1)
        return state


def run_demo(folder: Path, assets: Path, faces: Path | None, console: Console) -> None:
    """Show it.

    Args:
        folder: for all its files.
        assets: where the videos lie.
        faces: a folder of portraits, FOLDER/NAME/*.jpg, to make the list as long as a real one; the demo's own three
            entries if absent.
        console: shows it.

    Raises:
        DemoError: something went otherwise than it must.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder), EmbeddedBroker(free_port()) as broker:
        for old in ("keys", "state", "agent", "wall", "fleet", "published", "list", "portraits", "people.toml"):
            _remove(folder / old)
        say(console, "[bold]Kerbside updates[/]: a list that two people sign, and that only two more can open.")
        files = make_files(folder, assets)
        _add_faces(files.portraits, faces)
        admins = Admins(folder, console)
        papers = write_papers(folder, lambda keys: _van(admins, keys, files), broker.port)
        admins.publish_calibration(SHIPPED, VAN)
        more = ("--calibration", SHIPPED, "--without-cohort", "--allow-refused")
        listed = admins.publish_list(files.portraits, VAN, more)
        room = open_room(papers.ctl, "demo-control-room", Times(time.monotonic, time.time), random.random)
        _play(_Stage(folder, admins, papers, room, Audience(console)), listed)


def _play(stage: _Stage, listed: Released) -> None:
    console = stage.admins.console
    with _running(stage):
        _arm(stage, listed)
        wait_until(lambda: bool(stage.audience.events), _PATIENCE_S)
        if not stage.audience.events:
            raise DemoError(f"no possible match arrived; see {stage.folder / 'log.jsonl'}")
        card = draw_card(stage.audience.events[0], stage.folder / "alerts" / f"{stage.audience.events[0].id}.png")
        say(console, f"  alert card, with the list's own small portrait: {card}")
        _search(stage, listed, "while it is armed")
        _revoke(stage, listed)
        stage.admins.run("kerbside-ctl", "send", "stop", *_order(stage, "operator", "end-of-deployment"))
        stage.wait_for("the wiped list", lambda state: state.entries == 0 and state.mode == "stopped")
        say(console, "  stopped: the van has no list any more")
    _search(stage, listed, "after it was stopped")


def _van(admins: Admins, keys: Path, files: DemoFiles) -> Van:
    """Found the fleet, register the van, and say what its configuration is to be."""
    admins.found()
    key_id = admins.register(VAN, public_hex(load_signer(keys / "van.pem")))
    passes = make_passes(files.listed, admins.folder / "passes.mp4", PASSES, AWAY_S)
    agent = f"""[agent]
url = "file://{admins.repository}"
root = "{admins.root}"
state = "{admins.folder}/agent"
key_id = "{key_id}"
every_s = 1
"""
    return Van(
        {"front": passes},
        top=f'handover = "{admins.folder}/wall/agent.sock"',
        match=f'root = "{admins.root}"',
        tables=agent,
    )


def _arm(stage: _Stage, listed: Released) -> None:
    admins, console = stage.admins, stage.admins.console
    began_s = time.monotonic()
    stage.wait_for("the offered list", lambda state: _phase(state, listed) == "offered" and state.release_key != "")
    say(console, f"  the van holds the encrypted list after {time.monotonic() - began_s:.1f} s, and cannot read it")
    _search(stage, listed, "before the release")
    release = stage.folder / "release.json"
    release.unlink(missing_ok=True)
    admins.run(
        "kerbside-fleet", "release", listed.file, "--list-key", listed.key, *_order(stage, "operator", "routine"),
        "--hours", "8", "--out", release,
    )  # fmt: skip
    config = ("--config", stage.papers.ctl)
    admins.run("kerbside-ctl", "sign", release, "--key", stage.papers.keys / "authoriser.pem", *config)
    admins.run("kerbside-ctl", "send", "--file", release, *config)
    state = stage.wait_for("the armed van", lambda state: state.mode == "seeing")
    say(console, f"  armed: {state.entries} entries in {state.memory} memory; the release key was used up")


def _revoke(stage: _Stage, listed: Released) -> None:
    """Taken back, the man walks by until an entry that was not taken back would have been reported again."""
    console, before = stage.admins.console, len(stage.audience.events)
    began_s = time.monotonic()
    stage.admins.run(
        "kerbside-fleet", "revoke", listed.file, "--entry", ENTRY, *_order(stage, "operator", "technical"),
        "--fleet", stage.admins.fleet,
    )  # fmt: skip
    said_s = time.monotonic() - began_s
    tracks = stage.state().counters.tracks
    cooldown_s = DecisionSettings().cooldown_s
    say(console, f"  revoked in {said_s:.1f} s; he walks by for {cooldown_s + 6:.0f} s more ...")
    time.sleep(cooldown_s + 6)
    passed = stage.state().counters.tracks - tracks
    if len(stage.audience.events) > before:
        raise DemoError("an entry that was taken back was reported")
    say(console, f"  he passed {passed} more times: no possible match")


def _search(stage: _Stage, listed: Released, when: str) -> None:
    """Look for templates and portraits in every file that the van has, and in all that was published."""
    files, found = search_for(_secrets(listed), [stage.folder / room for room in _ROOMS])
    if found:
        raise DemoError(f"{when}: {found[0]} holds a template, a portrait or the list's key")
    say(stage.admins.console, f"  {when}: {files} files searched, no template, no portrait, no key")


def _secrets(listed: Released) -> list[bytes]:
    """Everything that must not lie about: each template in both precisions, each portrait, and the key."""
    bundle = unpack(pyrage.decrypt(listed.file.read_bytes(), list(load_reading_keys((listed.key,)))))
    rows = [row.tobytes() for row in bundle.templates] + [row.astype("<f4").tobytes() for row in bundle.templates]
    key = listed.key.read_text("utf-8").splitlines()[-1].encode()
    return [*(row[:64] for row in rows), *(portrait for portrait in bundle.portraits if portrait), key]


def _phase(state: State, listed: Released) -> str:
    fitted = state.updates.fitted if state.updates is not None else ()
    return next((one.phase for one in fitted if one.sha256 == listed.sha256), "")


def _order(stage: _Stage, holder: str, reason: str) -> tuple[object, ...]:
    key = stage.papers.keys / f"{holder}.pem"
    return ("--van", VAN, "--key", key, "--reason", reason, "--config", stage.papers.ctl)


@contextlib.contextmanager
def _running(stage: _Stage) -> Iterator[None]:
    """The appliance under its own supervisor, and a control room that listens and gives receipts."""
    stop = threading.Event()
    log = stage.folder / "log.jsonl"
    with log.open("wb") as output, log.with_name("run.jsonl").open("w") as own:
        supervisor = Supervisor(stage.papers.van, Log("run", own), output, agent=True)
        thread = threading.Thread(target=supervisor.run, args=(stop,), name="appliance")
        with control_room(stage.room, stage.audience, own):
            thread.start()
            try:
                yield
            finally:
                stop.set()
                thread.join()


def _add_faces(portraits: Path, faces: Path | None) -> None:
    """One picture of each of the first 497 people; they are in this demo's folder until its next start."""
    people = sorted(path for path in faces.iterdir() if path.is_dir())[:MORE] if faces is not None else []
    for number, pictures in enumerate(people):
        first = min(pictures.glob("*.jpg"), default=None)
        if first is not None:
            shutil.copyfile(first, portraits / f"entry-{number:04d}.jpg")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
