"""Let several pipelines look at the same frame for the price of one. Knows runners and bytes; nothing of what is seen.

Pipelines with other rules mostly want the same shots. What a network gave for a picture is remembered until the next
frame, so each further rule costs its own tracking, search and decision.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from models.built import Graph
from models.faces import F32
from models.runner import Backend, Pixels, Profile, Runner

Memory = dict[tuple[str, bytes], list[F32]]


class Remembering:
    """A backend whose networks for small pictures remember; those for whole frames run as they are.

    Attributes:
        asked, ran: pictures that were asked for, and those that a network saw.
    """

    in_place = False

    def __init__(self, backend: Backend) -> None:
        self.asked = 0
        self.ran = 0
        self._backend = backend
        self._memory: Memory = {}

    @property
    def name(self) -> str:
        """As the backend's."""
        return self._backend.name

    @property
    def any_size(self) -> bool:
        """As the backend's."""
        return self._backend.any_size

    def open(self, graph: Graph, profile: Profile | None = None) -> Runner:
        """A network; raises as the backend does."""
        runner = self._backend.open(graph, profile)
        small = profile is not None and profile.height_px == profile.width_px
        return _Remembered(runner, graph.sha256, self) if small else runner

    def forget(self) -> None:
        """The frame is over."""
        self._memory.clear()

    def rows(self, network: str, runner: Runner, images: Pixels) -> list[list[F32]]:
        """Each picture's outputs."""
        found = []
        for image in images:
            key = (network, hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest())
            if key not in self._memory:
                self._memory[key] = [output[0].copy() for output in runner.run(image[None])]
                self.ran += 1
            found.append(self._memory[key])
        self.asked += len(images)
        return found


class _Remembered:
    def __init__(self, runner: Runner, network: str, memory: Remembering) -> None:
        self.name = runner.name
        self._runner = runner
        self._network = network
        self._memory = memory

    def run(self, images: Pixels) -> Sequence[F32]:
        rows = self._memory.rows(self._network, self._runner, images)
        return [np.stack(outputs) for outputs in zip(*rows, strict=True)]
