"""Networks on the GPU, from engines that this device built. Knows what an engine is tied to; refuses to build one.

Building takes minutes and is a step of its own: :mod:`models.workshop`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from models import engine_graph, plan
from models.built import Graph
from models.cuda import Cuda, open_cuda
from models.engines import EngineRefused, EngineStore, Origin
from models.manifest import sha256_of
from models.runner import Profile
from models.runner_tensorrt import TensorRtRunner, load_tensorrt, name_of

Precision = Literal["fp16", "fp32"]


DeviceKey = Callable[[], bytes]
OpenTensorRt = Callable[[Path, DeviceKey, str, Precision], "TensorRtBackend"]
"""As :func:`open_tensorrt`."""


def open_tensorrt(
    engines: Path, device_key: DeviceKey, power_mode: str, precision: Precision = "fp16"
) -> TensorRtBackend:
    """The GPU of this machine, with the TensorRT that is installed.

    Args:
        engines: folder that they are kept in.
        device_key: gives this device's secret; not asked where there is no GPU.
        power_mode: of the module, in words.
        precision: that is wanted.

    Raises:
        ModelError: there is no TensorRT, no CUDA runtime or no GPU; says which and why.
    """
    trt, cuda = load_tensorrt(), open_cuda()
    cuda.gpu()
    return TensorRtBackend(trt, cuda, EngineStore(engines, device_key()), power_mode, precision)


class TensorRtBackend:
    """See :class:`models.runner.Backend`.

    Args:
        trt: from :func:`models.runner_tensorrt.load_tensorrt`.
        cuda: the runtime.
        store: the engines.
        power_mode: of the module, in words; engines are tuned to its clocks.
        precision: that is wanted; the build falls back to fp32 where fp16 is not near enough.

    Raises:
        ModelError: there is no GPU.
    """

    in_place = True
    any_size = False

    def __init__(
        self, trt: Any, cuda: Cuda, store: EngineStore, power_mode: str, precision: Precision = "fp16"
    ) -> None:
        self.trt, self.cuda, self.store, self.precision = trt, cuda, store, precision
        self.name = name_of(trt)
        self.gpu = cuda.gpu()
        self._power_mode = power_mode

    def origin(self, graph: Graph, profile: Profile) -> Origin:
        """What an engine for this use has to be."""
        return Origin(
            graph=graph.name,
            onnx_sha256=graph.sha256,
            pictures=str(profile),
            precision=self.precision,
            recipe=_recipe(),
            tensorrt=self.name,
            gpu=self.gpu.name,
            compute_capability=self.gpu.compute_capability,
            power_mode=self._power_mode,
        )

    def open(self, graph: Graph, profile: Profile | None = None) -> TensorRtRunner:
        """See :class:`models.runner.Backend`.

        Raises:
            EngineRefused: none was built for such pictures, or it is not to be used; says why.
            ModelError: TensorRT does not load it, or memory is short.
        """
        if profile is None:
            raise EngineRefused(f"{graph.name}: an engine takes pictures of one size, and none was named")
        engine = self.store.read(self.origin(graph, profile))
        runner = TensorRtRunner(self.trt, self.cuda, engine.plan, profile, engine.header.outputs)
        runner.name = f"{runner.name} {engine.header.precision}"
        return runner


def _recipe() -> str:
    """Digest of the code that makes an engine of a graph: when it changes, engines are out of date."""
    code = "".join(inspect.getsource(module) for module in (engine_graph, plan))
    return sha256_of(code.encode())[:16]
