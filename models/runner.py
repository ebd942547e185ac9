"""What runs a network: bytes of pixels in, arrays out. Knows the contract; each backend is its own file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from models.faces import F32


class Runner(Protocol):
    """One loaded network. One thread at a time; how many threads and which batch it uses inside is its own business."""

    @property
    def name(self) -> str:
        """Backend, version and precision, in words for a status line."""

    def run(self, images: npt.NDArray[np.uint8]) -> Sequence[F32]:
        """Outputs in the graph's order for ``images``, shape (n, H, W, 3), u8, RGB.

        The arrays belong to the runner and hold until its next run; overwrite them when they are secret.

        Raises:
            ModelError: the pictures' shape does not fit the network.
        """


def open_runner(model: Path, fixed_hw: tuple[int, int] | None = None) -> Runner:
    """The best backend of this machine for the ONNX file at ``model``.

    Args:
        model: a graph of :mod:`models.graphs`.
        fixed_hw: the only (height, width) in pixels that will come; without it any size goes, more slowly.

    Raises:
        ModelError: the file or the backend cannot be used.
    """
    from models.runner_openvino import OpenVinoRunner  # a backend's import is its own

    return OpenVinoRunner(model, fixed_hw)
