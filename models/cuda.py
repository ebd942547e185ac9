"""The few calls of the CUDA runtime that a network needs: memory, streams, graphs. Knows libcudart and no network.

Plain ctypes on ``libcudart`` (CUDA Runtime API reference, 11.8 to 13): no package of bindings fits every JetPack, and a
pointer or a stream is an integer for TensorRT and for the cameras alike. Every function named here is exported by the
libraries of 11.8, 12 and 13 under the same signature.
"""

from __future__ import annotations

import ctypes
import math
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.manifest import ModelError

LIBRARIES = ("libcudart.so.13", "libcudart.so.12", "libcudart.so.11.0", "/usr/local/cuda/lib64/libcudart.so")
"""Where the runtime may be, newest first; JetPack 6 has 12, JetPack 7 has 13."""

_Pointer, _Handle, _Size = ctypes.POINTER(ctypes.c_void_p), ctypes.c_void_p, ctypes.c_size_t
_Int, _Unsigned, _Flags64 = ctypes.c_int, ctypes.c_uint, ctypes.c_ulonglong
PROTOTYPES: dict[str, tuple[Any, ...]] = {
    "cudaDeviceGetAttribute": (ctypes.POINTER(_Int), _Int, _Int),
    "cudaGetDeviceProperties": (_Handle, _Int),
    "cudaGetErrorString": (_Int,),
    "cudaGetLastError": (),
    "cudaHostAlloc": (_Pointer, _Size, _Unsigned),
    "cudaHostGetDevicePointer": (_Pointer, _Handle, _Unsigned),
    "cudaFreeHost": (_Handle,),
    "cudaStreamCreateWithFlags": (_Pointer, _Unsigned),
    "cudaStreamDestroy": (_Handle,),
    "cudaStreamSynchronize": (_Handle,),
    "cudaStreamBeginCapture": (_Handle, _Int),
    "cudaStreamEndCapture": (_Handle, _Pointer),
    "cudaGraphInstantiateWithFlags": (_Pointer, _Handle, _Flags64),
    "cudaGraphDestroy": (_Handle,),
    "cudaGraphLaunch": (_Handle, _Handle),
    "cudaGraphExecDestroy": (_Handle,),
}
"""Arguments of every function that is used; all return an error code but ``cudaGetErrorString``."""

_COMPUTE_CAPABILITY = 75, 76  # cudaDevAttrComputeCapabilityMajor, ...Minor
_PROPERTIES_BYTES = 8192  # cudaDeviceProp has grown to about 1 KiB; it begins with char name[256] in every version
_NAME_BYTES = 256
_NON_BLOCKING = 1  # cudaStreamNonBlocking: the legacy default stream does not wait for it
_MAPPED = 2  # cudaHostAllocMapped
_CAPTURE_THREAD_LOCAL = 1  # cudaStreamCaptureModeThreadLocal: other threads' allocations do not spoil it


@dataclass(frozen=True)
class Gpu:
    """The first device: its marketing name, and its compute capability such as ``8.7``."""

    name: str
    compute_capability: str


@dataclass(frozen=True)
class Mapped:
    """Page-locked memory that the processor and the GPU both see; on a Jetson it is the same DRAM, without a copy.

    Attributes:
        array: as the processor sees it.
        pointer: as the GPU sees it.
    """

    array: npt.NDArray[Any]
    pointer: int


class Cuda:
    """The runtime of one process.

    Args:
        library: libcudart, or what behaves like it.
    """

    def __init__(self, library: Any) -> None:
        self._library = library
        for name, arguments in PROTOTYPES.items():
            function = getattr(library, name)
            function.argtypes = arguments
            function.restype = ctypes.c_char_p if name == "cudaGetErrorString" else _Int

    def gpu(self) -> Gpu:
        """The device that networks run on.

        Raises:
            ModelError: there is none, or its driver does not fit.
        """
        properties = ctypes.create_string_buffer(_PROPERTIES_BYTES)
        self._call("cudaGetDeviceProperties", properties, 0)
        numbers = []
        for attribute in _COMPUTE_CAPABILITY:
            value = _Int()
            self._call("cudaDeviceGetAttribute", ctypes.byref(value), attribute, 0)
            numbers.append(value.value)
        name = properties.raw[:_NAME_BYTES].split(b"\0")[0].decode("utf-8", "replace")
        return Gpu(name, "{}.{}".format(*numbers))

    def mapped(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Mapped:
        """Zeroed memory for an array; freed with it.

        Raises:
            ModelError: not so much memory is left; says how much was asked for.
        """
        size = math.prod(shape) * np.dtype(dtype).itemsize
        host = self._new("cudaHostAlloc", size, _MAPPED, what=f"{size / 1e6:.1f} MB of mapped memory")
        device = self._new("cudaHostGetDevicePointer", host, 0)
        memory = (ctypes.c_ubyte * size).from_address(host)
        weakref.finalize(memory, self._library.cudaFreeHost, host)
        array: npt.NDArray[Any] = np.ctypeslib.as_array(memory).view(dtype).reshape(shape)
        array.fill(0)
        return Mapped(array, device)

    def stream(self) -> int:
        """A stream of its own, which waits for no other."""
        return self._new("cudaStreamCreateWithFlags", _NON_BLOCKING)

    def destroy_stream(self, stream: int) -> None:
        """Give a stream back."""
        self._library.cudaStreamDestroy(stream)

    def synchronize(self, stream: int) -> None:
        """Wait until all work of ``stream`` is done.

        Raises:
            ModelError: some of it failed.
        """
        self._call("cudaStreamSynchronize", stream)

    def record(self, stream: int, work: Callable[[], None]) -> int:
        """Record what ``work`` puts on ``stream`` instead of doing it; returns what :meth:`launch` takes.

        Raises:
            ModelError: something in it cannot be recorded; the stream is usable again.
        """
        self._call("cudaStreamBeginCapture", stream, _CAPTURE_THREAD_LOCAL)
        graph = ctypes.c_void_p()
        try:
            work()
        finally:  # an unfinished recording would spoil the stream for good
            code = self._library.cudaStreamEndCapture(stream, ctypes.byref(graph))
        self._check(code, "cudaStreamEndCapture")
        try:
            return self._new("cudaGraphInstantiateWithFlags", graph, 0)
        finally:
            self._library.cudaGraphDestroy(graph)

    def launch(self, recording: int, stream: int) -> None:
        """Do what was recorded, on ``stream``.

        Raises:
            ModelError: it cannot be started.
        """
        self._call("cudaGraphLaunch", recording, stream)

    def drop(self, recording: int) -> None:
        """Give a recording back."""
        self._library.cudaGraphExecDestroy(recording)

    def _new(self, function: str, *arguments: Any, what: str = "") -> int:
        handle = ctypes.c_void_p()
        self._call(function, ctypes.byref(handle), *arguments, what=what)
        return handle.value or 0

    def _call(self, function: str, *arguments: Any, what: str = "") -> None:
        self._check(getattr(self._library, function)(*arguments), what or function)

    def _check(self, code: int, what: str) -> None:
        if code == 0:
            return
        self._library.cudaGetLastError()  # else a later, innocent call would report this error again
        text = self._library.cudaGetErrorString(code).decode("utf-8", "replace")
        raise ModelError(f"CUDA: {what}: {text} (error {code})")


def open_cuda(names: tuple[str, ...] = LIBRARIES) -> Cuda:
    """The CUDA runtime of this machine.

    Raises:
        ModelError: none of ``names`` can be loaded.
    """
    for name in names:
        try:
            return Cuda(ctypes.CDLL(name))
        except OSError:
            continue
    raise ModelError(f"CUDA: none of {', '.join(names)} can be loaded")
