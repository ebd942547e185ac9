"""What runs a network: bytes of pixels in, arrays out. Knows the contract; each backend is its own file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from models.built import Graph
from models.faces import F32

Pixels = npt.NDArray[np.uint8]


class CudaArray(Protocol):
    """Pixels on a device, (H, W, 3) u8 RGB, dense: the CUDA array interface, version 3 (Numba documentation)."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(height, width, 3)."""

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """Where they lie."""


@dataclass(frozen=True)
class Profile:
    """The pictures that a network will be given: their size in pixels, and how many at once at most."""

    height_px: int
    width_px: int
    batch: int = 1

    def __str__(self) -> str:
        """As in ``640x360`` or ``112x112 up to 8``."""
        return f"{self.width_px}x{self.height_px}" + (f" up to {self.batch}" if self.batch > 1 else "")


class Runner(Protocol):
    """One loaded network. One thread at a time; how many threads and which batch it uses inside is its own business."""

    @property
    def name(self) -> str:
        """Backend, version and precision, in words for a status line."""

    def run(self, images: Pixels) -> Sequence[F32]:
        """Outputs in the graph's order for ``images``, shape (n, H, W, 3), u8, RGB.

        The arrays belong to the runner and hold until its next run; overwrite them when they are secret.

        Raises:
            ModelError: the pictures' shape does not fit the network, or the device failed.
        """


@runtime_checkable
class InPlaceRunner(Runner, Protocol):
    """A runner on a device that cameras write to as well."""

    def run_in_place(self, image: CudaArray) -> Sequence[F32]:
        """As :meth:`run` for one picture, read where it lies. Nothing reads it any more on return.

        Raises:
            ModelError: the picture's shape or layout does not fit the network, or the device failed.
        """


class Backend(Protocol):
    """One way of running networks on this machine."""

    @property
    def name(self) -> str:
        """Backend and version, in words for a status line."""

    @property
    def in_place(self) -> bool:
        """Whether its runners are :class:`InPlaceRunner`."""

    @property
    def any_size(self) -> bool:
        """Whether :meth:`open` needs no profile; without one any size and number of pictures goes, more slowly."""

    def open(self, graph: Graph, profile: Profile | None = None) -> Runner:
        """Load a graph.

        Args:
            graph: what to run.
            profile: the only pictures that will come.

        Raises:
            ModelError: the file or the backend cannot be used, or there is nothing built for such pictures.
        """
