"""A whole van as it runs: ``kerbside run`` with its three processes, a real broker and a real repository over HTTP.

Between the van and each of them stands a :class:`Tap`, which keeps every byte of both directions.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from itertools import chain
from pathlib import Path

import av
import numpy as np

from board.picture import Pixels
from firmware.match.pipeline import PipelineSettings
from firmware.messages import Answer, Fitted, State
from models.faces import F32
from models.vision import Vision
from ota.bundle import Bundle, decompress, pack
from ota.content import ROLE, Custom, Kind
from tests.film import FPS, drawn_walk, empty_street, write_video
from tests.link.stage import wait_until
from tests.match.lists import HOUR_S, VAN_KEY, SealedList, a_head, entries, random_portraits, random_units
from tests.models.made_calibration import made_file
from tests.ota.agency import Fleet
from tests.ota.throwaway import DAY_S, Repository, custom
from tests.process import Process, write_config
from tests.room import ControlRoom
from tests.whole.leaks import Secrets
from tests.whole.roads import Tap, WebServer

WALKERS = ("pale", "dark")
REFS = tuple(f"ref-7c1{number}-of-{name}-e" for number, name in enumerate((*WALKERS, *"abcd")))
EMPTY_S, WALK_S, TURNS = 3, 3, 12
"""The street of these stories: nobody, the pale one, the dark one, nobody, and so on, for two minutes."""


class Van:
    """One van over several starts, its fleet, and the list that it is to have: two walkers and four who never come.

    Args:
        folder: for all of it; ``folder/van`` is the van's disk.
        broker_port: of the broker on this machine.
        street: the video before its camera.
        faces: (2, d) the walkers' templates.
        vision: what made them.
    """

    def __init__(self, folder: Path, broker_port: int, street: Path, faces: F32, vision: Vision) -> None:
        self.folder, self.disk = folder, folder / "van"
        self.fleet = Fleet(folder / "server", Repository(int(time.time())))
        self.web = WebServer(self.fleet.folder)
        self.taps = (Tap(broker_port), Tap(self.web.port))
        self.room = ControlRoom(broker_port)
        now = int(time.time())
        self.limits = {"not_before": now - 60, "not_after": now + 2 * HOUR_S}
        templates = np.concatenate([faces, random_units(len(REFS) - len(faces), faces.shape[1])])
        pictures = random_portraits(len(REFS), size=1_500)
        head = a_head(
            entries(REFS, self.limits["not_after"]), space=vision.embedder.space, max_faces=100, **self.limits
        )
        self.list = SealedList(
            folder / "list.age", pack(Bundle(head, templates.astype(np.float16), pictures)), head=head
        )
        self.secrets = Secrets(templates, pictures, REFS, self.list.key)
        self._config = self._configure(street)
        self._process: Process | None = None
        self.calibration = self.publish("calibration", "c1", made_file(PipelineSettings().use(vision)))

    @property
    def plain_list(self) -> bytes:
        return decompress(self.list.packed)

    @property
    def process(self) -> Process:
        assert self._process is not None
        return self._process

    @property
    def state(self) -> State:
        return self.room.state()

    def newer_state(self) -> State:
        """The first that comes from now on."""
        known = len(self.room.states)
        wait_until(lambda: len(self.room.states) > known, "another state")
        return self.state

    def says(self) -> Answer:
        """What it answers to whoever asks how it is; a state follows at once."""
        return self.room.order("status", "operator-2")

    def answers(self, sha256: str) -> list[str]:
        """What match has said to each offer of this."""
        return [line["answer"] for line in self.process.said("offered") if line["sha256"] == sha256]

    @property
    def reported(self) -> list[str]:
        return [event.entry for event in self.room.events]

    def __enter__(self) -> Van:  # noqa: PYI034  typing.Self came with Python 3.11
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.stop()
            self._process.end()
        self.room.leave()
        for tap in self.taps:
            tap.close()
        self.web.stop()

    def publish(self, kind: Kind, name: str, content: bytes, counter: int = 1) -> str:
        """Have as many sign and publish it as its kind needs; its digest."""
        path = self.fleet.publish(kind, name, content, self._said(kind, counter))
        return str(self.fleet.repository.targets(ROLE[kind]).targets[path].hashes["sha256"])

    def boot(self, mode: str = "unarmed") -> None:
        boots = {state.boot for state in self.room.states}
        self._process = Process("firmware", "run", "--config", str(self._config), output=self.disk / "log.jsonl")
        self.wait_for_boot(boots, mode)

    def wait_for_boot(self, boots: set[str], mode: str = "unarmed") -> None:
        """Until a match process that is none of these says that it is in this mode, and can be armed."""
        wait_until(lambda: self.room.states and self.room.states[-1].boot not in boots, "a new start of match")
        self.wait_for(mode)

    def wait_for(self, mode: str) -> None:
        wait_until(lambda: self.state.mode == mode, f"the mode {mode}, not {self.state.mode}")

    def fitted(self, kind: Kind) -> Fitted | None:
        updates = self.state.updates
        return None if updates is None else next((one for one in updates.fitted if one.kind == kind), None)

    def wait_for_phase(self, kind: Kind, phase: str, sha256: str) -> None:
        def now() -> tuple[str, str]:
            one = self.fitted(kind)
            return ("", "") if one is None else (one.sha256, one.phase)

        wait_until(lambda: now() == (sha256, phase), f"{kind} {phase}; {now()} {self.state.updates}")

    def wait_for_fault(self, fault: str) -> None:
        def now() -> str:
            return "none" if self.state.updates is None else self.state.updates.fault

        wait_until(lambda: now() == fault, f"the fault '{fault}', not '{now()}'")

    def wait_for_report_of(self, walker: str, count: int = 1) -> None:
        reference = REFS[WALKERS.index(walker)]
        wait_until(lambda: self.reported.count(reference) >= count, f"{walker} among {self.reported}")

    def release(self) -> Answer:
        """By two people, as soon as the van can take the list."""
        self.wait_for_phase("watchlist", "offered", self.list.sha256)
        wait_until(lambda: self.state.release_key, "a release key")
        asked = self.list.release(self.state.release_key)
        args = {"list": asked.list, "capsule": asked.capsule, "ttl_s": asked.ttl_s}
        return self.room.order("watchlist.release", "operator-1", "authoriser-1", args=args)

    def arm(self) -> None:
        answer = self.release()
        assert (answer.outcome, answer.why) == ("done", "")
        self.wait_for("seeing")

    def revoke(self, walker: str) -> Answer:
        args = {"list": self.list.sha256, "entry": self.list.mark(REFS[WALKERS.index(walker)])}
        return self.room.order("watchlist.revoke", "operator-2", args=args)

    def check(self) -> None:
        """Have the agent look for updates now."""
        assert self.room.order("update.check", "maintainer-1").outcome == "done"

    def kill(self, module: str) -> None:
        """One of its processes; the supervisor stays."""
        os.kill(self.process.children()[f"firmware.{module}"], signal.SIGKILL)

    def cut_power(self) -> None:
        """Everything ends with no warning."""
        pids = [*self.process.children().values(), *self._openers()]
        self.process.send(signal.SIGKILL)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.end()
        self._process = None
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), "the end of all of them")

    def stop(self) -> int:
        """As a service manager does it; the exit code."""
        code = self.process.stop()
        self.process.end()
        self._process = None
        return code

    def leaks(self) -> dict[str, set[str]]:
        """Every secret that is on the van's disk or went through the network until now, and where."""
        roads = dict(zip(("broker", "repository"), self.taps, strict=True))
        found = {name: self.secrets.found_in(tap.bytes) for name, tap in roads.items()}
        return {name: what for name, what in found.items() if what} | self.secrets.found_on(self.disk)

    def _openers(self) -> list[int]:
        match = self.process.children()["firmware.match"]
        return [int(pid) for pid in Path(f"/proc/{match}/task/{match}/children").read_text().split()]

    def _said(self, kind: Kind, counter: int) -> Custom:
        if kind == "watchlist":
            return self.list.custom()
        return custom(kind, counter, vans=(VAN_KEY,), not_after=int(time.time()) + DAY_S)

    def _configure(self, street: Path) -> Path:
        path = write_config(self.disk, Path("-"), {"front": f"file://{street}"}, broker_port=self.taps[0].port)
        lines = path.read_text("utf-8").replace('portraits = "-"', f'root = "{self.disk}/root.json"').splitlines()
        (self.disk / "root.json").write_bytes(self.fleet.repository.trusted_root)
        agent = [
            "[agent]",
            f'url = "http://127.0.0.1:{self.taps[1].port}"',
            f'root = "{self.disk}/root.json"',
            f'state = "{self.disk}/agent"',
            f'key_id = "{VAN_KEY}"',
            "every_s = 86400",
        ]
        path.write_text("\n".join([f'handover = "{self.disk}/agent.sock"', *lines, *agent]), "utf-8")
        return path


def write_street(folder: Path) -> Path:
    """The film of these stories: one turn is drawn and compressed, and its packets are written again and again."""
    nobody = (empty_street() for _ in range(EMPTY_S * FPS))
    walks = (drawn_walk(WALK_S * FPS, walker) for walker in WALKERS)
    turn: chain[Pixels] = chain(nobody, *walks)
    return repeated(write_video(folder / "turn.mp4", turn), folder / "street.mp4", TURNS)


def repeated(video: Path, to: Path, times: int) -> Path:
    """The same video several times over."""
    with av.open(str(to), "w") as there:
        out = None
        for number in range(times):
            with av.open(str(video)) as here:
                shown = here.streams.video[0]
                out = out or there.add_stream_from_template(shown)
                assert shown.duration is not None
                for packet in here.demux(shown):
                    if packet.dts is None or packet.pts is None:
                        continue
                    packet.pts += number * shown.duration
                    packet.dts += number * shown.duration
                    packet.stream = out
                    there.mux(packet)
    return to
