"""Make a photograph worse in one way by a stated amount. Knows pixels; refuses to know what a face is worth then.

Real pictures are worse in several ways at once, and darkening here adds no noise as a sensor does: what is measured on
degraded photographs is a bound from the friendly side.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from models.align import TEMPLATE
from models.evaluation.frame import Shown, scaled
from models.portrait import Pixels
from models.quality import eye_distance_px

CHIP_EYES_PX = float(np.hypot(*(TEMPLATE[1] - TEMPLATE[0])))
"""Between the eyes of an aligned face: 35 px."""
_GREYS = np.arange(256)


@dataclass(frozen=True)
class Kind:
    """One way of making a picture worse.

    Attributes:
        name: of the way.
        unit: of its amount, in words.
        amounts: that are measured, mild first.
        apply: makes a photograph so; none where it would have to be better than it is.
    """

    name: str
    unit: str
    amounts: tuple[float, ...]
    apply: Callable[[Shown, float], Shown | None]


@dataclass(frozen=True)
class Degradation:
    """A way and its amount."""

    kind: Kind
    amount: float

    def __call__(self, photo: Shown) -> Shown | None:
        """The worse photograph; none where it would have to be better than it is."""
        return self.kind.apply(photo, self.amount)


def degradations() -> Iterator[Degradation]:
    """All that are measured."""
    return (Degradation(kind, amount) for kind in KINDS for amount in kind.amounts)


def shrunk(photo: Shown, eyes_px: float) -> Shown | None:
    """With so many pixels between the eyes; a photograph with fewer is never enlarged."""
    own_px = eye_distance_px(photo.face.landmarks[0])
    return scaled(photo, eyes_px / own_px) if own_px >= eyes_px else None


def blurred(photo: Shown, sigma_px: float) -> Shown:
    """Gaussian, with so many pixels of an *aligned* face, so that large photographs are blurred as much as small."""
    sigma = sigma_px * eye_distance_px(photo.face.landmarks[0]) / CHIP_EYES_PX
    return _as(photo, Image.fromarray(photo.image).filter(ImageFilter.GaussianBlur(sigma)))


def compressed(photo: Shown, quality: float) -> Shown:
    """Written as JPEG with this quality, colours halved, and read again."""
    file = io.BytesIO()
    Image.fromarray(photo.image).save(file, "JPEG", quality=int(quality), subsampling="4:2:0")
    with Image.open(file) as picture:
        return _as(photo, picture.convert("RGB"))


def gained(photo: Shown, gain: float) -> Shown:
    """Every value times ``gain``; what is too bright clips."""
    return _mapped(photo, _GREYS * gain)


def bent(photo: Shown, gamma: float) -> Shown:
    """Every value, in [0, 1], to the power of ``gamma``: above 1 is darker."""
    return _mapped(photo, 255 * (_GREYS / 255) ** gamma)


def flattened(photo: Shown, contrast: float) -> Shown:
    """Every value's distance from the photograph's mean times ``contrast``."""
    mean = float(photo.image.mean())
    return _mapped(photo, mean + (_GREYS - mean) * contrast)


KINDS = (
    Kind("eye distance", "px between the eyes", (60, 40, 30, 24, 18, 14, 10), shrunk),
    Kind("blur", "px sigma on the aligned face", (1, 2, 3, 4), blurred),
    Kind("JPEG", "quality", (50, 20, 10, 5), compressed),
    Kind("gain", "times as bright", (0.25, 0.5, 1.5, 2), gained),
    Kind("gamma", "exponent", (0.4, 2.5), bent),
    Kind("contrast", "of its contrast", (0.5, 0.25, 0.12), flattened),
)
"""All ways."""


def _mapped(photo: Shown, table: npt.NDArray[np.floating[Any]]) -> Shown:
    return Shown(np.clip(np.rint(table), 0, 255).astype(np.uint8)[photo.image], photo.face)


def _as(photo: Shown, picture: Image.Image) -> Shown:
    image: Pixels = np.array(picture)
    return Shown(image, photo.face)
