"""NVIDIA's ``jetson_utils`` without a Jetson: the bindings as they behave, traps included. Holds no test.

Written from dusty-nv/jetson-utils: python/bindings/PyVideo.cpp and PyCUDA.cpp, camera/gstCamera.cpp,
codec/gstBufferManager.cpp and its RingBuffer.h. Each trap is named where it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np

from board.picture import Pixels

STALE, ON_ITS_WAY, GONE = 0xAB, 0xEE, 0xDD
"""What memory holds before a first picture, before its conversion is done, and after its source was deleted."""
Step = Pixels | None | Exception
"""What one capture brings: a picture, a time-out, or the driver's exception."""


class Crash(BaseException):
    """What would be a crash of the interpreter."""


@dataclass
class Sensor:
    """A camera at the other end of the cable; once its script is over it is unplugged."""

    script: Iterator[Step]
    on_capture: Callable[[], object] = lambda: None
    mapped: bool = True

    @staticmethod
    def filming(*steps: Step) -> Sensor:
        return Sensor(iter(steps))


@dataclass
class CudaImage:
    """PyCUDA.cpp: a view of a buffer that it does not own (freeOnDelete False)."""

    memory: Pixels
    mapped: bool
    timestamp: int
    device_offset: int = 0
    format: str = "rgb8"

    @property
    def shape(self) -> tuple[int, ...]:
        return self.memory.shape

    @property
    def ptr(self) -> int:
        return int(self.memory.__array_interface__["data"][0]) + self.device_offset

    @property
    def __array_interface__(self) -> dict[str, Any] | None:
        return self.memory.__array_interface__ if self.mapped else None

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        lies = self.memory.__array_interface__
        return {
            "shape": self.shape,
            "typestr": "<u1",
            "data": (lies["data"][0] + self.device_offset, False),
            "version": 3,
        }


class VideoSource:
    """``videoSource``: opened by the first capture."""

    def __init__(self, world: SimulatedJetsonUtils, uri: str, options: dict[str, Any]) -> None:
        self._world, self._sensor = world, world.sensors[uri]
        self._csi = uri.startswith("csi:")
        self._options = options
        self._size: tuple[int, int] = (options.get("width", 1280), options.get("height", 720))
        self._ring: list[Pixels] = []
        self._turn = 0
        self._pts = count(0, 33_333_333)

    def __del__(self) -> None:
        self._world.deleted += 1
        for memory in self._ring:
            memory.fill(GONE)

    def Open(self) -> None:  # noqa: N802
        """On failure it returns without Python's lock (PyVideo.cpp)."""
        raise Crash("Open() without the lock")

    def IsStreaming(self) -> bool:  # noqa: N802
        """Stays True after the camera is gone (gstCamera::checkMsgBus only logs)."""
        return True

    def GetWidth(self) -> int:  # noqa: N802
        return self._size[0]

    def GetHeight(self) -> int:  # noqa: N802
        return self._size[1]

    def Capture(self, format: str = "rgb8", timeout: int = 1000, stream: int = 0) -> CudaImage | None:  # noqa: A002, N802
        if format != "rgb8":
            raise AssertionError(f"{format}: an unknown word gives raw YUV, a known one four bytes or floats a pixel")
        if timeout < 0:
            raise AssertionError("would wait for ever")
        self._sensor.on_capture()
        step = next(self._sensor.script, None)  # after an unplug: None, for ever
        if isinstance(step, Exception):
            raise step
        if step is None:
            if self._world.Log.filename == "stdout":  # gstCamera::Capture logs every time-out as an error
                print("[gstreamer] gstDecoder -- failed to retrieve next image buffer")  # noqa: T201
            return None
        return self._convert(self._turned(step), stream)

    def _turned(self, picture: Pixels) -> Pixels:
        """buildLaunchStr exchanges "none" (the default) and "rotate-180" for CSI cameras."""
        turn = self._options.get("flipMethod", "none") == "rotate-180"
        return np.rot90(picture, 2) if turn != self._csi else picture

    def _convert(self, picture: Pixels, stream: int) -> CudaImage:
        """gstBufferManager::Dequeue: the ring's next buffer is written, on the stream; it is not done on return."""
        self._size = (picture.shape[1], picture.shape[0])
        if not self._ring or self._ring[0].shape != picture.shape:  # RingBuffer::Alloc frees the old buffers
            for memory in self._ring:
                memory.fill(GONE)
            self._ring = [self._world.allocate(picture.shape) for _ in range(self._options.get("numBuffers", 4))]
            self._turn = 0
        memory = self._ring[self._turn % len(self._ring)]
        self._turn += 1
        memory.fill(ON_ITS_WAY)
        self._world.streams[stream].append(lambda: np.copyto(memory, picture))
        return CudaImage(
            memory,
            self._sensor.mapped and self._options.get("zeroCopy", True),
            next(self._pts),
            self._world.device_offset,
        )


class _Log:
    """PyLogging.cpp: VERBOSE until told otherwise, on standard output; takes the level's name."""

    def __init__(self) -> None:
        self.level = "verbose"
        self.filename = "stdout"

    def SetLevel(self, level: str) -> None:  # noqa: N802
        if level not in {"silent", "error", "warning", "success", "info", "verbose", "debug"}:
            raise TypeError(f"no such level: {level}")
        self.level = level

    def SetFilename(self, filename: str) -> None:  # noqa: N802
        self.filename = filename


@dataclass
class SimulatedJetsonUtils:
    """The module.

    Attributes:
        sensors: by the URI that the driver knows: links are not followed (v4l2 discovery compares names).
        leaked: sources that could not be made and are never freed (#148).
        deleted: sources that were freed, with their rings.
        options: that each source was made with.
        allocate, device_offset: memory for the rings, and how far from it the GPU sees it.
    """

    sensors: dict[str, Sensor] = field(default_factory=dict)
    leaked: int = 0
    deleted: int = 0
    options: list[dict[str, Any]] = field(default_factory=list)
    streams: dict[int, list[Callable[[], None]]] = field(default_factory=lambda: {0: []})
    allocate: Callable[[tuple[int, ...]], Pixels] = lambda shape: np.full(shape, STALE, np.uint8)
    device_offset: int = 0
    Log: _Log = field(default_factory=_Log)
    _handles: Iterator[int] = field(default_factory=lambda: count(1))

    def videoSource(self, uri: str, argv: Sequence[str] = (), options: dict[str, Any] | None = None) -> VideoSource:  # noqa: N802
        if self.Log.level == "verbose":
            print(f"[gstreamer] gstCamera -- attempting to create device {uri}")  # noqa: T201
        if uri not in self.sensors:
            self.leaked += 1
            raise Exception("jetson.utils -- failed to create videoSource device")  # noqa: TRY002
        self.options.append(dict(options or {}))
        return VideoSource(self, uri, options or {})

    def cudaStreamCreate(self, nonblocking: bool = False, priority: int = 0) -> int:  # noqa: FBT001, FBT002, N802
        handle = next(self._handles)
        self.streams[handle] = []
        return handle

    def cudaStreamDestroy(self, stream: int) -> None:  # noqa: N802
        del self.streams[stream]

    def cudaStreamSynchronize(self, stream: int) -> None:  # noqa: N802
        work, self.streams[stream] = self.streams[stream], []
        for one in work:
            one()
