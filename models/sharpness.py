"""How sharp an aligned face is. Knows pixels of a chip; refuses to know whose face it is.

The measure is Tenengrad-like: mean absolute Laplacian of the luma, over the luma's own contrast, so that light does not
count. It is 1 for the sharp half of LFW's photographs and falls with blur and with enlargement from few pixels alike.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.faces import F32

_INNER = slice(24, 104)
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
SHARP = 0.19
"""The ratio that counts as fully sharp: the median of LFW's photographs, aligned."""


def sharpness(chips: npt.NDArray[np.uint8]) -> F32:
    """(n,) f32 in [0, 1] for (n, 112, 112, 3) u8 aligned faces."""
    luma = chips[:, _INNER, _INNER] @ _LUMA
    centre = luma[:, 1:-1, 1:-1]
    laplacian = luma[:, :-2, 1:-1] + luma[:, 2:, 1:-1] + luma[:, 1:-1, :-2] + luma[:, 1:-1, 2:] - 4 * centre
    contrast = np.maximum(centre.std(axis=(1, 2)), np.float32(4))
    result: F32 = np.minimum(np.abs(laplacian).mean(axis=(1, 2)) / contrast / SHARP, 1)
    return result.astype(np.float32)
