"""Run engines with TensorRT 8.6 to 11, or TensorRT for RTX, whichever is installed. The only file that imports it.

One code path on the name-based API. Knows contexts, buffers and streams; no network's meaning, and no file. A plan
comes from a place that is to be trusted, because loading one is loading code; :mod:`models.plan` builds them.
"""

from __future__ import annotations

import importlib
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from models.cuda import Cuda, Mapped
from models.faces import F32
from models.manifest import ModelError
from models.runner import CudaArray, Pixels, Profile

MODULES = (("tensorrt",), ("tensorrt_rtx",), ("tensorrt_rtx_libs", "tensorrt_rtx_bindings"))
"""What TensorRT may be installed as, best first; of each row the last is it, and the first holds its libraries."""
MOST_RECORDINGS = 72
"""CUDA graphs kept, one for each address that pictures come from: eight cameras' rings of eight, and some."""
_LAST_WORDS = 4


def load_tensorrt(modules: Sequence[tuple[str, ...]] = MODULES) -> Any:
    """The installed TensorRT's module.

    Raises:
        ModelError: none of ``modules`` can be imported; says why for each.
    """
    reasons = []
    for names in modules:
        try:
            return [importlib.import_module(name) for name in names][-1]
        except (ImportError, OSError) as error:  # OSError: a library beside it does not load
            reasons.append(str(error))
    raise ModelError(f"TensorRT is not installed: {'; '.join(reasons)}")


def name_of(trt: Any) -> str:
    """As in ``TensorRT 10.3.0`` or ``TensorRT-RTX 1.7.1.116``."""
    return f"{'TensorRT-RTX' if 'rtx' in trt.__name__ else 'TensorRT'} {trt.__version__}"


def constructed(trt: Any, make: Callable[[], Any]) -> Any:
    """What ``make`` gives; without driver or memory the bindings' constructors raise TypeError (NVIDIA/TensorRT #2913).

    Raises:
        ModelError: TensorRT could not make it.
    """
    try:
        return make()
    except (TypeError, RuntimeError) as error:
        raise ModelError(f"{name_of(trt)} does not start: {error}") from error


def quiet_log(trt: Any) -> Any:
    """A logger that prints nothing and keeps ``last_words()``: TensorRT says its reasons to its logger only."""

    class Log(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self._words: deque[str] = deque(maxlen=_LAST_WORDS)

        def log(self, severity: Any, msg: str) -> None:
            if severity in {trt.ILogger.Severity.INTERNAL_ERROR, trt.ILogger.Severity.ERROR}:
                self._words.append(msg.strip())

        def last_words(self) -> str:
            return "; ".join(self._words) or "it gave no reason"

    return Log()


class TensorRtRunner:
    """An engine with a context, a stream and buffers of its own: see :class:`models.runner.Runner`.

    All memory is taken here and none later. The results lie in memory that GPU and processor share. For one picture at
    a time the launches are recorded as a CUDA graph for each address that pictures come from, which is what small
    networks wait for.

    Args:
        trt: from :func:`load_tensorrt`.
        cuda: the runtime.
        plan: of :func:`models.plan.build`.
        profile: that it was built for.
        outputs: names in the graph's order.

    Raises:
        ModelError: another version's or device's plan, or not enough memory; with TensorRT's own reasons.
    """

    def __init__(self, trt: Any, cuda: Cuda, plan: bytes, profile: Profile, outputs: tuple[str, ...]) -> None:
        self.name = name_of(trt)
        self._cuda, self._profile = cuda, profile
        self._log = quiet_log(trt)
        self._runtime = constructed(trt, lambda: trt.Runtime(self._log))
        self._engine = self._made("load the engine", self._runtime.deserialize_cuda_engine(plan))
        self._context = self._made("make a context", self._engine.create_execution_context())
        self._input = self._checked_input(trt, outputs)
        self._staging = cuda.mapped((profile.batch, profile.height_px, profile.width_px, 3), np.uint8)
        self._batch = 0
        self._shape_for(profile.batch)
        self._outputs = [self._output(name) for name in outputs]
        self._stream = cuda.stream()
        self._recordings: dict[int, int] = {}
        self._records = profile.batch == 1
        self._one_thread = threading.Lock()
        self._release = weakref.finalize(self, _release, cuda, self._stream, self._recordings)

    def run(self, images: Pixels) -> Sequence[F32]:
        """See :class:`models.runner.Runner`."""
        count, shape = len(images), (self._profile.height_px, self._profile.width_px, 3)
        if images.dtype != np.uint8 or images.shape[1:] != shape or not 1 <= count <= self._profile.batch:
            expected = (f"1 to {self._profile.batch}" if self._profile.batch > 1 else "1", *shape)
            raise ModelError(f"input: expected {expected} uint8, got {images.shape} {images.dtype}")
        with self._alone():
            staged = self._staging.array[:count]
            staged[:] = images
            try:
                return self._run(count, self._staging.pointer)
            finally:
                staged.fill(0)  # somebody's face

    def run_in_place(self, image: CudaArray) -> Sequence[F32]:
        """See :class:`models.runner.InPlaceRunner`."""
        with self._alone():
            return self._run(1, self._address(image))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._one_thread.acquire(blocking=False):
            raise ModelError(f"{self.name}: two threads ran one network at the same time")
        try:
            yield
        finally:
            self._one_thread.release()

    def _address(self, image: CudaArray) -> int:
        lies, shape = image.__cuda_array_interface__, (self._profile.height_px, self._profile.width_px, 3)
        if tuple(lies["shape"]) != shape or np.dtype(lies["typestr"]) != np.uint8 or lies.get("strides") is not None:
            raise ModelError(
                f"input: expected {shape} uint8 dense on the device, got {lies['shape']} {lies['typestr']}"
            )
        return int(lies["data"][0])

    def _run(self, count: int, address: int) -> Sequence[F32]:
        if address in self._recordings:
            self._cuda.launch(self._recordings[address], self._stream)
            self._cuda.synchronize(self._stream)
        else:
            self._shape_for(count)
            self._place(self._input, address)
            try:
                self._enqueue()
            finally:
                self._cuda.synchronize(self._stream)
            self._record(address)
        return [output.array[:count] for output in self._outputs]

    def _enqueue(self) -> None:
        if not self._context.execute_async_v3(self._stream):
            raise ModelError(f"{self.name} did not run the network: {self._log.last_words()}")

    def _record(self, address: int) -> None:
        """After a first run, which TensorRT needs to settle; a network that cannot be recorded runs as before."""
        if not self._records:
            return
        if len(self._recordings) >= MOST_RECORDINGS:  # cameras were opened anew, and their old rings are gone
            _drop(self._cuda, self._recordings)
        try:
            self._recordings[address] = self._cuda.record(self._stream, self._enqueue)
        except ModelError:
            self._records = False

    def _shape_for(self, count: int) -> None:
        if count == self._batch:
            return
        shape = (count, self._profile.height_px, self._profile.width_px, 3)
        if not self._context.set_input_shape(self._input, shape):
            raise ModelError(f"the engine takes no pictures of {shape}: {self._log.last_words()}")
        self._batch = count

    def _checked_input(self, trt: Any, outputs: tuple[str, ...]) -> str:
        """The one input's name; an engine with other tensors than it should have is not run."""
        engine = self._engine
        names = [str(engine.get_tensor_name(index)) for index in range(engine.num_io_tensors)]
        inputs = [name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT]
        types = {name: engine.get_tensor_dtype(name) for name in names}
        wanted = dict.fromkeys(inputs, trt.DataType.UINT8) | dict.fromkeys(outputs, trt.DataType.FLOAT)
        if len(inputs) != 1 or types != wanted:
            raise ModelError(f"the engine has {types}; expected one UINT8 input and {', '.join(outputs)} as FLOAT")
        return inputs[0]

    def _output(self, name: str) -> Mapped:
        memory = self._cuda.mapped(tuple(self._context.get_tensor_shape(name)), np.float32)
        self._place(name, memory.pointer)
        return memory

    def _place(self, name: str, address: int) -> None:
        """A refused address would leave the one before in force: another camera's picture."""
        if not self._context.set_tensor_address(name, address):
            raise ModelError(f"{self.name} takes no '{name}' at address {address:#x}: {self._log.last_words()}")

    def _made(self, what: str, made: Any) -> Any:
        if made is None:
            raise ModelError(f"{self.name} could not {what}: {self._log.last_words()}")
        return made


def _drop(cuda: Cuda, recordings: dict[int, int]) -> None:
    while recordings:
        cuda.drop(recordings.popitem()[1])


def _release(cuda: Cuda, stream: int, recordings: dict[int, int]) -> None:
    _drop(cuda, recordings)
    cuda.destroy_stream(stream)
