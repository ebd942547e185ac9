"""What a published network says of the drawn picture: the judge of what the built graphs say. Runs on hosts only.

The only file that imports ONNX Runtime. Letterbox, normalisation, decoding and suppression are written here once more,
plainly and on purpose: it shares none with :mod:`models.graphs`, :mod:`models.rebuild`, :mod:`models.decode` and the
runners that it judges. It takes the manifest's word for channels, mean and std, and cannot know whether it is right.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import onnxruntime

from models.align import chips
from models.built import FILES
from models.decode import FAMILIES
from models.durable import replace_durably
from models.faces import F32
from models.golden import (
    Answers,
    DetectorFigures,
    EmbedderFigures,
    brought_file,
    drawn_faces,
    golden_picture,
)
from models.manifest import ModelError, Net, sha256_of

MOST_ANSWERS = 16
"""Strongest answers that are stored."""
MAX_OVERLAP = 0.3
_ERRORS_ONLY = 3
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class _Answer:
    """Box x1 y1 x2 y2 and landmarks x1 y1 ... x5 y5, in pixels of the canvas."""

    score: float
    box: list[float]
    landmarks: list[float]


def write_figures(net: Net, data: bytes, files: Path = FILES) -> Path:
    """Write the figures of a network that was brought to ``files``; the file's path.

    Args:
        net: of the manifest.
        data: its file as it was published.
        files: where to write; not under version control.

    Raises:
        ModelError: as :func:`figures_of`.
        OSError: it cannot be written; an old one stays.
    """
    landmarks = np.array(drawn_faces().landmarks, np.float32)
    figures = figures_of(net, data, golden_picture(), landmarks)
    path = brought_file(net, files)
    replace_durably(path, msgspec.json.encode(figures) + b"\n")
    return path


def figures_of(net: Net, data: bytes, image: Pixels, landmarks: F32) -> DetectorFigures | EmbedderFigures:
    """A network's golden figures.

    Args:
        net: of the manifest.
        data: its file as it was published.
        image: (H, W, 3) u8 RGB.
        landmarks: (n, 5, 2) px, where an embedder's faces are.

    Raises:
        ModelError: ONNX Runtime does not take the file.
    """
    if net.role == "detector":
        return _detector_figures(net, data, image)
    aligned = chips(image, landmarks)
    plain = _embedded(net, data, aligned)
    both = plain + _embedded(net, data, aligned[:, :, ::-1])
    return EmbedderFigures(
        landmarks.round(3).tolist(),
        _unit(plain).round(5).tolist(),
        _unit(both).round(5).tolist(),
        made_from=sha256_of(data),
    )


def _detector_figures(net: Net, data: bytes, image: Pixels) -> DetectorFigures:
    canvas, scale = _letterboxed(image, net.canvas_px)
    outputs = _run(net, data, canvas[None])
    every = sorted(_decoded(net, outputs), key=lambda answer: -answer.score)
    faces: list[_Answer] = []
    for answer in every:
        good = answer.score >= FAMILIES[net.family].min_score
        if good and all(_overlap(answer.box, face.box) <= MAX_OVERLAP for face in faces):
            faces.append(answer)
    found, strongest = _listed(faces, scale), _listed(every[:MOST_ANSWERS], scale)
    return DetectorFigures(found.boxes, found.landmarks, strongest, made_from=sha256_of(data))


def _embedded(net: Net, data: bytes, aligned: Pixels) -> F32:
    return _unit(np.concatenate([_run(net, data, aligned[i : i + 1])[0] for i in range(len(aligned))]))


def _unit(vectors: F32) -> F32:
    unit: F32 = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _run(net: Net, data: bytes, images: Pixels | F32) -> list[F32]:
    """The published graph on (n, H, W, 3) RGB, 0 to 255, fed as it was trained."""
    channels = images[..., ::-1] if net.native_channels == "BGR" else images
    planes = np.stack([channels[..., index] for index in range(3)], axis=1)
    values = (planes.astype(np.float64) - net.mean) / net.std
    quiet = onnxruntime.SessionOptions()
    quiet.log_severity_level = _ERRORS_ONLY
    try:
        session = onnxruntime.InferenceSession(data, quiet, providers=["CPUExecutionProvider"])
        outputs = session.run(list(net.outputs), {net.input: values.astype(np.float32)})
    except Exception as error:  # ONNX Runtime's exceptions have no public base class
        raise ModelError(f"{net.name}: ONNX Runtime does not take it: {error}") from error
    return [np.asarray(output, np.float32) for output in outputs]


def _letterboxed(image: Pixels, canvas_px: tuple[int, int]) -> tuple[F32, float]:
    """The picture at the top left of a black canvas, scaled linearly; and what brings the canvas's pixels back."""
    height, width = image.shape[:2]
    scale = min(canvas_px[0] / width, canvas_px[1] / height)
    down, across = _weights(height, scale), _weights(width, scale)
    small = np.einsum("ih,hwc,jw->ijc", down, image.astype(np.float64), across, optimize=True)
    canvas = np.zeros((canvas_px[1], canvas_px[0], 3), np.float32)
    canvas[: small.shape[0], : small.shape[1]] = small
    return canvas, 1 / scale


def _weights(length: int, scale: float) -> npt.NDArray[np.float64]:
    """Linear interpolation of ``length`` pixels, seen from the middle of each new one: (new, length)."""
    new = math.floor(length * scale + 0.5)
    weights = np.zeros((new, length))
    for index in range(new):
        place = min(max((index + 0.5) * length / new - 0.5, 0), length - 1)
        before = int(place)
        after = min(before + 1, length - 1)
        weights[index, before] += 1 - (place - before)
        weights[index, after] += place - before
    return weights


def _decoded(net: Net, outputs: list[F32]) -> Iterator[_Answer]:
    """Every answer of every grid, cell by cell."""
    for index, stride in enumerate((8, 16, 32)):
        kinds = [output.reshape(-1, output.shape[-1]).astype(float).tolist() for output in outputs[index::3]]
        columns, rows = net.canvas_px[0] // stride, net.canvas_px[1] // stride
        each = len(kinds[0]) // (columns * rows)
        for number, answer in enumerate(zip(*kinds, strict=True)):
            row, column = divmod(number // each, columns)
            yield _READERS[net.family](column, row, stride, answer)


def _read_yunet(column: int, row: int, stride: int, answer: tuple[list[float], ...]) -> _Answer:
    (sort,), (thing,), (dx, dy, width, height), points = answer
    x, y = (column + dx) * stride, (row + dy) * stride
    half_width, half_height = math.exp(width) * stride / 2, math.exp(height) * stride / 2
    box = [x - half_width, y - half_height, x + half_width, y + half_height]
    return _Answer(math.sqrt(sort * thing), box, _read_points(column, row, stride, points))


def _read_scrfd(column: int, row: int, stride: int, answer: tuple[list[float], ...]) -> _Answer:
    (score,), (left, top, right, bottom), points = answer
    x, y = column * stride, row * stride
    box = [x - left * stride, y - top * stride, x + right * stride, y + bottom * stride]
    return _Answer(score, box, _read_points(column, row, stride, points))


def _read_points(column: int, row: int, stride: int, points: list[float]) -> list[float]:
    return [((row if index % 2 else column) + value) * stride for index, value in enumerate(points)]


_READERS = {"yunet": _read_yunet, "scrfd": _read_scrfd}


def _overlap(one: list[float], other: list[float]) -> float:
    """Intersection over union."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(width, 0) * max(height, 0)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return shared / max(areas - shared, 1e-9)


def _listed(answers: list[_Answer], scale: float) -> Answers:
    """In pixels of the picture."""
    boxes = [[round(value * scale, 3) for value in answer.box] for answer in answers]
    points = [[round(value * scale, 3) for value in answer.landmarks] for answer in answers]
    pairs = [[list(pair) for pair in zip(values[::2], values[1::2], strict=True)] for values in points]
    return Answers(boxes, pairs, [round(answer.score, 5) for answer in answers])
