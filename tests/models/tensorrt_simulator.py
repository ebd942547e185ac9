"""TensorRT's Python module without a GPU: networks run in ONNX Runtime, everything around them as documented. No test.

Written from the Python API reference of 8.6, 10 and 11 and of TensorRT for RTX 1.7, whose builder was run beside it.
Its traps:

- Errors go to the logger; the call itself returns None, False or -1.
- A logger or monitor whose base was not initialised is refused, as pybind11 does it.
- uint8 goes into a Cast and nowhere else (NVIDIA/TensorRT #3985).
- 8.6 wants explicit batch; 11 and RTX have no FP16 flag; 8.6 has no progress monitor; RTX deprecates timing caches.
- A plan belongs to one version and one GPU.
- A shape outside the profile is refused when it is set; a run without all addresses does nothing.
- Running only puts work on a stream: results come with its synchronisation, at the addresses of that time.
"""

from __future__ import annotations

import ctypes
import enum
import functools
import json
import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime

from tests.models.cudart_simulator import ILLEGAL_ADDRESS, SimulatedCudart

_MAGIC = b"plan"
_UINT8, _FLOAT = "UINT8", "FLOAT"


class Severity(enum.IntEnum):
    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2
    INFO = 3


class Overridable:
    """What a program derives from: must be initialised, or the first use fails."""

    Severity = Severity

    def __init__(self) -> None:
        self.initialised = True


def _ready(derived: Any) -> Any:
    if not getattr(derived, "initialised", False):
        raise TypeError(f"{type(derived).__name__}.__init__() must be called when overriding __init__")
    return derived


class _Builder:
    def __init__(self, api: SimulatedTensorRt, log: Any) -> None:
        self._api, self._log = api, _ready(log)

    def create_network(self, flags: int) -> SimpleNamespace:
        return SimpleNamespace(flags=flags, model=None, get_input=lambda index: None)

    def create_builder_config(self) -> _Config:
        return _Config(self._api)

    def create_optimization_profile(self) -> SimpleNamespace:
        shapes: dict[str, tuple[tuple[int, ...], ...]] = {}
        return SimpleNamespace(shapes=shapes, set_shape=lambda name, *limits: shapes.update({name: limits}))

    def build_serialized_network(self, network: Any, config: _Config) -> bytes | None:
        if self._api.explicit_batch and not network.flags & 1:
            self._log.log(Severity.ERROR, "Error Code 4: implicit batch networks are not supported by the ONNX parser")
            return None
        if self._api.fails_to_build:
            self._log.log(Severity.ERROR, "Error Code 10: could not find any implementation for node Conv_0")
            return None
        if config.monitor is not None:
            config.monitor.phase_start("Building engine", None, 2)
            config.monitor.phase_start("Timing tactics", "Building engine", 7)
            config.monitor.step_complete("Timing tactics", 3)
            if not config.monitor.step_complete("Building engine", 1):
                self._log.log(Severity.ERROR, "Error Code 6: build was cancelled")
                return None
            config.monitor.phase_finish("Building engine")
        model = network.model
        if "FP16" in config.flags and self._api.fp16_error:
            _disturb(model, self._api.fp16_error)
        self._api.built += 1
        self._api.flags.append(set(config.flags))
        head = {"version": self._api.__version__, "gpu": self._api.cudart.name, "shapes": config.profile.shapes}
        body: bytes = model.SerializeToString()
        return _MAGIC + json.dumps(head).encode() + b"\n" + body


def _disturb(model: onnx.ModelProto, by: float) -> None:
    """What half precision does to a network that does not bear it."""
    noise = np.random.default_rng(1)
    for tensor in model.graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        if array.ndim == 4 and array.dtype == np.float32:
            noisy = array * (1 + by * noise.standard_normal(array.shape)).astype(np.float32)
            tensor.CopyFrom(onnx.numpy_helper.from_array(noisy, tensor.name))


class _Config:
    def __init__(self, api: SimulatedTensorRt) -> None:
        self._api = api
        self.flags: set[str] = {"TF32"}
        self.profile = SimpleNamespace(shapes={})
        self.monitor: Any = None
        self.pools: dict[str, int] = {}
        self._timings: Any = None

    @property
    def progress_monitor(self) -> Any:
        return self.monitor

    @progress_monitor.setter
    def progress_monitor(self, monitor: Any) -> None:
        self.monitor = _ready(monitor)

    def set_flag(self, flag: str) -> None:
        self.flags.add(flag)

    def clear_flag(self, flag: str) -> None:
        self.flags.discard(flag)

    def set_memory_pool_limit(self, pool: str, size: int) -> None:
        self.pools[pool] = size

    def add_optimization_profile(self, profile: Any) -> int:
        self.profile = profile
        return 0 if all(low <= high for low, _, high in profile.shapes.values()) else -1

    def create_timing_cache(self, blob: bytes) -> SimpleNamespace:
        if self._api.rtx:
            warnings.warn("Deprecated in TensorRT-RTX 1.2.", DeprecationWarning, stacklevel=2)
        return SimpleNamespace(blob=blob, serialize=lambda: b"timings of " + self._api.cudart.name.encode())

    def set_timing_cache(self, cache: Any, ignore_mismatch: bool) -> bool:  # noqa: FBT001  the bindings' signature
        fits = not cache.blob or cache.blob.endswith(self._api.cudart.name.encode())
        self._timings = cache if fits or ignore_mismatch else self._timings
        self._api.timings_used.append(bool(cache.blob) and fits)
        return bool(fits)

    def get_timing_cache(self) -> Any:
        return self._timings


class _Parser:
    def __init__(self, api: SimulatedTensorRt, network: Any, log: Any) -> None:
        self._network, self._errors = network, list[str]()

    @property
    def num_errors(self) -> int:
        return len(self._errors)

    def get_error(self, index: int) -> SimpleNamespace:
        return SimpleNamespace(desc=lambda: self._errors[index])

    def parse(self, data: bytes) -> bool:
        try:
            model = onnx.load_from_string(data)
            readers = [node.op_type for node in model.graph.node if model.graph.input[0].name in node.input]
        except Exception as error:  # noqa: BLE001  protobuf's own
            self._errors.append(f"Failed to parse ONNX model: {error}")
            return False
        if set(readers) - {"Cast"}:
            self._errors.append(f"node_of_planes ({readers[0]}): first input has type UInt8")
            return False
        dims = [dim.dim_value or -1 for dim in model.graph.input[0].type.tensor_type.shape.dim]
        self._network.model = model
        self._network.get_input = lambda index: SimpleNamespace(name=model.graph.input[0].name, shape=tuple(dims))
        return True


class _Runtime:
    def __init__(self, api: SimulatedTensorRt, log: Any) -> None:
        self._api, self._log = api, _ready(log)

    def deserialize_cuda_engine(self, plan: bytes) -> _Engine | None:
        head, _, body = plan.removeprefix(_MAGIC).partition(b"\n")
        try:
            facts = json.loads(head)
            model = onnx.load_from_string(body)
        except Exception:  # noqa: BLE001  json's, protobuf's
            self._log.log(Severity.ERROR, "Error Code 1: Serialization (Magic tag does not match)")
            return None
        if (facts["version"], facts["gpu"]) != (self._api.__version__, self._api.cudart.name):
            self._log.log(Severity.ERROR, f"Error Code 6: plan of {facts['version']} on {facts['gpu']} is incompatible")
            return None
        return _Engine(self._api, self._log, model, facts["shapes"])


@functools.lru_cache(maxsize=32)
def _session(graph: bytes) -> tuple[onnxruntime.InferenceSession, dict[tuple[int, ...], list[list[int]]]]:
    """What runs a graph, and the shapes of its outputs so far: without state, so that equal engines share it."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, ["CPUExecutionProvider"]), {}


class _Engine:
    def __init__(self, api: SimulatedTensorRt, log: Any, model: onnx.ModelProto, shapes: dict[str, Any]) -> None:
        self.api, self.log, self.shapes = api, log, shapes
        self.session, self.widths = _session(model.SerializeToString())
        self.image: str = self.session.get_inputs()[0].name
        self.outputs = [output.name for output in self.session.get_outputs()]
        self._names: list[str] = [*self.outputs[::-1], self.image]  # the order of tensors is nobody's promise

    @property
    def num_io_tensors(self) -> int:
        return len(self._names)

    def get_tensor_name(self, index: int) -> str:
        return self._names[index]

    def get_tensor_mode(self, name: str) -> str:
        return "INPUT" if name == self.image else "OUTPUT"

    def get_tensor_dtype(self, name: str) -> str:
        return _UINT8 if name == self.image else _FLOAT

    def create_execution_context(self) -> _Context | None:
        if self.api.out_of_memory:
            self.log.log(Severity.ERROR, "Error Code 2: OutOfMemory (Requested size was 268435456 bytes.)")
            return None
        return _Context(self)


class _Context:
    def __init__(self, engine: _Engine) -> None:
        self._engine = engine
        self._shape: tuple[int, ...] = ()
        self._addresses: dict[str, int] = {}
        self._widths: dict[str, list[int]] = {}

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        low, _, high = self._engine.shapes[name]
        if not all(least <= side <= most for least, side, most in zip(low, shape, high, strict=True)):
            words = f"Error Code 3: {shape} is not within the profile {low}..{high}"
            self._engine.log.log(Severity.ERROR, words)
            return False
        self._shape = shape
        if shape not in self._engine.widths:
            zeros = self._engine.session.run(None, {name: np.zeros(shape, np.uint8)})
            self._engine.widths[shape] = [list(value.shape) for value in zeros]
        self._widths = dict(zip(self._engine.outputs, self._engine.widths[shape], strict=True))
        return True

    def get_tensor_shape(self, name: str) -> list[int]:
        return self._widths[name]

    def set_tensor_address(self, name: str, address: int) -> bool:
        if address == 0 or address % 256:
            words = f"Error Code 3: {name}: address is not aligned to 256 bytes"
            self._engine.log.log(Severity.ERROR, words)
            return False  # and the one before stays in force
        self._addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:
        if set(self._addresses) != {self._engine.image, *self._engine.outputs} or not self._shape:
            self._engine.log.log(Severity.ERROR, "Error Code 3: an address or a shape is not set")
            return False
        addresses, shape = dict(self._addresses), self._shape
        self._engine.api.cudart.put(stream, lambda: self._compute(addresses, shape))
        return not self._engine.api.fails_to_run

    def _compute(self, addresses: dict[str, int], shape: tuple[int, ...]) -> int:
        self._engine.api.runs += 1
        self._engine.api.shapes.append(shape)
        image = self._memory(addresses[self._engine.image], shape, np.uint8)
        if image is None:
            return ILLEGAL_ADDRESS
        for name, result in zip(
            self._engine.outputs, self._engine.session.run(None, {self._engine.image: image}), strict=True
        ):
            memory = self._memory(addresses[name], result.shape, np.float32)
            if memory is None:
                return ILLEGAL_ADDRESS
            memory[:] = result
        return 0

    def _memory(self, address: int, shape: tuple[int, ...], dtype: Any) -> Any:
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        host = self._engine.api.cudart.host_address(address, size)
        if not host:
            return None
        return np.frombuffer((ctypes.c_ubyte * size).from_address(host), dtype).reshape(shape)


class SimulatedTensorRt:
    """The module.

    Args:
        cudart: the runtime beside it.
        version: ``8.6.1``, ``10.3.0``, ``11.4.0``, or RTX's ``1.7.1``.
    """

    def __init__(self, cudart: SimulatedCudart, version: str) -> None:
        major = int(version.split(".", maxsplit=1)[0])
        self.rtx = major < 8
        self.__name__ = "tensorrt_rtx_bindings" if self.rtx else "tensorrt"
        self.__version__ = version
        self.cudart = cudart
        self.built = self.runs = 0
        self.out_of_memory = self.fails_to_run = False
        self.fp16_error = 0.0
        self.timings_used: list[bool] = []
        self.shapes: list[tuple[int, ...]] = []
        self.fails_to_build = self.fails_to_start = False
        self.flags: list[set[str]] = []
        self.explicit_batch = major == 8
        self.ILogger = Overridable
        if major != 8:
            self.IProgressMonitor = Overridable
        explicit = {"EXPLICIT_BATCH": 0} if 8 <= major <= 10 else {}
        typed = {} if major == 8 else {"STRONGLY_TYPED": 1}
        self.NetworkDefinitionCreationFlag = SimpleNamespace(**explicit, **typed)
        self.BuilderFlag = SimpleNamespace(**({"FP16": "FP16"} if 8 <= major <= 10 else {}), TF32="TF32")
        self.MemoryPoolType = SimpleNamespace(WORKSPACE="WORKSPACE")
        self.TensorIOMode = SimpleNamespace(INPUT="INPUT", OUTPUT="OUTPUT")
        self.DataType = SimpleNamespace(UINT8=_UINT8, FLOAT=_FLOAT)

    def Builder(self, log: Any) -> _Builder:  # noqa: N802
        self._start()
        return _Builder(self, log)

    def OnnxParser(self, network: Any, log: Any) -> _Parser:  # noqa: N802
        return _Parser(self, network, log)

    def _start(self) -> None:
        """The first thing that needs a driver: pybind11 makes a TypeError of a null pointer (NVIDIA/TensorRT #2913)."""
        if self.fails_to_start:
            raise TypeError("pybind11::init(): factory function returned nullptr")

    def Runtime(self, log: Any) -> _Runtime:  # noqa: N802
        self._start()
        return _Runtime(self, log)
