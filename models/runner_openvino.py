"""Run a graph with OpenVINO on a CPU (x86-64 and arm64). The only file that imports it; knows no network's meaning.

Precision is bf16 where the processor computes it natively and f32 elsewhere. One thread a network: detection, embedding
and decoding run beside each other, and one thread each wastes least of two cores (measured: two threads on one picture
cost 5-10 % more processor time).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import openvino as ov

from models.built import Graph
from models.faces import F32
from models.manifest import ModelError
from models.runner import Profile

Precision = Literal["bf16", "f32"]


class OpenVinoBackend:
    """Networks on the processor: see :class:`models.runner.Backend`.

    Args:
        precision: of the arithmetic; the processor's best unless told.
    """

    in_place = False
    any_size = True

    def __init__(self, precision: Precision | None = None) -> None:
        self._precision: Precision = precision or _native()
        self.name = f"OpenVINO {ov.get_version().split('-')[0]} {self._precision}"

    def open(self, graph: Graph, profile: Profile | None = None) -> OpenVinoRunner:
        """Compiled for one picture size where one picture comes at a time; else for any."""
        single = profile is not None and profile.batch == 1
        fixed_hw = (profile.height_px, profile.width_px) if profile is not None and single else None
        return OpenVinoRunner(graph.path, fixed_hw, precision=self._precision)


def _native() -> Precision:
    return "bf16" if "BF16" in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"


class OpenVinoRunner:
    """A compiled network.

    Args:
        model: ONNX file with one u8 NHWC input.
        fixed_hw: fixes height and width, in pixels, which lets the compiler plan memory and drop shape arithmetic.
        precision: of the arithmetic; the processor's best unless told.

    Raises:
        ModelError: unreadable or not compilable.
    """

    def __init__(
        self, model: Path, fixed_hw: tuple[int, int] | None = None, precision: Precision | None = None
    ) -> None:
        core = ov.Core()
        precision = precision or _native()
        try:
            graph = core.read_model(model)
            if fixed_hw is not None:
                graph.reshape([1, *fixed_hw, 3])
                _drop_idle_resize(graph)
            compiled = core.compile_model(
                graph,
                "CPU",
                {
                    "INFERENCE_PRECISION_HINT": precision,
                    "INFERENCE_NUM_THREADS": 1,
                    "NUM_STREAMS": 1,
                    "ENABLE_CPU_PINNING": False,
                },
            )
        except RuntimeError as error:
            raise ModelError(f"{model}: {error}") from error
        self.name = f"OpenVINO {ov.get_version().split('-')[0]} {precision}"
        self._shape = compiled.input(0).get_partial_shape()
        self._request = compiled.create_infer_request()
        self._outputs = len(compiled.outputs)

    def run(self, images: npt.NDArray[np.uint8]) -> Sequence[F32]:
        """See :class:`models.runner.Runner`."""
        if images.dtype != np.uint8 or not self._shape.compatible(ov.PartialShape(list(images.shape))):
            raise ModelError(f"input: expected {self._shape} uint8, got {images.shape} {images.dtype}")
        # The request does not keep what it is given: a copy, made of rows or mirrored pictures, must outlive `infer`.
        pixels = np.require(images, requirements=["C", "W"])
        self._request.set_input_tensor(ov.Tensor(pixels, shared_memory=True))
        self._request.infer()
        if pixels is not images:
            pixels.fill(0)
        return [self._request.get_output_tensor(index).data for index in range(self._outputs)]


def _drop_idle_resize(graph: ov.Model) -> None:
    """Cut out a resize to the size that the picture has already: the compiler keeps it (measured: 1.9 ms a frame)."""
    for node in graph.get_ordered_ops():
        if node.get_type_name() == "Interpolate" and node.input(0).get_shape() == node.output(0).get_shape():
            node.output(0).replace(node.input_value(0))
    graph.validate_nodes_and_infer_types()
