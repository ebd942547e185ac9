"""The stage of the match stories: a street of coloured faces, and a network that knows a face by its colour.

Everything but the network is the real thing: the pictures are sampled, aligned, judged and weighed by the pipeline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from board.camera import Frame
from board.picture import ArrayPicture, Pixels
from board.power_mode import PowerMode
from firmware.match.decision import PossibleMatch
from firmware.match.pipeline import Pipeline, PipelineSettings
from firmware.match.throttle import Machine, Throttle
from firmware.match.watchlist import Entry, Watchlist
from models.align import CHIP_PX, TEMPLATE
from models.closeup import Closeup
from models.decode import STRIDES
from models.detector import Detector
from models.embedder import Embedder
from models.faces import F32, Embeddings, Faces
from models.vision import Vision

DIMENSION = 16
CANVAS_PX = 128
SPACE = "colours"
WIDTH_PX, HEIGHT_PX = 640, 360
FRAME_NS = 40_000_000
AT = PipelineSettings().at(0.46)
"""The shipped rule at a threshold that tells these colours apart."""
COLOURS = {"red": (200, 60, 60), "green": (60, 200, 60), "blue": (60, 60, 200), "pink": (210, 140, 190)}


def template(axis: int, red: float = 0.0) -> F32:
    """A unit template along an axis of its own, but for its share of red's."""
    vector = np.zeros(DIMENSION, np.float32)
    vector[axis] = np.sqrt(1 - red**2)
    vector[0] += np.float32(red)
    return vector


LOOKS = {"red": template(0), "green": template(1), "blue": template(2), "pink": template(3, red=0.42)}
"""Red and green are listed, blue resembles nobody, and pink resembles red, but not enough."""


class ColourNetwork:
    """A runner whose template of a face is that of the nearest colour."""

    name = "colours"

    def run(self, images: npt.NDArray[np.uint8]) -> Sequence[F32]:
        means = images[:, 30:82, 30:82].mean(axis=(1, 2))
        distances = np.linalg.norm(means[:, None] - np.array(list(COLOURS.values())), axis=2)
        looks = np.stack([LOOKS[colour] for colour in COLOURS])
        return [looks[distances.argmin(axis=1)]]


class BlindNetwork:
    """A runner of a detector that finds nothing."""

    name = "blind"

    def run(self, images: npt.NDArray[np.uint8]) -> Sequence[F32]:
        anchors = sum((CANVAS_PX // stride) ** 2 for stride in STRIDES)
        return [np.zeros((1, anchors, *tail), np.float32) for tail in ((), (4,), (10,))]


def colour_vision(space: str = SPACE, full_length: float = 0.0) -> Vision:
    """Faces come with their landmarks; a second look finds no others. Templates are 1 long."""
    blind = Detector(BlindNetwork(), (CANVAS_PX, CANVAS_PX))
    embedder = Embedder(ColourNetwork(), space, DIMENSION, full_length)
    return Vision(
        detector=blind,
        closeup=Closeup(blind),
        embedder=embedder,
        runner="colours",
        digest="digest",
        detector_for=lambda height_px, width_px, canvas: blind,
        canvases_px={"full": (CANVAS_PX, CANVAS_PX), "small": (CANVAS_PX, CANVAS_PX)},
        self_test=lambda: None,
    )


def calm_throttle() -> Throttle:
    """A machine that bears everything, and frames that are never old."""
    return Throttle(Machine(lambda: None, lambda: PowerMode("none"), fallback=False), clock=lambda: 0)


def watchlist() -> Watchlist:
    return Watchlist(
        (Entry("entry-red", "test"), Entry("entry-green", "test")),
        Embeddings(np.stack([LOOKS["red"], LOOKS["green"]]), SPACE),
    )


def pipeline(settings: PipelineSettings | None = None) -> Pipeline:
    return Pipeline(colour_vision(), watchlist(), settings or AT)


@dataclass(frozen=True)
class Passer:
    """Somebody who walks ``step_px`` (x, y) a frame from ``start_px``; ``grain`` 0 is a face without any detail."""

    colour: str
    start_px: tuple[float, float] = (60, 100)
    step_px: tuple[float, float] = (3, 0)
    size_px: float = 120
    grain: int = 60
    score: float = 0.9

    def corner_px(self, number: int) -> tuple[float, float]:
        return self.start_px[0] + number * self.step_px[0], self.start_px[1] + number * self.step_px[1]

    def paint(self, picture: Pixels, number: int) -> None:
        x, y = (round(value) for value in self.corner_px(number))
        size = round(self.size_px)
        noise = np.random.default_rng(7).integers(-self.grain, self.grain + 1, (size, size, 1))
        face = np.clip(np.array(COLOURS[self.colour]) + noise, 0, 255).astype(np.uint8)
        left, top = max(0, -x), max(0, -y)
        seen = picture[max(0, y) : max(0, y + size), max(0, x) : max(0, x + size)]
        seen[:] = face[top : top + seen.shape[0], left : left + seen.shape[1]]

    def landmarks(self, number: int) -> F32:
        points = TEMPLATE * (self.size_px / CHIP_PX) + np.array(self.corner_px(number), np.float32)
        return points.astype(np.float32)

    def box(self, number: int) -> F32:
        x, y = self.corner_px(number)
        side = self.size_px
        return np.array([x + 0.15 * side, y + 0.05 * side, x + 0.85 * side, y + 0.95 * side], np.float32)


def seen(passers: Sequence[Passer], number: int, camera: str = "front") -> tuple[Frame, Faces]:
    """Frame ``number`` and its faces; a later passer stands before an earlier one."""
    picture = np.full((HEIGHT_PX, WIDTH_PX, 3), 90, np.uint8)
    for passer in passers:
        passer.paint(picture, number)
    frame = Frame(camera, number, number * FRAME_NS, ArrayPicture(picture))
    if not passers:
        return frame, Faces.none()
    return frame, Faces(
        np.stack([passer.box(number) for passer in passers]),
        np.stack([passer.landmarks(number) for passer in passers]),
        np.array([passer.score for passer in passers], np.float32),
    )


def watch(pipeline: Pipeline, passers: Sequence[Passer], numbers: range, camera: str = "front") -> list[PossibleMatch]:
    """What the pipeline makes of these frames."""
    return [match for number in numbers for match in pipeline.step(*seen(passers, number, camera))]


def entries(matches: Sequence[PossibleMatch]) -> list[str]:
    return [match.candidate.entry.ref for match in matches]


def nothing_is_left(pipeline: Pipeline) -> bool:
    """Not one template in memory, nor what is left of one."""
    return pipeline.store.held == 0 and not pipeline.store._block.any()
