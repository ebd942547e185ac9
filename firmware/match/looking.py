"""The part of the match process that looks: networks, list, cameras and the loop over frames. Knows how the rooms are
put together; refuses to know commands, keys and the way out.

Before the first frame golden vectors are reproduced, and drawn faces and the list's entries found. A dead thread ends
the process.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from board.board import Board
from board.camera import Frame
from firmware.log import Log
from firmware.match import capture
from firmware.match.ahead import ahead
from firmware.match.capture import Slots
from firmware.match.decision import PossibleMatch
from firmware.match.emptiness import Emptiness
from firmware.match.examination import Examination
from firmware.match.finder import Finder
from firmware.match.networks import Networks
from firmware.match.pipeline import Pipeline, PipelineSettings
from firmware.match.portraits import enrol
from firmware.match.rehearsal import rehearse
from firmware.match.settings import MatchSettings
from firmware.match.shedding import EVERY
from firmware.match.threshold import Floors
from firmware.match.throttle import Machine, Throttle
from firmware.match.vigil import Vigil, Vigilance
from firmware.match.watchlist import Watchlist, WatchlistError
from firmware.messages import Counters
from models.faces import Faces
from models.vision import Vision

_TICK_S = 0.2
"""How often time passes for the tracks of silent cameras; bounds how late a template is overwritten."""
_FAULTY = ("lost", "seeing a copy")
"""How the states of a camera begin that a person has to know of."""
_JOIN_S = 0.5
_DEPTH = 1
"""Frames between detection and decision: one in hand, so that both have a core; more would only be older."""


@dataclass(frozen=True)
class Parts:
    """What a run is made of."""

    networks: Networks
    watchlist: Watchlist
    pipeline: Pipeline
    slots: Slots
    throttle: Throttle
    floors: Floors
    board_alarms: tuple[str, ...] = ()
    vigilance: Vigilance = Vigilance()


def enrolled(folder: Path, vision: Vision, board: Board, log: Log) -> Watchlist:
    """The list of a folder of portraits, on a host.

    Raises:
        WatchlistError: no portrait is fit, or this is a van.
    """
    if not board.tries_unsigned:
        raise WatchlistError("match.portraits: a list that nobody signed is for hosts; a van gets its by 'handover'")
    enrolment = enrol(folder, vision)
    for refusal in enrolment.refusals:
        log.alarm("portrait refused", file=refusal.file, reason=refusal.reason)
    return enrolment.watchlist


def prepare(settings: MatchSettings, floors: Floors, board: Board, networks: Networks, watchlist: Watchlist) -> Parts:
    """What looks for this list.

    Args:
        settings: the configuration.
        floors: the highest of them is the least similarity.
        board: says what this machine is made for.
        networks: proven ones.
        watchlist: made by them.
    """
    pipeline = Pipeline(networks.vision, watchlist, PipelineSettings().at(floors.threshold))
    slots = Slots(tuple(camera.name for camera in settings.cameras))
    throttle = Throttle(Machine(board.heat, board.power_mode, fallback=bool(networks.fault)))
    return Parts(networks, watchlist, pipeline, slots, throttle, floors, board.alarms, settings.vigilance)


class Unarmed:
    """A van's eyes while it has no list: shut, and ready."""

    def __init__(self, vision: Vision, threshold: float) -> None:
        self.threshold = threshold
        self.self_test = vision.self_test

    def go_on_testing(self) -> None:
        """Nothing is looked at, so nothing has to be proven."""

    def rest(self) -> None:
        """Nothing was seen."""

    def wipe(self) -> None:
        """Nothing was seen, and there is no list."""

    def raise_threshold(self, threshold: float) -> None:
        """Ask for at least this similarity, as soon as there is a list."""
        self.threshold = threshold


class Look:
    """One van's eyes, from the list's enrolment to its wiping. One thread looks; any may ask how it is.

    Args:
        parts: what it is made of.
        may_look: whether frames may be looked at now; asked for each.
        log: the process's log.

    Attributes:
        floors: what the least similarity is, and on whose word.
    """

    def __init__(self, parts: Parts, may_look: Callable[[], bool], log: Log) -> None:
        self.floors = parts.floors
        self._parts = parts
        self._may_look = may_look
        self._log = log
        self._closing = threading.Event()
        self._detecting = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._finder = Finder(parts.networks.vision, parts.networks.gate)
        self._examination = Examination(parts.watchlist)
        self._emptiness = Emptiness(parts.vigilance.no_faces_s)
        self.vigil = Vigil(self._self_test_steps, parts.vigilance.self_test_s, time.monotonic, log)
        self.self_test, self.go_on_testing = self.vigil.whole, self.vigil.go_on  # for the thread that looks

    @property
    def entries(self) -> int:
        """Of the list."""
        return len(self._parts.watchlist)

    @property
    def threshold(self) -> float:
        """The least similarity in force, a cosine."""
        return self._parts.pipeline.threshold

    @property
    def idle(self) -> bool:
        """The machine is so hot or short of power that nothing is looked at."""
        return not self._parts.throttle.level.most_fps

    @property
    def watchlist_digest(self) -> str:
        """Of the list."""
        return self._parts.watchlist.digest

    @property
    def model_digest(self) -> str:
        """Of the networks."""
        return self._parts.networks.vision.digest

    @property
    def cameras(self) -> dict[str, str]:
        """The cameras' states in words."""
        return dict(self._parts.slots.states)

    def open_cameras(self, settings: MatchSettings, board: Board) -> None:
        """Start one thread a camera."""
        sources = tuple(
            capture.Source(camera.name, functools.partial(board.open_camera, camera.spec))
            for camera in settings.cameras
        )
        self._threads = list(capture.start(sources, self._parts.slots, self._log, self._closing))
        runner = self._parts.networks.vision.runner
        self._log.info("armed", entries=self.entries, cameras=len(sources), runner=runner, board=board.name)
        self._say_threshold()

    def matches(self) -> Generator[tuple[PossibleMatch, Frame] | None, None, None]:
        """Possible matches as they are decided; None at least every ``_TICK_S`` while there are none.

        Ends when every camera has ended, or after :meth:`close`.
        """
        with contextlib.closing(ahead(self._detected(), _DEPTH, "detect")) as detected:
            for seen in detected:
                yield None
                if seen is None or not self._may_look():
                    self._parts.pipeline.expire(time.monotonic_ns())
                    continue
                frame, faces = seen
                self._parts.pipeline.expire(frame.t_ns)  # a lost camera's tracks end by the frames of the others
                self._emptiness.looked(frame.camera, frame.t_ns, len(faces))
                for match in self._parts.pipeline.step(frame, faces):
                    yield match, frame
                seen_so_far = self._parts.pipeline.counters
                self._emptiness.shot(frame.t_ns, seen_so_far.tracks, seen_so_far.embeddings)

    def rest(self) -> None:
        """Overwrite every template of a passer-by."""
        self._parts.pipeline.end(time.monotonic_ns())

    def wipe(self) -> None:
        """Overwrite these and the list; it finds nobody any more."""
        self.rest()
        self._parts.watchlist.wipe()

    def close(self) -> None:
        """Wipe, and let go of the cameras."""
        self._closing.set()
        self.wipe()
        for thread in self._threads:
            thread.join(_JOIN_S)

    def raise_threshold(self, threshold: float) -> None:
        """Ask for at least this similarity from now on, a cosine above the one in force."""
        self._parts.pipeline.raise_threshold(threshold)
        self.floors = replace(self.floors, ordered=threshold)
        self._say_threshold()

    def _self_test_steps(self) -> Iterator[None]:
        """Golden vectors, drawn faces through all in use, the list. A look waits for the detector's thread."""
        vision, vigilance = self._parts.networks.vision, self._parts.vigilance
        with self._detecting:
            vision.self_test()
        for size_px in vigilance.sizes_px:
            yield
            yield from rehearse(vision, PipelineSettings(), self._find_rehearsed, size_px)
        yield from self._examination.steps()

    def _find_rehearsed(self, frame: Frame) -> Faces:
        with self._detecting:
            return self._finder.rehearse(frame, self._parts.throttle.level.canvas)

    def counters(self) -> Counters:
        """What was seen so far; never anything about one face."""
        seen, store = replace(self._parts.pipeline.counters), self._parts.pipeline.store
        return Counters(
            frames=seen.frames,
            dropped=sum(self._parts.slots.dropped.values()),
            faces=seen.faces,
            tracks=seen.tracks,
            embeddings=seen.embeddings,
            alerts=seen.events,
            templates_wiped=store.wiped,
            template_life_p99_s=round(store.life_p99_s(), 3),
        )

    def alarms(self) -> tuple[str, ...]:
        """What a person has to know, in words."""
        parts = self._parts
        faulty = (f"camera {name} {state}" for name, state in self.cameras.items() if state.startswith(_FAULTY))
        shed = () if parts.throttle.level.name == EVERY.name else (parts.throttle.level.words,)
        empty = self._emptiness.alarms(parts.pipeline.counters.tracks)
        return (*parts.board_alarms, *parts.networks.alarms, *shed, *faulty, *empty, *self._examination.alarms)

    def _say_threshold(self) -> None:
        self._log.info("threshold", threshold=self.floors.threshold, by=self.floors.binding)

    def _detected(self) -> Iterator[tuple[Frame, Faces] | None]:
        """Newest frames with their faces; None when time passed without one, or when nothing may be looked at."""
        parts, level = self._parts, EVERY.name
        while not self._closing.is_set():
            try:
                frame = parts.slots.take(_TICK_S)
            except EOFError:
                return
            if frame is not None and not self._may_look():
                frame = None  # nothing is missed that nobody was to look at
            elif frame is not None and not parts.throttle.passes(frame):
                parts.slots.drop(frame)
                frame = None
            if parts.throttle.level.name != level:
                level = parts.throttle.level.name
                self._log.info("load shedding", level=parts.throttle.level.words)
            yield None if frame is None else (frame, self._faces(frame))

    def _faces(self, frame: Frame) -> Faces:
        """A camera whose pictures no engine was built for is looked at through a copy, and that is said."""
        with self._detecting:
            faces = self._finder.look(frame, self._parts.throttle.level.canvas)
        self._parts.throttle.looked(frame)
        reason = self._finder.copied.get(frame.camera)
        if reason is not None and self._parts.slots.say(frame.camera, f"seeing a copy: {reason}"):
            self._log.alarm("frames are copied", camera=frame.camera, reason=reason)
        return faces
