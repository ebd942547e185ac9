"""CSI and USB cameras of a Jetson through jetson-utils. The only file that imports it.

Knows the bindings and guards against what they do: see the comments, each with its source in dusty-nv/jetson-utils.
Refuses to know faces. Sources are ``csi://0`` and ``v4l2:///dev/video0``, the latter also by ``/dev/v4l/by-id/...``,
which stays the same when a camera is plugged in elsewhere.
"""

from __future__ import annotations

import importlib
import os
import re
import time
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from board.camera import Camera, CameraError, CameraSpec, Frame, Gap
from board.recovery import Recovery
from board.ring import Ring

MODULES = ("jetson_utils_python", "jetson_utils")
"""The bindings themselves first: the package around them (2.0) hides some of them and wants docker (#239)."""
NEEDED = ("videoSource", "cudaStreamCreate", "cudaStreamDestroy", "cudaStreamSynchronize", "Log")

BUFFERS = 8
"""The driver's ring: at 15 frames a second a picture may be looked at for half a second before it has to be copied."""
READ_MS = 1000
FAILED_READS = 2
"""One failure may be a frame that came between a wait and its read (gstBufferManager::Dequeue, #225)."""
READER_WAITS = 3
SILENT_READS = 3
"""After a camera is unplugged ``Capture`` times out for ever while ``IsStreaming`` stays True (gstCamera.cpp)."""
FIRST_READS = 10
"""The sensor's first frame takes longer."""
FROZEN_S = 2.0
"""A sensor has noise: pixels that are the same for so long are one picture again and again (EGLStream reuse)."""
SAMPLE_EVERY_PX = 16
USUAL_PX = (1280, 720)
"""Asked for where no size is: a size that is asked for cannot change midway."""
WORKING_FRAMES = 100
"""A camera that brought so many different pictures works; one that stutters or shows one picture has failed."""
READER_S = 1.0
"""How long a capture waits for a network that still reads the buffer which is to be written."""

Clock = Callable[[], int]
Resolve = Callable[[str], str]


def load_bindings(modules: tuple[str, ...] = MODULES) -> Any:
    """NVIDIA's bindings.

    Raises:
        CameraError: not installed, or another package of that name (there is one on public registries).
    """
    reasons = []
    for name in modules:
        try:
            module = importlib.import_module(name)
        except ImportError as error:
            reasons.append(str(error))
            continue
        missing = [part for part in NEEDED if not hasattr(module, part)]
        if not missing:
            return module
        reasons.append(f"{getattr(module, '__file__', name)} is not NVIDIA's: it has no {', '.join(missing)}")
    raise CameraError(f"jetson-utils: {'; '.join(reasons)}")


class JetsonCameras:
    """Opens cameras, and climbs the ladder of remedies when one does not bring frames.

    Args:
        ju: from :func:`load_bindings`.
        recovery: the ladder.
        clock: monotonic nanoseconds.
        resolve: a device's path to the one that its links lead to now.
    """

    def __init__(
        self, ju: Any, recovery: Recovery, clock: Clock = time.monotonic_ns, resolve: Resolve = os.path.realpath
    ) -> None:
        self._ju, self._recovery, self._clock, self._resolve = ju, recovery, clock, resolve
        self._before: dict[str, JetsonCamera | None] = {}
        # The default is VERBOSE, on standard output (PyLogging.cpp), where our log lines are.
        ju.Log.SetLevel("warning")
        ju.Log.SetFilename("stderr")

    def open(self, spec: CameraSpec) -> Camera:
        """Open a camera, or open it again.

        Raises:
            CameraError: it cannot be opened now.
            CameraStuck: it brought no frame too often.
        """
        uri = _resolved(spec.uri, self._resolve)  # what is not plugged in has not failed: no remedy brings it back
        if spec.name in self._before:
            before = self._before[spec.name]
            if before is not None:
                before.close()
            if before is not None and before.changes >= WORKING_FRAMES:
                self._recovery.brought_frames(spec.name)
            else:
                self._recovery.failed(spec.name, on_daemon=spec.uri.startswith("csi:"))
        self._before[spec.name] = None
        camera = JetsonCamera(self._ju, spec, self._clock, uri)
        self._before[spec.name] = camera
        return camera


class JetsonCamera:
    """An open camera: see :class:`board.camera.Camera`.

    Raises:
        CameraError: the driver refuses it.
    """

    def __init__(self, ju: Any, spec: CameraSpec, clock: Clock, uri: str) -> None:
        self.frames = self.changes = 0
        self.fault = ""
        self._ju, self._name, self._clock = ju, spec.name, clock
        self._ring = Ring(BUFFERS)
        self._size_px: tuple[int, int] | None = None
        self._missed = 0
        self._sample = 0
        self._fresh_ns: int | None = None
        try:
            # Never Open(): when it fails it does not take Python's lock back (PyVideo.cpp). Capture opens by itself.
            self._source = ju.videoSource(uri, options=_options(spec))
            self._stream = ju.cudaStreamCreate(nonblocking=True)
        except Exception as error:  # the bindings raise nothing more precise
            raise CameraError(f"{spec.uri}: {error}") from error

    def read(self) -> Frame | Gap:
        """See :class:`board.camera.Camera`. Blocks for up to a second, without Python's lock."""
        if self.fault:
            return Gap.LOST
        if not self._ring.make_room(READER_S):
            return self._miss("a network does not let go of a picture", READER_WAITS)
        try:
            image = self._source.Capture(format="rgb8", timeout=READ_MS, stream=self._stream)
        except Exception as error:  # noqa: BLE001  the bindings raise nothing more precise
            self._ring.clear(READER_S)  # it cannot be told which buffer is the next
            return self._miss(f"the driver failed: {error}", FAILED_READS)
        # Its own timestamp counts from the pipeline's start (gstCamera.cpp).
        t_ns = self._clock()
        if image is None:
            limit = SILENT_READS if self.frames else FIRST_READS
            return self._miss(f"no frame for {limit} s", limit)
        # The conversion to RGB is only on its way yet.
        self._ju.cudaStreamSynchronize(self._stream)
        return self._take(image, t_ns)

    def close(self) -> None:
        """See :class:`board.camera.Camera`. The pictures that are still wanted are copied: their memory goes."""
        self.fault = self.fault or "closed"
        if self._source is None:
            return
        self._ring.clear(READER_S)
        self._source = None
        self._ju.cudaStreamDestroy(self._stream)

    def _take(self, image: Any, t_ns: int) -> Frame | Gap:
        if not image.mapped:
            return self._lose("its pictures are not in memory that the processor sees (zeroCopy)")
        height_px, width_px = image.shape[:2]
        self._size_px = self._size_px or (width_px, height_px)
        if self._size_px != (width_px, height_px):
            self._ring.lose()  # RingBuffer::Alloc has freed it; a size that is asked for, as below, should prevent that
            return self._lose(f"sends pictures of {width_px} x {height_px} instead of {self._size_px}")
        if self._frozen(image, t_ns):
            return self._lose(f"shows the same picture for {FROZEN_S:.0f} s")
        self._missed = 0
        frame = Frame(self._name, self.frames, t_ns, self._ring.add(image, self._source))
        self.frames += 1
        return frame

    def _miss(self, reason: str, limit: int) -> Gap:
        """No frame this time; ``limit`` times in a row are a loss."""
        self._missed += 1
        return self._lose(reason) if self._missed >= limit else Gap.TIMEOUT

    def _frozen(self, image: Any, t_ns: int) -> bool:
        pixels = np.asarray(image)[::SAMPLE_EVERY_PX, ::SAMPLE_EVERY_PX]
        sample = zlib.crc32(pixels.tobytes())
        if self._fresh_ns is None or sample != self._sample:
            self._sample, self._fresh_ns = sample, t_ns
            self.changes += 1
        return t_ns - self._fresh_ns >= FROZEN_S * 1e9

    def _lose(self, reason: str) -> Gap:
        self.fault = reason
        return Gap.LOST


def _resolved(uri: str, resolve: Resolve) -> str:
    """The device's present name: the driver compares names and takes no link (v4l2 discovery), and numbers change."""
    if re.fullmatch(r"csi://\d", uri):
        return uri
    if not uri.startswith("v4l2:///dev/"):
        raise CameraError(f"{uri}: expected csi://NUMBER or v4l2:///dev/...")
    device = resolve(uri.removeprefix("v4l2://"))
    if not re.fullmatch(r"/dev/video\d+", device):
        raise CameraError(f"{uri}: is {device}, no video device now")
    return f"v4l2://{device}"


def _options(spec: CameraSpec) -> dict[str, Any]:
    """All that matters is said: the defaults differ between versions."""
    turned = spec.mounting == "upside-down"
    if spec.uri.startswith("csi:"):
        turned = not turned  # buildLaunchStr exchanges "none" and "rotate-180" for CSI cameras (gstCamera.cpp)
    options: dict[str, Any] = {
        "numBuffers": BUFFERS,
        "zeroCopy": True,
        "flipMethod": "rotate-180" if turned else "none",
    }
    options["width"], options["height"] = spec.size_px or USUAL_PX
    if spec.fps is not None:
        options["framerate"] = spec.fps
    return options
