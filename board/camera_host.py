"""Cameras of a laptop, a desktop or a CI machine: video files and V4L2 devices through PyAV. The only file with FFmpeg.

Knows decoding, pace and when a source is gone; refuses to know faces. Sources are URIs: ``file:///path/clip.mp4`` or
``file://relative.mp4``, and ``v4l2:///dev/video0``. A picture stands as its file says that it is shown: phones film
lying down, and write by how much to turn it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.format import Flags
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from board.camera import CameraError, CameraSpec, Frame, Gap
from board.picture import Pixels, fitted_size

Clock = Callable[[], int]

_TOLERANCE_FRAMES = 3
_TOLERANCE_NS = 500_000_000


class _Scalers:
    """swscale's contexts, kept because each is made for one pair of sizes; each is used by one thread only.

    They scale with one thread: swscale's own pool takes the cores from the detector (measured at 720p, fitting and
    detecting: 3.4 ms a frame with one, 4.5 ms with as many as there are cores).
    """

    def __init__(self) -> None:
        self.whole = VideoReformatter()
        self.small = VideoReformatter()
        self.small_rgb = VideoReformatter()


class HostPicture:
    """A decoded frame that is converted to RGB only when somebody asks.

    Measured at 720p on one core: the whole picture 0.3 ms, fitted into 640 x 384 0.5 ms. One thread may ask for the
    whole picture while another asks for the fitted one. A frame that is to be shown turned by quarters is turned last.
    """

    def __init__(self, frame: VideoFrame, scalers: _Scalers, turned: int = 0) -> None:
        self._frame = frame
        self._scalers = scalers
        self._rgb: Pixels | None = None
        self._quarters = (round(frame.rotation / 90) + turned) % 4  # counter-clockwise

    @property
    def width_px(self) -> int:
        """Width of the whole picture, as it is shown."""
        return int(self._frame.height if self._quarters % 2 else self._frame.width)

    @property
    def height_px(self) -> int:
        """Height of the whole picture, as it is shown."""
        return int(self._frame.width if self._quarters % 2 else self._frame.height)

    def rgb(self) -> Pixels:
        """The whole picture; converted once."""
        if self._rgb is None:
            whole = self._scalers.whole.reformat(self._frame, format="rgb24", threads=1)
            self._rgb = _turned(_pixels(whole), self._quarters)
        return self._rgb

    def on_device(self) -> AbstractContextManager[None]:
        """It is in the processor's memory."""
        return nullcontext()

    def fitted(self, width_px: int, height_px: int) -> Pixels:
        """Area-averaged first and converted then: a third of the work of converting the whole picture first."""
        width, height = fitted_size((self.width_px, self.height_px), (width_px, height_px))
        if (width, height) == (self.width_px, self.height_px):
            return self.rgb()
        if self._quarters % 2:
            width, height = height, width
        small = self._scalers.small.reformat(
            self._frame, width, height, format="yuv422p", interpolation="AREA", threads=1
        )
        return _turned(_pixels(self._scalers.small_rgb.reformat(small, format="rgb24", threads=1)), self._quarters)


def _pixels(frame: VideoFrame) -> Pixels:
    """The frame's own memory as (H, W, 3), without a copy; the array keeps the frame alive."""
    plane = frame.planes[0]
    rows: Pixels = np.frombuffer(memoryview(plane), np.uint8).reshape(frame.height, plane.line_size)
    return rows[:, : frame.width * 3].reshape(frame.height, frame.width, 3)


def _turned(picture: Pixels, quarters: int) -> Pixels:
    return np.ascontiguousarray(np.rot90(picture, quarters)) if quarters else picture


def _device_options(spec: CameraSpec) -> dict[str, str]:
    """What FFmpeg's V4L2 input is asked for."""
    size = {} if spec.size_px is None else {"video_size": "{}x{}".format(*spec.size_px)}
    return size | ({} if spec.fps is None else {"framerate": f"{spec.fps:g}"})


def _open(uri: str, path: str, device: dict[str, str] | None) -> InputContainer:
    """The source, sure to hold a video that can be decoded. A file reaches no network, whatever it or its name says."""
    url, options = (f"file:{path}", {"protocol_whitelist": "file"}) if device is None else (path, device)
    try:
        container = av.open(url, format=None if device is None else "v4l2", options=options, timeout=(5.0, 2.0))
    except (FFmpegError, OSError) as error:
        raise CameraError(f"{uri}: cannot be opened as video: {error.strerror or error}") from error
    video = container.streams.video
    if video and video[0].codec_context is not None:
        return container
    container.close()
    raise CameraError(f"{uri}: {'no decoder for its video' if video else 'holds no video stream'}")


def _declared_end_ns(container: InputContainer, stream: VideoStream) -> int | None:
    """The presentation time at which the file says its video is over; None when it says nothing of it."""
    flags = Flags(container.format.flags)
    if flags & (Flags.no_timestamps | Flags.ts_discont):
        return None  # MPEG-TS, bare streams: FFmpeg only guesses, from the bytes that are there
    if container.format.name == "avi" and stream.frames and stream.time_base is not None:
        # One unit of time a frame. FFmpeg shortens the duration of a cut file to what is there, not its frames.
        return round(stream.frames * stream.time_base * 1_000_000_000)
    if stream.duration is not None and stream.time_base is not None:
        return round(((stream.start_time or 0) + stream.duration) * stream.time_base * 1_000_000_000)
    if container.duration is None:
        return None
    whole_ns = container.duration * 1000
    return min(whole_ns, _tagged_ns(stream.metadata.get("DURATION", "")) or whole_ns)


def _tagged_ns(text: str) -> int | None:
    """Matroska's ``00:01:10.040000000``: the video's own length, where the file's is that of its longest stream."""
    found = re.fullmatch(r"(\d+):(\d\d):(\d\d)(?:\.(\d{1,9}))?", text)
    if found is None:
        return None
    hours, minutes, seconds, fraction = found.groups(default="0")
    return (int(hours) * 3600 + int(minutes) * 60 + int(seconds)) * 1_000_000_000 + int(fraction.ljust(9, "0"))


class HostCamera:
    """An open file or device.

    Args:
        spec: name and source, see the module; size, rate and mounting are a device's.
        clock: monotonic nanoseconds.
        paced: deliver a file at its own frame rate and stamp frames with ``clock``, as a camera would; otherwise as
            fast as it is read, stamped with the presentation time, so that a replay is deterministic.

    Raises:
        CameraError: unknown scheme, or the source cannot be opened as video now.
    """

    fault = ""
    """FFmpeg tells no reason."""

    def __init__(self, spec: CameraSpec, clock: Clock = time.monotonic_ns, *, paced: bool = True) -> None:
        scheme, _, path = spec.uri.partition("://")
        if scheme not in {"file", "v4l2"} or not path:
            raise CameraError(f"{spec.uri}: expected file://PATH or v4l2://DEVICE")
        self._name = spec.name
        self._clock = clock
        self._live = scheme == "v4l2"
        self._paced = paced and not self._live
        self._turned = 2 if self._live and spec.mounting == "upside-down" else 0
        self._container = _open(spec.uri, path, _device_options(spec) if self._live else None)
        self._stream = self._container.streams.video[0]
        # One thread decodes: two cost 25 % more processor time in all, and the cores have other work.
        self._stream.thread_type = "NONE"
        self._declared = 0 if self._live else self._stream.frames
        self._declared_end_ns = None if self._live else _declared_end_ns(self._container, self._stream)
        self._end_ns = 0
        self._frames = self._container.decode(self._stream)
        self._scalers = _Scalers()
        self._seq = 0
        self._offset_ns: int | None = None
        self._gone: Gap | None = None
        self.uri = spec.uri

    @property
    def size_px(self) -> tuple[int, int]:
        """(width, height) of the coded pictures."""
        return self._stream.codec_context.width, self._stream.codec_context.height

    @property
    def fps(self) -> float:
        """Frames per second that the source declares; 25 when it declares none."""
        return float(self._stream.average_rate or 25)

    def read(self) -> Frame | Gap:
        """See :class:`board.camera.Camera`. A file that stops before its declared length is LOST, not ENDED.

        The length is a duration if the file has one, else a number of frames. Where it has neither (MPEG-TS, bare
        H.264) a cut cannot be told from an end, and is ENDED; so is a cut that takes no more than
        3 frames or half a second, whichever is longer.
        """
        if self._gone is not None:
            return self._gone
        try:
            decoded = next(self._frames)
        except StopIteration:
            self._gone = Gap.LOST if self._live or self._cut_off() else Gap.ENDED
            return self._gone
        except (FFmpegError, OSError):
            self._gone = Gap.LOST
            return self._gone
        shown_ns = self._presentation_ns(decoded)
        self._reach(shown_ns, decoded)
        t_ns = self._stamp(shown_ns)
        frame = Frame(self._name, self._seq, t_ns, HostPicture(decoded, self._scalers, self._turned))
        self._seq += 1
        return frame

    def close(self) -> None:
        """See :class:`board.camera.Camera`. A later read is LOST: FFmpeg would crash on a closed source."""
        self._gone = self._gone or Gap.LOST
        self._container.close()

    @property
    def progress(self) -> tuple[int, int]:
        """Frames read, and frames that a file declares (0 when it declares none)."""
        return self._seq, self._declared

    def _cut_off(self) -> bool:
        """Whether much less came than was declared. An edit list hides frames, so too few of them alone is no cut."""
        if self._seq == 0:
            return True
        if self._declared_end_ns is None or self._seq >= self._declared > 0:
            return self._seq < self._declared
        return self._end_ns + max(_TOLERANCE_NS, round(_TOLERANCE_FRAMES * 1e9 / self.fps)) < self._declared_end_ns

    def _reach(self, shown_ns: int, decoded: VideoFrame) -> None:
        """Keep until when frames were shown: the last may be held for longer than one frame's time."""
        held_ns = round(float((decoded.duration or 0) * (decoded.time_base or 0)) * 1e9)
        self._end_ns = max(self._end_ns, shown_ns + max(held_ns, round(1e9 / self.fps)))

    def _presentation_ns(self, decoded: VideoFrame) -> int:
        if decoded.time is None:
            return round(self._seq * 1e9 / self.fps)
        return round(decoded.time * 1e9)

    def _stamp(self, shown_ns: int) -> int:
        """When the frame was captured; a paced file waits here until that time."""
        if self._live:
            return self._clock()
        if not self._paced:
            return shown_ns
        if self._offset_ns is None:
            self._offset_ns = self._clock() - shown_ns
        due_ns = self._offset_ns + shown_ns
        time.sleep(max(0, due_ns - self._clock()) / 1e9)
        return due_ns
