"""Find faces with a network that takes one picture size only. Knows how a picture is laid on a canvas; no network.

An engine is built for one size. Pictures in memory are fitted into the detector's canvas here, at the top left on
black, as the graphs of :mod:`models.graphs` do it inside.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.detector import Detector
from models.faces import Faces


class CanvasDetector(Detector):
    """A detector whose runner takes pictures of the canvas's size; takes pictures of any size itself."""

    def detect(self, image: npt.NDArray[np.uint8]) -> Faces:
        """See :meth:`models.detector.Detector.detect`."""
        canvas, scale = on_canvas(image, self.canvas_px)
        try:
            return super().detect(canvas).scaled(1 / scale)
        finally:
            canvas.fill(0)


def on_canvas(image: npt.NDArray[np.uint8], canvas_px: tuple[int, int]) -> tuple[npt.NDArray[np.uint8], float]:
    """The picture (H, W, 3) u8 on a black canvas (width, height), and by which factor it was scaled to fit.

    What is too large is averaged by area, what is too small is scaled up linearly.
    """
    height, width = image.shape[:2]
    scale = min(canvas_px[0] / width, canvas_px[1] / height)
    fit = max(1, int(width * scale + 0.5)), max(1, int(height * scale + 0.5))
    canvas = np.zeros((canvas_px[1], canvas_px[0], 3), np.uint8)
    small = image
    if fit != (width, height):
        method = Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR
        small = np.array(Image.fromarray(image).resize(fit, method))
    canvas[: fit[1], : fit[0]] = small
    if small is not image:
        small.fill(0)
    return canvas, scale
