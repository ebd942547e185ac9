"""Look at each photograph once: template, landmarks, figures of quality. Knows networks and files; no labels, no rates.

A photograph goes the way that a portrait goes when it is enrolled, except that nothing is refused for its quality: what
a gate would keep out is part of what is measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.align import chips
from models.evaluation.cache import Cache, Row, no_cache
from models.evaluation.faults import Fault, Kind
from models.evaluation.photos import Photo
from models.faces import F32
from models.plan import Progress
from models.portrait import UnfitPortraitError, find, read
from models.quality import Light, light, sharp
from models.vision import Vision

STAGES = ("decode", "detect", "close-up", "align", "embed", "mirrored")
"""What a photograph's time is spent on."""
_ROWS_A_CHUNK = 64
"""Photographs that are looked at anew at most after a cut: a second's work."""
_KEPT = (
    ("box", 4),
    ("score", 1),
    ("rival", 1),
    ("landmarks", 10),
    ("sharpness", 1),
    ("light", 4),
    ("length", 1),
    ("ms", len(STAGES)),
)
"""How a row's figures lie behind each other."""
Clock = Callable[[], float]
"""Seconds."""


@dataclass(frozen=True)
class Measured:
    """What was seen in n photographs with a face.

    Attributes:
        photos: n, in the order that they were given.
        vectors: (n, d) f32, templates of both passes.
        single: (n, d) f32, of the first pass alone.
        boxes: (n, 4) px.
        scores: (n) of the detector.
        rivals: (n) the second face's prominence as a share of the first's.
        landmarks: (n, 5, 2) px, refined.
        sharpness: (n), [0, 1], of the aligned faces.
        light: n, of the aligned faces.
        lengths: (n) of the first pass: how much of a face the network saw.
        stage_ms: (n, stages) when each was looked at, which may be long ago.
        faults: photographs without a face, or that could not be read.
    """

    photos: tuple[Photo, ...]
    vectors: F32
    single: F32
    boxes: F32
    scores: F32
    rivals: F32
    landmarks: F32
    sharpness: F32
    light: tuple[Light, ...]
    lengths: F32
    stage_ms: F32
    faults: tuple[Fault, ...]


def measure(
    photos: Iterable[Photo],
    vision: Vision,
    cache: Cache | None = None,
    progress: Progress = lambda what, done, of: None,
    clock: Clock = time.perf_counter,
) -> Measured:
    """Look at all photographs that the cache does not know yet.

    Args:
        photos: in any order.
        vision: the networks.
        cache: of these networks: a cut run goes on where it was cut.
        progress: called with ("photographs", done, all).
        clock: times the stages.

    Raises:
        EvaluationError: the cache cannot be written.
        ModelError: as the networks say.
    """
    every, kept = list(photos), no_cache() if cache is None else cache
    fresh, seen, faults = list[Row](), list[tuple[Photo, Row]](), list[Fault]()
    for done, photo in enumerate(every):
        progress("photographs", done, len(every))
        row = kept.get(photo.sha256)
        if row is None:
            row = _look(photo, vision, clock)
            fresh.append(row)
        if len(fresh) == _ROWS_A_CHUNK:
            kept.keep(fresh)
            fresh = []
        if row.fault:
            faults.append(Fault(Kind[row.kind], photo.name, row.fault))
        else:
            seen.append((photo, row))
    kept.keep(fresh)
    progress("photographs", len(every), len(every))
    return _measured(seen, vision.embedder.dimension, tuple(faults))


def _look(photo: Photo, vision: Vision, clock: Clock) -> Row:
    times = [clock()]
    try:
        image = read(photo.path.read_bytes())
    except (OSError, UnfitPortraitError) as error:
        return Row(photo.sha256, kind=Kind.BROKEN.name, fault=str(error) or type(error).__name__)
    times.append(clock())
    try:
        found = find(image, vision)
    except UnfitPortraitError as error:
        return Row(photo.sha256, kind=Kind.NO_FACE.name, fault=str(error))
    times.append(clock())
    landmarks = vision.closeup.refine(image, found.face.boxes, found.face.landmarks)
    times.append(clock())
    aligned = chips(image, landmarks)
    times.append(clock())
    templates = vision.embedder.embed(aligned)
    single = templates.vectors.copy()
    times.append(clock())
    vision.embedder.add_mirrored(templates, aligned)
    times.append(clock())
    lit = light(aligned[0])
    figures = [
        *found.face.boxes[0],
        found.face.scores[0],
        found.rival,
        *landmarks.ravel(),
        sharp(aligned[0]),
        *(lit.mean, lit.under, lit.over, lit.contrast),
        templates.lengths[0],
        *(np.diff(times) * 1e3),
    ]
    packed = np.array(figures, np.float32).tobytes()
    return Row(photo.sha256, figures=packed, both=templates.vectors.tobytes(), single=single.tobytes())


def _measured(seen: list[tuple[Photo, Row]], dimension: int, faults: tuple[Fault, ...]) -> Measured:
    width = sum(count for _, count in _KEPT)
    figures = _matrix([row.figures for _, row in seen], width)
    ends = np.cumsum([count for _, count in _KEPT])[:-1]
    column = {name: part for (name, _), part in zip(_KEPT, np.split(figures, ends, axis=1), strict=True)}
    return Measured(
        photos=tuple(photo for photo, _ in seen),
        vectors=_matrix([row.both for _, row in seen], dimension),
        single=_matrix([row.single for _, row in seen], dimension),
        boxes=column["box"],
        scores=column["score"][:, 0],
        rivals=column["rival"][:, 0],
        landmarks=column["landmarks"].reshape(-1, 5, 2),
        sharpness=column["sharpness"][:, 0],
        light=tuple(Light(*(float(figure) for figure in row)) for row in column["light"]),
        lengths=column["length"][:, 0],
        stage_ms=column["ms"],
        faults=faults,
    )


def _matrix(rows: list[bytes], width: int) -> npt.NDArray[np.float32]:
    return np.frombuffer(b"".join(rows), np.float32).reshape(-1, width).copy()
