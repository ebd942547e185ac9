"""Pixels, and the two ways the pipeline asks for them: whole, or fitted into a smaller box.

Knows sizes and layouts; refuses to know faces. A picture is lazy on purpose: most frames are looked at small by the
detector and never again, so the whole colour image is made only where a face is worth embedding.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]


class DevicePixels(Protocol):
    """Pixels where a GPU reads them, (height, width, 3) u8 RGB, dense."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(height, width, 3)."""

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """Where they lie: CUDA array interface, version 3 (Numba documentation)."""


class Picture(Protocol):
    """One picture, RGB, 8 bits a channel."""

    @property
    def width_px(self) -> int:
        """Width of the whole picture."""

    @property
    def height_px(self) -> int:
        """Height of the whole picture."""

    def rgb(self) -> Pixels:
        """The whole picture, shape (height_px, width_px, 3), u8, RGB. Treat it as read-only."""

    def fitted(self, width_px: int, height_px: int) -> Pixels:
        """The picture scaled down to fit into the box, shape (h, w, 3), u8, RGB; never scaled up."""

    def on_device(self) -> AbstractContextManager[DevicePixels | None]:
        """The whole picture for a network that reads it where it lies; None where it lies in the processor's memory.

        The camera does not write there before the context is left, so nothing may read it afterwards.
        """


def fitted_size(picture: tuple[int, int], box: tuple[int, int]) -> tuple[int, int]:
    """Largest (width, height) with the picture's aspect ratio inside ``box``, at most the picture's own size."""
    (width, height), (box_width, box_height) = picture, box
    scale = min(1.0, box_width / width, box_height / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


class ArrayPicture:
    """A picture that is in memory already.

    Args:
        rgb: shape (H, W, 3), u8, RGB.

    Raises:
        ValueError: another shape or type.
    """

    def __init__(self, rgb: Pixels) -> None:
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or 0 in rgb.shape:
            raise ValueError(f"rgb: expected (H, W, 3) uint8, got {rgb.shape} {rgb.dtype}")
        self._rgb = rgb

    @property
    def width_px(self) -> int:
        """Width of the whole picture."""
        return int(self._rgb.shape[1])

    @property
    def height_px(self) -> int:
        """Height of the whole picture."""
        return int(self._rgb.shape[0])

    def rgb(self) -> Pixels:
        """The array itself."""
        return self._rgb

    def on_device(self) -> AbstractContextManager[None]:
        """It is in the processor's memory."""
        return nullcontext()

    def fitted(self, width_px: int, height_px: int) -> Pixels:
        """Area-averaged down to the box."""
        size = fitted_size((self.width_px, self.height_px), (width_px, height_px))
        if size == (self.width_px, self.height_px):
            return self._rgb
        return np.asarray(Image.fromarray(self._rgb).resize(size, Image.Resampling.BOX))
