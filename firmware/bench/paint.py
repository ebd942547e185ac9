"""Paint a crowd's frames: a drawn street, drawn bodies, and heads cut from photographs.

Knows pixels; refuses to know who is listed, files of video and what any detector sees.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware.bench.people import Face, Image
from firmware.bench.plan import HEIGHT_PX, WIDTH_PX, Look, Pose, Walker

NOISE_SIGMA = 2.5
NOISE_MARGIN_PX = 64
# Half axes of the cut-out oval and the height of its centre above the face's, in face widths: hair to chin, no collar.
OVAL_X, OVAL_Y, OVAL_RISE = 0.66, 0.92, 0.12
SKIN_BAND = (0.15, 0.35)  # cheeks: this far below the centre of the face, in face heights
_SHIFT = 4  # cv2's fixed-point sub-pixel bits


@dataclass(frozen=True)
class Head:
    """A head cut from a photograph, its face central and ``width`` px wide; ``alpha`` is in [0, 1]."""

    image: Image
    alpha: NDArray[np.float32]
    width: float
    skin: tuple[int, int, int]


class Street:
    """The background and the sensor's noise; the same seed gives the same street."""

    def __init__(self, seed: int) -> None:
        """Draw it once: sky, houses with windows, a pavement, all out of focus."""
        self._rng = np.random.default_rng([seed, 3])
        self._picture = _street(self._rng)
        tile = (HEIGHT_PX + NOISE_MARGIN_PX, WIDTH_PX + NOISE_MARGIN_PX, 3)
        self._noise = np.rint(self._rng.normal(0, NOISE_SIGMA, tile)).astype(np.int16)

    def empty(self) -> Image:
        """A frame without anyone: (720, 1280, 3) uint8, BGR."""
        return np.array(self._picture)

    def exposed(self, frame: Image) -> Image:
        """``frame`` with fresh sensor noise."""
        top, left = (int(v) for v in self._rng.integers(0, NOISE_MARGIN_PX, 2))
        noise = self._noise[top : top + HEIGHT_PX, left : left + WIDTH_PX]
        return np.asarray(cv2.add(frame, noise, dtype=cv2.CV_8U), np.uint8)


def cut_head(photo: Image, face: Face) -> Head:
    """Cut the oval from hair to chin out of ``photo``, feathered so that no edge shows."""
    reach = math.ceil(1.15 * face.width)
    size = 2 * reach + 1
    corner = np.array([[1, 0, reach - face.x], [0, 1, reach - face.y]], np.float32)
    image = cv2.warpAffine(photo, corner, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    oval = np.zeros((size, size), np.uint8)
    centre = (reach, round(reach - OVAL_RISE * face.width))
    cv2.ellipse(oval, centre, (round(OVAL_X * face.width), round(OVAL_Y * face.width)), 0, 0, 360, 255, -1)
    alpha = cv2.GaussianBlur(oval.astype(np.float32) / 255, (0, 0), 0.05 * face.width)
    return Head(np.asarray(image, np.uint8), np.asarray(alpha, np.float32), face.width, _skin(photo, face))


def draw_walker(frame: Image, walker: Walker, head: Head, pose: Pose) -> None:
    """Draw a walker into ``frame``: body first, then the head upon it."""
    patch = frame.copy() if pose.opacity < 1 else frame
    _draw_body(patch, pose, head.skin, walker.look)
    _draw_head(patch, head, pose, walker.look)
    if patch is not frame:
        cv2.addWeighted(patch, pose.opacity, frame, 1 - pose.opacity, 0, dst=frame)


def _skin(photo: Image, face: Face) -> tuple[int, int, int]:
    low, high = (int(face.y + share * face.height) for share in SKIN_BAND)
    left, right = int(face.x - 0.25 * face.width), int(face.x + 0.25 * face.width)
    band = photo[max(low, 0) : max(high, 1), max(left, 0) : max(right, 1)].reshape(-1, 3)
    blue, green, red = (int(v) for v in np.median(band, axis=0)) if len(band) else (120, 140, 170)
    return blue, green, red


def _lit(colour: tuple[int, int, int], pose: Pose, shade: float = 1.0) -> tuple[float, ...]:
    return tuple(float(np.clip(c * pose.gain * shade, 0, 255)) for c in colour)


def _draw_body(frame: Image, pose: Pose, skin: tuple[int, int, int], look: Look) -> None:
    def shape(points: list[tuple[float, float]], colour: tuple[float, ...]) -> None:
        lean = 0.15 * math.radians(pose.lean_deg)
        at = [(pose.x + (x + y * lean) * pose.width, pose.y + y * pose.width) for x, y in points]
        fixed = np.rint(np.array(at) * (1 << _SHIFT)).astype(np.int32)
        cv2.fillPoly(frame, [fixed], colour, cv2.LINE_AA, _SHIFT)

    stride = 0.35 * math.sin(math.radians(pose.lean_deg) * 12)
    for foot, shade in ((stride, 0.8), (-stride, 1.0)):
        shape([(-0.45, 4.4), (0.45, 4.4), (0.35 + foot, 8.2), (-0.35 + foot, 8.2)], _lit(look.legs, pose, shade))
    shape([(-0.36, 0.2), (0.36, 0.2), (0.42, 1.1), (-0.42, 1.1)], _lit(skin, pose, 0.85))
    shape([(-0.45, 0.88), (0.45, 0.88), (1.15, 1.2), (1.3, 2.0), (1.25, 4.2), (0.95, 4.3), (0.9, 4.8),
           (-0.9, 4.8), (-0.95, 4.3), (-1.25, 4.2), (-1.3, 2.0), (-1.15, 1.2)], _lit(look.coat, pose))  # fmt: skip
    for side in (-1, 1):
        shape(
            [(0.86 * side, 1.7), (0.9 * side, 1.7), (0.88 * side, 4.5), (0.84 * side, 4.5)], _lit(look.coat, pose, 0.6)
        )
    shape([(-0.4, 0.9), (0, 1.5), (0.4, 0.9), (0.46, 0.95), (0, 1.75), (-0.46, 0.95)], _lit(look.coat, pose, 0.7))


def _draw_head(frame: Image, head: Head, pose: Pose, look: Look) -> None:
    scale = pose.width / head.width
    image, alpha, pre = head.image, head.alpha, 1.0
    if scale < 0.6:  # halve by area first, so that the final step does not alias
        image = np.asarray(cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
        alpha = np.asarray(cv2.resize(alpha, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.float32)
        pre = 2.0
    reach = math.ceil(0.6 * head.image.shape[0] * scale)
    left, top = math.floor(pose.x) - reach, math.floor(pose.y) - reach
    size = (2 * reach + 1, 2 * reach + 1)
    middle = (image.shape[1] / 2, image.shape[0] / 2)
    move = cv2.getRotationMatrix2D(middle, pose.lean_deg, scale * pre)
    move[:, 2] += pose.x - left - middle[0], pose.y - top - middle[1]
    warped = cv2.warpAffine(image, move, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    warped = cv2.GaussianBlur(warped, (0, 0), look.blur_px)
    warped = cv2.convertScaleAbs(np.maximum(warped.astype(np.float32) * pose.gain + look.bias, 0))
    mask = cv2.warpAffine(alpha, move, size, flags=cv2.INTER_LINEAR)
    _blend(frame, np.asarray(warped, np.uint8), np.asarray(mask, np.float32), (left, top))


def _blend(frame: Image, patch: Image, mask: NDArray[np.float32], corner: tuple[int, int]) -> None:
    """Lay ``patch`` over ``frame`` at ``corner`` (x, y), cut off where the frame ends."""
    left, top = corner
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + patch.shape[1], frame.shape[1]), min(top + patch.shape[0], frame.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    below = frame[y0:y1, x0:x1]
    inside = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
    weight = mask[inside][..., None]
    below[:] = np.rint(below + (patch[inside].astype(np.float32) - below) * weight).astype(np.uint8)


def _street(rng: np.random.Generator) -> Image:
    rows = np.linspace(0, 1, HEIGHT_PX, dtype=np.float32)[:, None, None]
    sky, ground = np.array([215, 200, 185], np.float32), np.array([95, 100, 105], np.float32)
    picture = np.repeat(sky * (1 - rows) + ground * rows, WIDTH_PX, axis=1)
    picture = np.ascontiguousarray(picture).astype(np.uint8)
    x = -40
    while x < WIDTH_PX:
        width, top = int(rng.integers(140, 280)), int(rng.integers(-60, 90))
        wall = tuple(float(v) for v in rng.uniform(80, 170, 3) * 0.5 + rng.uniform(40, 75))
        cv2.rectangle(picture, (x, top), (x + width, 400), wall, -1)
        _windows(picture, rng, (x, top, width))
        x += width
    coarse = rng.normal(0, 1, (HEIGHT_PX // 8, WIDTH_PX // 8)).astype(np.float32)
    texture = cv2.resize(coarse, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_CUBIC)[..., None]
    soft = cv2.GaussianBlur(picture, (0, 0), 3.0).astype(np.float32)
    pavement = np.clip((rows - 0.5) * 8, 0, 1)
    return np.asarray(np.clip(soft + texture * (2 + 5 * pavement), 0, 255), np.uint8)


def _windows(picture: Image, rng: np.random.Generator, house: tuple[int, int, int]) -> None:
    left, top, width = house
    for y in range(top + 25, 330, 75):
        for x in range(left + 18, left + width - 40, 55):
            glass = tuple(float(v) for v in rng.uniform(35, 95) + rng.uniform(0, 25, 3))
            cv2.rectangle(picture, (x, y), (x + 30, y + 45), glass, -1)
            cv2.line(picture, (x + 15, y), (x + 15, y + 45), (150, 150, 150), 2)
