"""Video files that the stories of board/ are filmed with, and a clock that a test can set. No tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from board.picture import Pixels


@dataclass(frozen=True)
class Film:
    """How a file is written: by default each picture for itself, so that each can be lost alone."""

    codec: str = "mpeg4"
    pix_fmt: str = "yuv420p"
    fps: int = 25
    keyframe_every: str = "1"


def write(path: Path, pictures: Sequence[Pixels], film: Film = Film()) -> Path:
    """A video of pictures of one size; an MP4 has its index at the front."""
    options = {"movflags": "+faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(film.codec, rate=film.fps, options={"qscale": "2", "g": film.keyframe_every})
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = film.pix_fmt
        stream.bit_rate = 8_000_000
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def write_sound(path: Path) -> Path:
    """A second of silence, and no picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        assert isinstance(stream, av.AudioStream)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), format="s16", layout="mono")
        silence.rate = 8000
        container.mux(stream.encode(silence))
        container.mux(stream.encode(None))
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
