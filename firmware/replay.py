"""Run a recorded video through the real pipeline, as fast as it can, every frame of it. For tests and benches on hosts.

Knows the pipeline and how to report; refuses to know MQTT: what it finds leaves by its report alone.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from board.camera import CameraSpec, Frame, Gap
from board.camera_host import HostCamera
from board.picture import Pixels
from firmware.match.ahead import ahead
from firmware.match.decision import PossibleMatch
from firmware.match.finder import Finder
from firmware.match.pipeline import Pipeline, PipelineSettings
from firmware.match.portraits import Refusal, enrol
from firmware.match.watchlist import Watchlist
from firmware.memory import peak_rss_mb
from models.calibrated import shipped_calibration
from models.faces import Faces
from models.runner_openvino import OpenVinoBackend
from models.vision import Vision, open_vision

CAMERA = "replay"
_DEPTH = 6
_DEPTH_PX = 8_000_000
"""Most frames, and most pixels, that each of the two threads may be ahead: bounds memory for large pictures."""
Progress = Callable[[str, int, int], None]


class ReplayError(Exception):
    """The video cannot be replayed whole; nothing is reported of it."""


class Event(msgspec.Struct, frozen=True):
    """A possible match; frames count from 0, the first and last are those in which its track was seen."""

    entry: str
    similarity: float
    first_frame: int
    last_frame: int
    decided_frame: int


class Summary(msgspec.Struct, frozen=True):
    """Of the run from the first frame read to the last decision; loading and enrolling is ``start_s``."""

    frames: int
    wall_s: float
    cpu_s: float
    fps: float
    peak_rss_mb: float
    faces: int
    tracks: int
    embeddings: int
    template_life_p99_s: float
    templates_wiped: int
    start_s: float
    entries: int
    refused: int
    threshold: float
    runner: str


class Replay(msgspec.Struct, frozen=True):
    """What ``kerbside replay --json`` writes."""

    events: list[Event]
    summary: Summary


@dataclass(frozen=True)
class Prepared:
    """Everything that is loaded before the first frame."""

    vision: Vision
    watchlist: Watchlist
    refusals: tuple[Refusal, ...]
    start_s: float


def prepare(portraits: Path, progress: Progress = lambda what, done, total: None) -> Prepared:
    """Load the networks and enrol the portraits.

    Raises:
        ModelError: the networks are not here or not right.
        WatchlistError: no fit portrait.
    """
    started = time.perf_counter()
    vision = open_vision(OpenVinoBackend())
    enrolment = enrol(portraits, vision, lambda done, total: progress("enrol", done, total))
    return Prepared(vision, enrolment.watchlist, enrolment.refusals, time.perf_counter() - started)


def replay(
    source: str,
    prepared: Prepared,
    settings: PipelineSettings,
    progress: Progress = lambda what, done, total: None,
) -> Replay:
    """Run ``source`` through the pipeline.

    Args:
        source: ``file://`` URI.
        prepared: networks and list.
        settings: of the pipeline, with the threshold to apply.
        progress: called with ("replay", frames done, frames in all).

    Raises:
        CameraError: the video cannot be opened.
        ReplayError: it is empty or cut off.
    """
    sys.setswitchinterval(0.0005)  # three threads share the lock for well under a millisecond at a time
    camera = HostCamera(CameraSpec(CAMERA, source), paced=False)
    pipeline = Pipeline(prepared.vision, prepared.watchlist, settings)
    finder = Finder(prepared.vision)
    times_ns: list[int] = []
    matches: list[PossibleMatch] = []
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        for frame, faces in ahead(_detected(camera, finder), _depth(camera), "detect"):
            times_ns.append(frame.t_ns)
            matches += pipeline.step(frame, faces)
            progress("replay", len(times_ns), camera.progress[1])
    finally:
        camera.close()
    pipeline.end(times_ns[-1])
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Replay(_events(matches, times_ns), _summary(pipeline, prepared, settings, wall, cpu))


def _frames(camera: HostCamera) -> Iterator[Frame]:
    while isinstance(got := camera.read(), Frame):
        yield got
    done, declared = camera.progress
    if got is not Gap.ENDED:
        of = f" of {declared}" if declared else ""
        raise ReplayError(f"{camera.uri}: cut off or unreadable after {done}{of} frames")


def _depth(camera: HostCamera) -> int:
    width_px, height_px = camera.size_px
    return max(1, min(_DEPTH, _DEPTH_PX // max(1, width_px * height_px)))


def _small(camera: HostCamera, finder: Finder) -> Iterator[tuple[Frame, Pixels]]:
    for frame in _frames(camera):
        yield frame, finder.shrink(frame)


def _detected(camera: HostCamera, finder: Finder) -> Iterator[tuple[Frame, Faces]]:
    for frame, small in ahead(_small(camera, finder), _depth(camera), "decode"):
        yield frame, finder.find(frame, small)


def _events(matches: list[PossibleMatch], times_ns: list[int]) -> list[Event]:
    frame_at = {t_ns: index for index, t_ns in enumerate(times_ns)}
    return [
        Event(
            entry=match.candidate.entry.ref,
            similarity=round(match.candidate.similarity, 4),
            first_frame=frame_at[match.track.first_t_ns],
            last_frame=frame_at[match.track.last_t_ns],
            decided_frame=frame_at[match.t_ns],
        )
        for match in matches
    ]


def _summary(pipeline: Pipeline, prepared: Prepared, settings: PipelineSettings, wall: float, cpu: float) -> Summary:
    counters = pipeline.counters
    return Summary(
        frames=counters.frames,
        wall_s=round(wall, 3),
        cpu_s=round(cpu, 3),
        fps=round(counters.frames / wall, 2),
        peak_rss_mb=round(peak_rss_mb(), 1),
        faces=counters.faces,
        tracks=pipeline.counters.tracks,
        embeddings=counters.embeddings,
        template_life_p99_s=round(pipeline.store.life_p99_s(), 3),
        templates_wiped=pipeline.store.wiped,
        start_s=round(prepared.start_s, 2),
        entries=len(prepared.watchlist),
        refused=len(prepared.refusals),
        threshold=settings.decision.threshold,
        runner=prepared.vision.runner,
    )


def shipped_threshold(prepared: Prepared) -> float:
    """What the shipped calibration asks for, for a list of this length.

    Raises:
        CalibrationError: it is not here, is for other networks, or bears no list as long.
    """
    calibrated = shipped_calibration(PipelineSettings().use(prepared.vision))
    return calibrated.calibration.threshold_for(len(prepared.watchlist))
