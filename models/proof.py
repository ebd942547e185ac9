"""Compute a plain graph on two small pictures: are its answers those of its family, and does it keep pictures apart?

Knows ONNX's own reference implementation, which is slow and needs no runtime. Refuses to know whether the answers are
right: that is :mod:`models.golden`'s.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from models.decode import FAMILIES, STRIDES
from models.faces import F32
from models.manifest import MAX_PIXEL, ModelError, Net

SIZE_PX = (96, 64)
"""(width, height) of a detector's test pictures: one cell of the coarsest grid is small beside them."""
MAX_DIFFERENCE = 1e-3
"""Allowed between a picture alone and among others, of a value up to 1 or as a part of a larger one."""
_SEED = 5


def prove(plain: onnx.ModelProto, net: Net) -> None:
    """Refuse a graph that does not do what the manifest says.

    Raises:
        ModelError: an output has another shape, a score is none, or a picture's answers depend on its neighbour.
    """
    pictures = (_pictures(plain, net) - np.float32(net.mean)) / np.float32(net.std)
    together, alone = _computed(plain, net, pictures), _computed(plain, net, pictures[1:])
    for name, output, single, shape in zip(net.outputs, together, alone, _shapes(net, len(pictures)), strict=True):
        if output.shape != shape or single.shape != (1, *shape[1:]):
            raise ModelError(
                f"{net.name}: output '{name}' is {list(output.shape)} for {len(pictures)} pictures and "
                f"{list(single.shape)} for one, expected {list(shape)} and {[1, *shape[1:]]}"
            )
        apart = float((np.abs(output[1:] - single) / np.maximum(np.abs(single), 1)).max())
        if not apart <= MAX_DIFFERENCE:
            raise ModelError(
                f"{net.name}: output '{name}' of a picture differs by {apart:.3g} when it is among others: "
                "this export mixes a batch; take the original, of batch 1, or export it anew"
            )
    if net.role == "detector":
        _check_scores(net, together)


def _pictures(plain: onnx.ModelProto, net: Net) -> F32:
    """A smooth one and a noisy one, values 0 to 255."""
    declared = [dim.dim_value for dim in plain.graph.input[0].type.tensor_type.shape.dim]
    shape = (3, SIZE_PX[1], SIZE_PX[0]) if net.role == "detector" else tuple(declared[1:])
    smooth = np.linspace(0, MAX_PIXEL, int(np.prod(shape)), dtype=np.float32).reshape(shape)
    noisy = np.random.default_rng(_SEED).uniform(0, MAX_PIXEL, shape).astype(np.float32)
    return np.stack([smooth, noisy])


def _computed(plain: onnx.ModelProto, net: Net, pictures: F32) -> list[F32]:
    try:
        outputs = ReferenceEvaluator(plain).run(list(net.outputs), {net.input: pictures})
    except Exception as error:  # whatever numpy and the reference implementation raise at a graph that does not fit
        size = " x ".join(map(str, pictures.shape))
        raise ModelError(f"{net.name}: cannot be computed for pictures of {size}: {error}") from error
    return [np.asarray(output) for output in outputs]


def _shapes(net: Net, count: int) -> list[tuple[int, ...]]:
    if net.role == "embedder":
        return [(count, net.dimension)]
    family = FAMILIES[net.family]
    cells = [(SIZE_PX[0] // stride) * (SIZE_PX[1] // stride) * family.anchors_a_cell for stride in STRIDES]
    return [(count, anchors, width) for width in family.widths for anchors in cells]


def _check_scores(net: Net, outputs: list[F32]) -> None:
    widths = [width for width in FAMILIES[net.family].widths for _ in STRIDES]
    for name, output, width in zip(net.outputs, outputs, widths, strict=True):
        if width == 1 and not (float(output.min()) >= 0 and float(output.max()) <= 1):
            low, high = float(output.min()), float(output.max())
            raise ModelError(
                f"{net.name}: score '{name}' is {low:.3g} to {high:.3g}, not 0 to 1; its sigmoid is missing"
            )
