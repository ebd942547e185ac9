"""How long each stage takes from a file to an answer. Knows clocks; refuses to know what was found.

One picture at a time, each stage by itself, so that their sum is a face's way with nothing done beside it; a van does
several at once. :mod:`models.speed` compares backends; this tells where one run's time goes.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence

import msgspec
import numpy as np

from models.align import chips
from models.evaluation.frame import FramePath, Shown, fitting, laid
from models.faces import F32
from models.portrait import read
from models.vision import Vision

WARM_RUNS = 3
"""Not counted."""
Clock = Callable[[], int]
"""Nanoseconds."""


class StageSpeed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Milliseconds of one stage: the median and the 95th percentile of ``runs``."""

    stage: str
    runs: int
    median_ms: float
    p95_ms: float


class SpeedReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All stages in their order, on the runner that the evaluation names; the search is of ``entries`` entries."""

    entries: int
    stages: tuple[StageSpeed, ...]


def measure(files: Sequence[tuple[bytes, Shown]], vision: Vision, entries: F32, clock: Clock) -> SpeedReport:
    """Time the way of each file.

    Args:
        files: contents, and the photograph with its face.
        vision: the networks.
        entries: (n, d) templates that are searched.
        clock: nanoseconds.

    Raises:
        ModelError: as the networks say.
    """
    path = FramePath(vision)
    times: dict[str, list[float]] = {}
    for number, (content, photo) in enumerate(files):
        for stage, spent_ns in _stages(content, photo, path, vision, entries, clock):
            if number >= WARM_RUNS:
                times.setdefault(stage, []).append(spent_ns / 1e6)
    return SpeedReport(len(entries), tuple(_speed(stage, spent_ms) for stage, spent_ms in times.items()))


def _stages(
    content: bytes, photo: Shown, path: FramePath, vision: Vision, entries: F32, clock: Clock
) -> Iterator[tuple[str, int]]:
    """Each stage, and how long it took."""
    frame = laid(fitting(photo))
    image, landmarks = frame.image, frame.face.landmarks
    aligned = chips(image, landmarks)
    template = vision.embedder.embed(aligned)
    stages: dict[str, Callable[[], object]] = {
        "decode a file": lambda: read(content),
        "detect on a frame of 1280 x 720": lambda: path.faces(image),
        "landmarks close up": lambda: path.refine(frame),
        "align": lambda: chips(image, landmarks),
        "embed": lambda: vision.embedder.embed(aligned),
        "embed mirrored": lambda: vision.embedder.add_mirrored(template, aligned),
        f"search {len(entries):,} entries": lambda: (template.vectors @ entries.T).argmax(1),
    }
    for stage, work in stages.items():
        started = clock()
        work()
        yield stage, clock() - started


def _speed(stage: str, spent_ms: list[float]) -> StageSpeed:
    median, p95 = statistics.median(spent_ms), float(np.percentile(spent_ms, 95))
    return StageSpeed(stage, len(spent_ms), round(median, 3), round(p95, 3))
