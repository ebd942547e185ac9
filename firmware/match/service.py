"""The match process: cameras in, events out through one socket. Knows how the rooms are put together and when to stop.

Order matters: the wall stands before this is imported, and detector and embedder reproduce the golden vectors first.
A dead thread ends the process; its supervisor starts it again.
"""

from __future__ import annotations

import functools
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from board.board import Board
from board.camera import Frame
from firmware.log import Log
from firmware.match import capture
from firmware.match.ahead import ahead
from firmware.match.capture import Slots
from firmware.match.finder import Finder
from firmware.match.networks import Networks, open_networks
from firmware.match.outbound import Outbound
from firmware.match.pipeline import Pipeline
from firmware.match.portraits import enrol
from firmware.match.report import Reporter
from firmware.match.settings import MatchFile
from firmware.match.shedding import EVERY
from firmware.match.throttle import Machine, Throttle
from firmware.match.wall import WALLED
from firmware.match.watchlist import Watchlist
from firmware.wire import Status
from models.faces import Faces

_TICK_S = 0.2
"""How often time passes for the tracks of silent cameras; bounds how late a template is overwritten."""
_DRAIN_S = 10.0
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
    board_alarms: tuple[str, ...] = ()


def serve(file: MatchFile, board: Board, wall: str, log: Log, stop: threading.Event) -> int:
    """Look until every camera has ended or ``stop`` is set; returns the exit code.

    Args:
        file: the configuration.
        board: opens the cameras.
        wall: what :func:`firmware.match.wall.raise_wall` achieved.
        log: the process's log.
        stop: ends the run.

    Raises:
        ModelError: a network is not here or not right.
        WatchlistError: no portrait is fit.
    """
    sys.setswitchinterval(0.0005)
    (log.info if wall == WALLED else log.alarm)("wall", wall=wall)
    parts = _prepare(file, board, log)
    status = functools.partial(_status, parts, wall)
    outbound = Outbound(file.socket, lambda: status(_mode(parts, outbound), outbound.alarms()), log)
    outbound.start()
    sources = tuple(
        capture.Source(camera.name, functools.partial(board.open_camera, camera.spec)) for camera in file.match.cameras
    )
    threads = capture.start(sources, parts.slots, log, stop)
    runner = parts.networks.vision.runner
    log.info("armed", entries=len(parts.watchlist), cameras=len(sources), runner=runner, board=board.name)
    try:
        _look(parts, outbound, _reporter(file, parts), stop, log)
    finally:
        stop.set()
        parts.pipeline.end(time.monotonic_ns())
        parts.watchlist.wipe()
        unstored = outbound.drain(_DRAIN_S)
        final = status("ended", outbound.alarms())
        outbound.close(final)
        _say_end(final, unstored, log)
    for thread in threads:
        thread.join(_JOIN_S)
    return 1 if unstored else 0


def _prepare(file: MatchFile, board: Board, log: Log) -> Parts:
    networks = open_networks(board, file.match.prefilter, file.match.sizes_px)
    for alarm in networks.alarms:
        log.alarm("networks", reason=alarm)
    vision = networks.vision
    enrolment = enrol(file.match.portraits, vision)
    for refusal in enrolment.refusals:
        log.alarm("portrait refused", file=refusal.file, reason=refusal.reason)
    pipeline = Pipeline(vision, enrolment.watchlist, file.match.pipeline())
    slots = Slots(tuple(camera.name for camera in file.match.cameras))
    throttle = Throttle(Machine(board.heat, board.power_mode, fallback=bool(networks.fault)))
    return Parts(networks, enrolment.watchlist, pipeline, slots, throttle, board.alarms)


def _reporter(file: MatchFile, parts: Parts) -> Reporter:
    return Reporter(
        van=file.van,
        watchlist_digest=parts.watchlist.digest,
        model_digest=parts.networks.vision.digest,
        now=lambda: datetime.now(timezone.utc),
        new_id=lambda: uuid.uuid4().hex,
    )


def _look(parts: Parts, outbound: Outbound, reporter: Reporter, stop: threading.Event, log: Log) -> None:
    for seen in ahead(_detected(parts, outbound, stop, log), _DEPTH, "detect"):
        if not outbound.alive:
            raise RuntimeError("the outbound thread is dead")
        if seen is None:
            parts.pipeline.expire(time.monotonic_ns())
            continue
        frame, faces = seen
        parts.pipeline.expire(frame.t_ns)  # a lost camera's tracks end by the frames of the others
        for match in parts.pipeline.step(frame, faces):
            event = reporter.event(match, frame)
            outbound.offer(event)
            log.info("possible match", id=event.id, camera=event.camera, similarity=event.similarity)


def _detected(
    parts: Parts, outbound: Outbound, stop: threading.Event, log: Log
) -> Iterator[tuple[Frame, Faces] | None]:
    """Newest frames with their faces; None when time passed without one, or when nothing may be looked at."""
    finder = Finder(parts.networks.vision, parts.networks.gate)
    level = EVERY.name
    while not stop.is_set():
        try:
            frame = parts.slots.take(_TICK_S)
        except EOFError:
            return
        if frame is not None and (outbound.full or not parts.throttle.passes(frame)):
            parts.slots.drop(frame)
            frame = None
        if parts.throttle.level.name != level:
            level = parts.throttle.level.name
            log.info("load shedding", level=parts.throttle.level.words)
        yield None if frame is None else (frame, _faces(finder, frame, parts, log))


def _faces(finder: Finder, frame: Frame, parts: Parts, log: Log) -> Faces:
    """A camera whose pictures no engine was built for is looked at through a copy, and that is said."""
    faces = finder.look(frame, parts.throttle.level.canvas)
    parts.throttle.looked(frame)
    reason = finder.copied.get(frame.camera)
    if reason is not None and parts.slots.say(frame.camera, f"seeing a copy: {reason}"):
        log.alarm("frames are copied", camera=frame.camera, reason=reason)
    return faces


def _mode(parts: Parts, outbound: Outbound) -> str:
    return "paused" if outbound.full or not parts.throttle.level.most_fps else "seeing"


def _status(parts: Parts, wall: str, mode: str, alarms: tuple[str, ...]) -> Status:
    counters, store = replace(parts.pipeline.counters), parts.pipeline.store
    return Status(
        mode=mode,
        wall=wall,
        alarms=(*_alarms(parts, wall), *alarms),
        frames=counters.frames,
        dropped=sum(parts.slots.dropped.values()),
        faces=counters.faces,
        tracks=counters.tracks,
        embeddings=counters.embeddings,
        events=counters.events,
        templates_wiped=store.wiped,
        template_life_p99_s=round(store.life_p99_s(), 3),
        entries=len(parts.watchlist),
        cameras=dict(parts.slots.states),
    )


def _alarms(parts: Parts, wall: str) -> tuple[str, ...]:
    faulty = (f"camera {name} {state}" for name, state in dict(parts.slots.states).items() if state.startswith(_FAULTY))
    shed = () if parts.throttle.level.name == EVERY.name else (parts.throttle.level.words,)
    return (*(() if wall == WALLED else (wall,)), *parts.board_alarms, *parts.networks.alarms, *shed, *faulty)


def _say_end(final: Status, unstored: int, log: Log) -> None:
    if unstored:
        log.alarm("events lost with this process", events=unstored)
    log.info(
        "ended",
        frames=final.frames,
        dropped=final.dropped,
        faces=final.faces,
        tracks=final.tracks,
        embeddings=final.embeddings,
        events=final.events,
        templates_wiped=final.templates_wiped,
        template_life_p99_s=final.template_life_p99_s,
    )
