"""A list from its publishing to a van that looks with it: real tool, agent, match, link and broker, made-up entries.

Knows the order of the steps and what is timed; refuses to know what any of them does. The repository is a folder that
the agent reads by ``file://``: what a network adds is not measured.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
from rich.console import Console

from firmware.bench import BenchError
from firmware.bench.fleet_papers import Advance
from firmware.bench.lists_made import MadeList, Shape, make_list
from firmware.bench.lists_report import ListsReport
from firmware.bench.lists_van import Peaks, RunningVan, running
from firmware.bench.made_up import made_up
from firmware.bench.search import search_alone
from firmware.control.commands import CommandError, Wish
from firmware.control.exchange import NoAnswer
from firmware.control.room import Room, Times, open_room
from firmware.control.session import Unavailable
from firmware.demo_files import DemoError
from firmware.demo_fleet import Admins
from firmware.demo_papers import VAN, Papers, Van, write_papers
from firmware.demo_room import free_port
from firmware.envelope import load_signer, public_hex
from firmware.fleet.vans import lists
from firmware.link.broker import EmbeddedBroker
from firmware.match.pipeline import PipelineSettings
from firmware.messages import State
from models.calibrating import encode
from models.runner_openvino import OpenVinoBackend
from models.vision import Vision, open_vision
from ota.bundle import BundleError
from ota.content import MAX_ENTRIES
from ota.repository.draft import propose

_FPS, _FILM_S = 10, 120
_SIZE_PX = (640, 360)
_TTL_S = 3_600.0
_SIMILARITY = 0.5


@dataclass(frozen=True)
class ListsSpec:
    """How many entries, and how many times.

    Raises:
        ValueError: names the option, its figure and the limit.
    """

    entries: int = 10_000
    repeat: int = 3

    def __post_init__(self) -> None:
        """Refuse what no van would take."""
        if not 1 <= self.entries <= MAX_ENTRIES:
            raise ValueError(f"entries is {self.entries}: a list has 1 to {MAX_ENTRIES}")


@dataclass(frozen=True)
class _Stage:
    folder: Path
    admins: Admins
    key_id: str
    papers: Papers
    room: Room
    peaks: Peaks


@dataclass(frozen=True)
class _Lap:
    """Seconds of one list's way; ``bytes`` of its file."""

    offered_s: float
    answered_s: float
    seeing_s: float
    bytes: int


def run_lists(spec: ListsSpec, advance: Advance) -> ListsReport:
    """One list after another, each to a newly started van; then search alone.

    Raises:
        BenchError: something did not come up, or a van did not do as it must.
        OSError: the folder cannot be written.
    """
    vision = open_vision(OpenVinoBackend())
    with TemporaryDirectory(prefix="kerbside-lists-") as name, EmbeddedBroker(free_port()) as broker:
        try:
            stage = _set_up(Path(name), broker.port)
            _calibrate(stage, vision, spec.entries)
            laps = []
            for number in range(spec.repeat):
                laps.append(_lap(stage, _shape(spec, vision), number + 1))
                advance("lists", number + 1, spec.repeat)
        except (DemoError, CommandError, NoAnswer, Unavailable, BundleError) as error:
            raise BenchError(str(error)) from error
    return ListsReport(
        entries=spec.entries,
        dimension=vision.embedder.dimension,
        runs=spec.repeat,
        encrypted_bytes=laps[-1].bytes,
        offered_s=statistics.median(lap.offered_s for lap in laps),
        answered_s=statistics.median(lap.answered_s for lap in laps),
        seeing_s=statistics.median(lap.seeing_s for lap in laps),
        peaks_mb=stage.peaks.mb,
        search=search_alone(),
    )


def _shape(spec: ListsSpec, vision: Vision) -> Shape:
    return Shape(spec.entries, vision.embedder.dimension, vision.embedder.space)


def _set_up(folder: Path, port: int) -> _Stage:
    """A fleet with one van that nobody has published anything for."""
    admins = Admins(folder, Console(quiet=True))
    film = _empty_film(folder / "film.mp4")
    key_ids: list[str] = []

    def van(keys: Path) -> Van:
        admins.found()
        key_ids.append(admins.register(VAN, public_hex(load_signer(keys / "van.pem"))))
        agent = f"""[agent]
url = "file://{admins.repository}"
root = "{admins.root}"
state = "{folder}/agent"
key_id = "{key_ids[0]}"
every_s = 3600
"""
        top, match = f'handover = "{folder}/wall/agent.sock"', f'root = "{admins.root}"'
        return Van({"front": film}, top, match, agent)

    papers = write_papers(folder, van, port)
    room = open_room(papers.ctl, "bench", Times(time.monotonic, time.time), random.random)
    return _Stage(folder, admins, key_ids[0], papers, room, Peaks())


def _calibrate(stage: _Stage, vision: Vision, entries: int) -> None:
    """So long a list of made-up entries has a made-up calibration: nobody's face is compared with anything."""
    file = stage.folder / "calibration.json"
    file.write_bytes(encode(made_up(PipelineSettings().use(vision), {_SIMILARITY: entries})))
    stage.admins.publish_calibration(file, VAN)


def _lap(stage: _Stage, shape: Shape, counter: int) -> _Lap:
    now = int(stage.room.times.now())
    made = make_list(stage.folder, shape, stage.key_id, counter, now)
    draft = propose(stage.admins.fleet, "watchlist", f"list-{counter}", made.file, made.custom, now=now)
    with running(stage.papers, stage.room, stage.folder, stage.peaks) as van:
        van.wait_for("a van that has looked for updates", _has_looked)
        stage.admins.sign_and_publish(str(draft))
        offered_s = van.order(Wish("update.check", "routine"), "maintainer")
        offered_s += _timed(lambda: van.wait_for("the offered list", lambda state: made.sha256 in _offered(state)))
        wish = lists.release(_ready(van, made), made.sha256, made.key, _TTL_S, "routine")
        answered_s = van.order(wish, "operator", "authoriser")
        seeing_s = _timed(lambda: van.wait_for("the list in use", lambda state: _sees(state, shape.entries)))
    return _Lap(offered_s, answered_s, seeing_s, made.encrypted_bytes)


def _ready(van: RunningVan, made: MadeList) -> State:
    """As a releaser sees it, once the van can be released to."""
    return van.wait_for("a release key", lambda state: made.sha256 in _offered(state) and state.release_key != "")


def _has_looked(state: State) -> bool:
    return (
        state.mode == "unarmed"
        and state.versions.calibration != ""
        and state.release_key != ""
        and state.updates is not None
        and not state.updates.fault
    )


def _offered(state: State) -> set[str]:
    fitted = () if state.updates is None else state.updates.fitted
    return {one.sha256 for one in fitted if one.phase == "offered"}


def _sees(state: State, entries: int) -> bool:
    return state.mode == "seeing" and state.entries == entries


def _timed(step: Callable[[], object]) -> float:
    begun_s = time.perf_counter()
    step()
    return time.perf_counter() - begun_s


def _empty_film(path: Path) -> Path:
    """A street with nobody in it: the van looks, and finds nobody."""
    picture = av.VideoFrame.from_ndarray(np.full((_SIZE_PX[1], _SIZE_PX[0], 3), 96, np.uint8), format="rgb24")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=_FPS, options={"preset": "ultrafast"})
        stream.width, stream.height = _SIZE_PX
        stream.pix_fmt = "yuv420p"
        for number in range(_FPS * _FILM_S):
            picture.pts = number
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path
