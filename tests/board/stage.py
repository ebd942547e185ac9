"""Video files that the stories of board/ are filmed with, and a clock that a test can set. No tests."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer

from board.picture import Pixels


@dataclass(frozen=True)
class Film:
    """How a file is written: by default each picture for itself, so that each can be lost alone."""

    codec: str = "mpeg4"
    pix_fmt: str = "yuv420p"
    fps: int = 25
    keyframe_every: str = "1"
    first: int = 0
    """The first picture's time, in frames."""
    sound_s: float = 0.0
    """Seconds of silence beside the pictures."""


def write(path: Path, pictures: Sequence[Pixels], film: Film = Film()) -> Path:
    """A video of pictures of one size; an MP4 has its index at the front."""
    options = {"movflags": "+faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(film.codec, rate=film.fps, options={"qscale": "2", "g": film.keyframe_every})
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = film.pix_fmt
        stream.bit_rate = 8_000_000
        stream.codec_context.time_base = Fraction(1, film.fps)
        sound = container.add_stream("pcm_s16le", rate=8000) if film.sound_s else None
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = film.first + number, Fraction(1, film.fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            _silence(container, sound, film.sound_s)
    return path


def _silence(container: OutputContainer, stream: av.AudioStream, seconds: float) -> None:
    silence = av.AudioFrame.from_ndarray(np.zeros((1, int(8000 * seconds)), np.int16), format="s16", layout="mono")
    silence.rate = 8000
    container.mux(stream.encode(silence))
    container.mux(stream.encode(None))


def patch_matrix(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Give an MP4's one track the display matrix (a, b, c, d): (x, y) is shown at (ax + cy, bx + dy)."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    a, b, c, d = (side << 16 for side in matrix)
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def patch_edit(path: Path, start: int, length: int) -> Path:
    """Let an MP4's edit list show ``length`` frames from frame ``start`` on; each is a keyframe, 25 a second."""
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") + 4
    version, entries = data[at], int.from_bytes(data[at + 4 : at + 8])
    assert (version, entries) == (0, 1)
    mvhd, mdhd = (data.index(name) + 4 for name in (b"mvhd", b"mdhd"))
    film_scale, track_scale = (int.from_bytes(data[box + 12 : box + 16]) for box in (mvhd, mdhd))
    data[at + 8 : at + 16] = struct.pack(">II", length * film_scale // 25, start * track_scale // 25)
    path.write_bytes(data)
    return path


def write_sound(path: Path) -> Path:
    """A second of silence, and no picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        assert isinstance(stream, av.AudioStream)
        _silence(container, stream, 1.0)
    return path


def cut(path: Path, share: float) -> Path:
    """Keep the first ``share`` of a file's bytes."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def grain(width: int, height: int, seed: int) -> Pixels:
    """Soft random blobs: something to average, and to compress to files of some size."""
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 4, width // 4, 3))
    return np.asarray(np.repeat(np.repeat(coarse, 4, 0), 4, 1), np.uint8)


class LateClock:
    """A clock on which every reading is a second later than the last: a paced file never has to wait."""

    def __init__(self, start_ns: int) -> None:
        self.now_ns = start_ns
        self.readings: list[int] = []

    def __call__(self) -> int:
        self.now_ns += 1_000_000_000
        self.readings.append(self.now_ns)
        return self.now_ns
