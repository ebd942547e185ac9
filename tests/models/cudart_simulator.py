"""A CUDA runtime without a GPU: same functions, same calling convention, same traps. Holds no test.

Written from the CUDA Runtime API reference. The functions are C function pointers, so that a wrong argument is as wrong
here as there. Its traps:

- The GPU sees mapped memory at another address than the processor: the two must not be mixed up.
- Work on a stream has not been done before the stream is synchronised.
- While a stream is recorded, what is put on it is not done at all; a graph has the addresses of its recording.
- An error stays until it is asked for by ``cudaGetLastError``.
- Memory ends.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from models.cuda import PROTOTYPES

OUT_OF_MEMORY, INVALID_VALUE, ILLEGAL_ADDRESS, CAPTURE_INVALIDATED, NO_DEVICE = 2, 1, 700, 901, 100
_TEXTS = {
    OUT_OF_MEMORY: b"out of memory",
    INVALID_VALUE: b"invalid argument",
    ILLEGAL_ADDRESS: b"an illegal memory access was encountered",
    CAPTURE_INVALIDATED: b"operation failed due to a previous error during capture",
    NO_DEVICE: b"no CUDA-capable device is detected",
}
ALIGNMENT = 4096
"""Of what is allocated: a page."""
DEVICE_OFFSET = 1 << 44
"""How far the GPU's address of mapped memory lies from the processor's."""
Work = Callable[[], int]
"""What a stream does; returns an error code."""


@dataclass
class _Stream:
    queue: list[Work] = field(default_factory=list)
    recording: list[Work] | None = None


class SimulatedCudart:
    """Stands in for ``ctypes.CDLL("libcudart.so")``.

    Args:
        name, compute_capability: of the GPU; no GPU without a name.
        memory_bytes: that can be allocated.
        records: whether what networks put on a stream can be recorded.
    """

    def __init__(
        self,
        name: str = "Orin",
        compute_capability: tuple[int, int] = (8, 7),
        memory_bytes: int = 1 << 30,
        *,
        records: bool = True,
    ) -> None:
        self.name, self.compute_capability = name, compute_capability
        self.memory_bytes, self.records = memory_bytes, records
        self.allocated: dict[int, Any] = {}
        self.streams: dict[int, _Stream] = {}
        self.graphs: dict[int, list[Work]] = {}
        self.executables: dict[int, list[Work]] = {}
        self.launches = 0
        self.last_error = 0
        self._handles = count(1000)
        self._texts = {code: ctypes.create_string_buffer(text) for code, text in _TEXTS.items()}
        for function, arguments in PROTOTYPES.items():
            returns = ctypes.c_void_p if function == "cudaGetErrorString" else ctypes.c_int
            setattr(self, function, ctypes.CFUNCTYPE(returns, *arguments)(self._failing_loudly(function)))

    def _failing_loudly(self, function: str) -> Callable[..., Any]:
        """A driver remembers its error; some calls are about errors themselves."""
        body = getattr(self, re.sub("[A-Z]", lambda capital: f"_{capital[0].lower()}", function.removeprefix("cuda")))

        def call(*arguments: Any) -> Any:
            if function in {"cudaGetErrorString", "cudaGetLastError"}:
                return body(*arguments)
            self.last_error = NO_DEVICE if not self.name else self.last_error or body(*arguments)
            return self.last_error

        return call

    def host_address(self, device_address: int, size: int) -> int:
        """Where the processor sees what the GPU sees at ``device_address``; 0 if that is nowhere."""
        host = device_address - DEVICE_OFFSET
        inside = any(
            start <= host and host + size <= start + len(memory) - ALIGNMENT for start, memory in self.allocated.items()
        )
        return host if inside else 0

    def put(self, stream: int, work: Work) -> None:
        """What TensorRT or a camera does: put work on a stream."""
        target = self.streams[stream]
        (target.queue if target.recording is None else target.recording).append(work)

    def _get_device_properties(self, properties: int, device: int) -> int:
        name = self.name.encode() + b"\0"
        ctypes.memmove(properties, name, len(name))
        return 0

    def _device_get_attribute(self, value: Any, attribute: int, device: int) -> int:
        value[0] = self.compute_capability[{75: 0, 76: 1}[attribute]]
        return 0

    def _get_error_string(self, code: int) -> int:
        return ctypes.addressof(self._texts[code])

    def _get_last_error(self) -> int:
        code, self.last_error = self.last_error, 0
        return code

    def _host_alloc(self, pointer: Any, size: int, flags: int) -> int:
        taken = sum(len(memory) - ALIGNMENT for memory in self.allocated.values())
        if taken + size > self.memory_bytes:
            return OUT_OF_MEMORY
        if flags != 2 or size == 0:
            return INVALID_VALUE
        raw = (ctypes.c_ubyte * (size + ALIGNMENT))()
        ctypes.memset(raw, 0xAB, len(raw))  # whatever was there before
        start = -(-ctypes.addressof(raw) // ALIGNMENT) * ALIGNMENT
        pointer[0] = start
        self.allocated[start] = raw
        return 0

    def _host_get_device_pointer(self, pointer: Any, host: int, flags: int) -> int:
        if host not in self.allocated or flags:
            return INVALID_VALUE
        pointer[0] = host + DEVICE_OFFSET
        return 0

    def _free_host(self, host: int) -> int:
        return 0 if self.allocated.pop(host, None) is not None else INVALID_VALUE

    def _stream_create_with_flags(self, pointer: Any, flags: int) -> int:
        if flags != 1:
            return INVALID_VALUE
        pointer[0] = handle = next(self._handles)
        self.streams[handle] = _Stream()
        return 0

    def _stream_destroy(self, stream: int) -> int:
        return 0 if self.streams.pop(stream, None) is not None else INVALID_VALUE

    def _stream_synchronize(self, stream: int) -> int:
        if stream not in self.streams or self.streams[stream].recording is not None:
            return INVALID_VALUE
        queue, self.streams[stream].queue = self.streams[stream].queue, []
        return next((code for work in queue if (code := work())), 0)

    def _stream_begin_capture(self, stream: int, mode: int) -> int:
        if mode != 1 or self.streams[stream].recording is not None:
            return INVALID_VALUE
        self.streams[stream].recording = []
        return 0

    def _stream_end_capture(self, stream: int, graph: Any) -> int:
        recorded, self.streams[stream].recording = self.streams[stream].recording, None
        if recorded is None or not self.records:
            return CAPTURE_INVALIDATED
        graph[0] = handle = next(self._handles)
        self.graphs[handle] = recorded
        return 0

    def _graph_instantiate_with_flags(self, executable: Any, graph: int, flags: int) -> int:
        if graph not in self.graphs or flags:
            return INVALID_VALUE
        executable[0] = handle = next(self._handles)
        self.executables[handle] = self.graphs[graph]
        return 0

    def _graph_destroy(self, graph: int) -> int:
        return 0 if self.graphs.pop(graph, None) is not None else INVALID_VALUE

    def _graph_launch(self, executable: int, stream: int) -> int:
        if executable not in self.executables or stream not in self.streams:
            return INVALID_VALUE
        self.launches += 1
        self.streams[stream].queue += self.executables[executable]
        return 0

    def _graph_exec_destroy(self, executable: int) -> int:
        return 0 if self.executables.pop(executable, None) is not None else INVALID_VALUE
