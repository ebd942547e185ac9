"""Turn aligned faces into templates of unit length. Knows the embedder's graph; not whose faces they are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.align import CHIP_PX
from models.faces import F32, Embeddings
from models.manifest import ModelError
from models.runner import Runner

BATCH = 8
"""Most chips given to the runner at once: a bound for its memory; on a CPU larger batches gain nothing."""
_LEAST = np.float32(1e-9)
"""In place of no length at all."""


class Embedder:
    """A graph of :func:`models.graphs.embedder_graph` behind a runner.

    Args:
        runner: runs the graph.
        space: digest that the templates carry.
        dimension: number of a template's values.
        full_length: how long a template of a face that is wholly seen is, at the least; 0 where nobody measured it.
    """

    def __init__(self, runner: Runner, space: str, dimension: int, full_length: float = 0.0) -> None:
        self.dimension = dimension
        self.full_length = full_length
        self.space = space
        self._runner = runner

    def embed(self, chips: npt.NDArray[np.uint8]) -> Embeddings:
        """Templates of aligned faces, chips (n, 112, 112, 3) u8 RGB, with their lengths: one pass, the cheap look.

        Raises:
            ValueError: another shape.
            ModelError: the graph's templates are of another dimension, or as the runner says.
        """
        vectors = np.zeros((len(chips), self.dimension), np.float32)
        lengths = self._add(chips, vectors)
        return Embeddings(vectors, self.space, lengths)

    def add_mirrored(self, templates: Embeddings, chips: npt.NDArray[np.uint8]) -> None:
        """Improve templates in place with a second pass over the same chips' mirror images.

        On LFW with 1,000 entries it lifts TPIR at FPIR 0.3 % from 93.7 to 94.4 %. Templates with and without it may be
        compared.
        """
        self._add(chips[:, :, ::-1], templates.vectors)

    def embed_both(self, chips: npt.NDArray[np.uint8]) -> Embeddings:
        """Both passes: the best template that a chip can give."""
        templates = self.embed(chips)
        self.add_mirrored(templates, chips)
        return templates

    def fullness(self, lengths: F32) -> F32:
        """(n) f32 in [0, 1]: how much of a face the network saw, by the lengths of its templates.

        Where nobody measured a whole face's it is 1. A length that is no finite number above 0 is of no face: 0.

        ISO/IEC 29794-5's unified quality score is such a length (Meng et al., MagFace, CVPR 2021). Sunglasses, a hand
        before the mouth, a turned head and a wall that was taken for a face all shorten it.
        """
        is_length = np.isfinite(lengths) & (lengths > 0)
        if not self.full_length:
            return is_length.astype(np.float32)
        shares = np.minimum(lengths / np.float32(self.full_length), np.float32(1))
        return np.where(is_length, shares, np.float32(0))

    def _add(self, chips: npt.NDArray[np.uint8], onto: F32) -> F32:
        if chips.shape[1:] != (CHIP_PX, CHIP_PX, 3):
            raise ValueError(f"chips: expected (n, {CHIP_PX}, {CHIP_PX}, 3), got {chips.shape}")
        lengths = np.zeros(len(chips), np.float32)
        for start in range(0, len(chips), BATCH):
            (fresh,) = self._runner.run(chips[start : start + BATCH])
            if fresh.shape[1:] != (self.dimension,):
                raise ModelError(f"embedder: the manifest says {self.dimension} values, the graph gives {fresh.shape}")
            lengths[start : start + BATCH] = np.linalg.norm(fresh, axis=1)
            fresh /= np.maximum(lengths[start : start + BATCH, None], _LEAST)
            onto[start : start + BATCH] += fresh
            fresh.fill(0.0)  # the runner's own copy of a template must not outlive this call
        onto /= np.maximum(np.linalg.norm(onto, axis=1, keepdims=True), _LEAST)
        return lengths
