"""Look at portraits: figures, template and small picture of each, on all cores. Knows pictures; no entries, no papers.

What was looked at is kept in a cache, so that a build that was cut short goes on where it stopped. A portrait's look
depends on its bytes and the networks alone, never on what lies beside it: any order and any number of workers makes
the same list.
"""

from __future__ import annotations

import hashlib
import io
import queue
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from PIL import Image

from firmware.fleet.lists.cache import Cache
from firmware.fleet.lists.checks import Figures, Finding
from models.align import CHIP_PX, sample, to_picture
from models.faces import F32
from models.portrait import Found, Pixels, UnfitPortraitError, find, read
from models.quality import eye_distance_px, light, pose, sharp, unified
from models.vision import Vision

MAX_FILE_BYTES = 32 * 2**20
PORTRAIT_PX = 128
PORTRAIT_BYTES = 4_000
_QUALITIES = (85, 75, 65, 55, 45, 35, 25)
_SHOWN_CHIPS = 1.35
"""The officer's picture shows this many times an aligned face's side: the whole head."""
_SHIFT_CHIP_PX = 2.0
_GREY = 128


@dataclass(frozen=True)
class Eyes:
    """One worker's networks, and the template (d) f32 that they make of a plain grey picture."""

    vision: Vision
    nothing: F32

    @staticmethod
    def of(vision: Vision) -> Eyes:
        """Ask the network what it makes of nothing."""
        grey = np.full((1, CHIP_PX, CHIP_PX, 3), _GREY, np.uint8)
        return Eyes(vision, vision.embedder.embed(grey).vectors[0])


class Look(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a portrait shows.

    Attributes:
        sha256: of the file.
        figures: of the checks that need this portrait only.
        template: f32 values as bytes, unit length; empty where there is no face.
        portrait: a small JPEG of the face without metadata; empty where there is no face.
        unfit: why there is no face.
    """

    sha256: str
    figures: Figures = {}
    template: bytes = b""
    portrait: bytes = b""
    unfit: Finding | None = None

    @property
    def vector(self) -> F32:
        """The template, (d) f32."""
        return np.frombuffer(self.template, "<f4").astype(np.float32)


def look_at_all(
    paths: Sequence[Path], visions: Sequence[Vision], cache: Cache, progress: Callable[[int, int], None]
) -> list[Look]:
    """The looks of all files, in order.

    Args:
        paths: the portraits.
        visions: the networks, once for each core: an open network is one thread's.
        cache: what was looked at already, for the same networks.
        progress: called with (portraits done, portraits in all).

    Raises:
        ModelError: as the networks say.
    """
    spare: queue.SimpleQueue[Eyes] = queue.SimpleQueue()
    for vision in visions:
        spare.put(Eyes.of(vision))
    pool = ThreadPoolExecutor(len(visions), "portraits")
    looks: list[Look] = []
    try:
        for look in pool.map(lambda path: _cached(path, spare, cache), paths):
            looks.append(look)
            progress(len(looks), len(paths))
    finally:
        pool.shutdown(cancel_futures=True)
        cache.keep()
    return looks


def _cached(path: Path, spare: queue.SimpleQueue[Eyes], cache: Cache) -> Look:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        return Look("", unfit=Finding("readable", f"cannot be read: {error.strerror}"))
    digest = hashlib.sha256(content).hexdigest()
    if (kept := cache.get(digest, Look)) is not None:
        return kept
    eyes = spare.get()
    try:
        look = look_at(content, digest, eyes)
    finally:
        spare.put(eyes)
    cache.put(digest, look)
    return look


def look_at(content: bytes, digest: str, eyes: Eyes) -> Look:
    """One file's look."""
    if len(content) > MAX_FILE_BYTES:
        return Look(digest, unfit=Finding("readable", f"large: at most {MAX_FILE_BYTES} bytes are read"))
    try:
        image = read(content)
    except UnfitPortraitError as error:
        return Look(digest, unfit=Finding("readable", str(error)))
    try:
        return _look(find(image, eyes.vision), digest, eyes)
    except UnfitPortraitError as error:
        return Look(digest, unfit=Finding("face-found", str(error)))


def _look(found: Found, digest: str, eyes: Eyes) -> Look:
    image, face = found.image, found.face
    landmarks = eyes.vision.closeup.refine(image, face.boxes, face.landmarks)[0]
    place = to_picture(landmarks)
    chip = sample(image, place, CHIP_PX)
    lit, turned, distance_px = light(chip), pose(landmarks), eye_distance_px(landmarks)
    template, stable = _template(image, chip, place, eyes)
    figures: Figures = {
        "single-face-present": found.rival,
        "inter-eye-distance": distance_px,
        "sharpness": sharp(chip),
        "luminance-low": lit.mean,
        "luminance-high": lit.mean,
        "under-exposure": lit.under,
        "over-exposure": lit.over,
        "dynamic-range": lit.contrast,
        "head-pose-yaw": abs(turned.yaw_deg),
        "head-pose-pitch": abs(turned.pitch_deg),
        "head-pose-roll": abs(turned.roll_deg),
        "landmark-plausibility": turned.misfit,
        "unified-quality": unified(landmarks, float(face.scores[0])),
        **stable,
    }
    return Look(digest, figures, template.astype("<f4").tobytes(), small_portrait(image, place))


def _template(image: Pixels, chip: Pixels, place: F32, eyes: Eyes) -> tuple[F32, Figures]:
    """The best template, and how much it depends on chance."""
    moved = np.stack([sample(image, _moved(place, *by), CHIP_PX) for by in ((_SHIFT_CHIP_PX, 0), (0, _SHIFT_CHIP_PX))])
    templates = eyes.vision.embedder.embed(np.concatenate([chip[None], chip[None, :, ::-1], moved]))
    views = templates.vectors
    both = views[0] + views[1]
    both /= max(float(np.linalg.norm(both)), 1e-9)
    return both, {
        "face-fullness": float(eyes.vision.embedder.fullness(templates.lengths)[0]),
        "blank-similarity": float(both @ eyes.nothing),
        "mirror-stability": float(views[0] @ views[1]),
        "shift-stability": float((views[2:] @ views[0]).min()),
    }


def _moved(place: F32, x_px: float, y_px: float) -> F32:
    """The same transform for a chip that lies a little beside."""
    moved = place.copy()
    moved[:, 2] += place[:, :2] @ np.array([x_px, y_px], np.float32)
    return moved


def small_portrait(image: Pixels, place: F32) -> bytes:
    """A JPEG of the head for an officer's comparison, at most about 4 kB, with nothing in it but pixels.

    Args:
        image: (H, W, 3) u8 RGB.
        place: (2, 3) from an aligned face's pixels to the image's.
    """
    wider = place[:, :2] * np.float32(_SHOWN_CHIPS * CHIP_PX / PORTRAIT_PX)
    corner = np.float32((1 - _SHOWN_CHIPS) / 2 * CHIP_PX)
    shift = place[:, 2] + place[:, :2] @ np.array([corner, corner], np.float32)
    picture = Image.fromarray(sample(image, np.column_stack([wider, shift]).astype(np.float32), PORTRAIT_PX))
    for quality in _QUALITIES:
        output = io.BytesIO()
        picture.save(output, "JPEG", quality=quality, optimize=True)
        if output.tell() <= PORTRAIT_BYTES:
            break
    return output.getvalue()
