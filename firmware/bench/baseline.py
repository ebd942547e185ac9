"""The naive baseline: OpenCV's detector and recogniser on every face of every frame, and a bare threshold.

Knows OpenCV alone, with its defaults; refuses to know tracks, best shots and Kerbside. It runs as a process of its own,
so that its memory and CPU are its own: ``python -m firmware.bench.baseline --video V --portraits D --json OUT``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware.bench import BenchError
from firmware.bench.outcome import Event, Outcome, Summary, write_outcome
from firmware.memory import peak_rss_mb

# FaceDetectorYN.create's and the OpenCV sample's own defaults.
SCORE, NMS, TOP_K = 0.9, 0.3, 5000
THRESHOLD = 0.5  # OpenCV's own 0.363 is for one-to-one verification; on a list of 500 it drowns in false events
REPEAT_FRAMES = 250  # the same entry again within 10 s of its last frame belongs to the event before

Image = NDArray[np.uint8]
Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Weights:
    """The two fp32 ONNX files."""

    yunet: Path
    sface: Path


class Faces:
    """Detect and embed with OpenCV.

    Raises:
        BenchError: a file is missing or OpenCV cannot load it.
    """

    def __init__(self, weights: Weights) -> None:
        """Load both networks."""
        for path in (weights.yunet, weights.sface):
            if not path.is_file():
                raise BenchError(f"no weights at {path}: run ./flash.sh setup")
        try:
            self._detector = cv2.FaceDetectorYN.create(str(weights.yunet), "", (320, 320), SCORE, NMS, TOP_K)
            self._recogniser = cv2.FaceRecognizerSF.create(str(weights.sface), "")
        except cv2.error as error:
            raise BenchError(f"OpenCV cannot load {weights.yunet} or {weights.sface}: {error}") from error
        self._size = (0, 0)

    def vectors(self, image: Image) -> Vectors:
        """Unit vectors of all faces in a BGR image: (n, 128), n may be 0."""
        size = (image.shape[1], image.shape[0])
        if size != self._size:
            self._detector.setInputSize(size)
            self._size = size
        _, rows = self._detector.detect(image)
        if rows is None:
            return np.empty((0, 128), np.float32)
        found = [self._recogniser.feature(self._recogniser.alignCrop(image, row))[0] for row in rows]
        vectors = np.array(found, np.float32)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


@dataclass(frozen=True)
class List:
    """The entries and their unit vectors: ``matrix`` is (n, 128), row i belongs to ``entries[i]``."""

    entries: tuple[str, ...]
    matrix: Vectors


class Notes:
    """Events so far: one for an entry, another only if it comes back after :data:`REPEAT_FRAMES`."""

    def __init__(self) -> None:
        """Start with no event."""
        self.events: list[Event] = []
        self._last_seen: dict[str, int] = {}

    def add(self, entry: str, similarity: float, frame: int) -> None:
        """Note that a face of ``frame`` reached the threshold for ``entry``."""
        last = self._last_seen.get(entry)
        self._last_seen[entry] = frame
        if last is None or frame - last > REPEAT_FRAMES:
            self.events.append(Event(entry, similarity, frame, frame))


def read_list(portraits: Path, faces: Faces) -> List:
    """Embed the first face of every portrait in the folder; portraits without a face are left out.

    Raises:
        BenchError: no portrait holds a face.
    """
    files = sorted(p for p in portraits.iterdir() if p.is_file()) if portraits.is_dir() else []
    pictures = ((p.stem, cv2.imread(str(p), cv2.IMREAD_COLOR)) for p in files)
    found = [(stem, faces.vectors(np.asarray(i, np.uint8))[:1]) for stem, i in pictures if i is not None]
    kept = [(stem, row) for stem, row in found if len(row)]
    if not kept:
        raise BenchError(f"--portraits: no picture with a face in {portraits}")
    return List(tuple(stem for stem, _ in kept), np.concatenate([row for _, row in kept]))


def watch(video: Path, listed: List, faces: Faces, threshold: float) -> Outcome:
    """Read the whole video as fast as it goes and compare every face of every frame with the whole list.

    Raises:
        BenchError: the video cannot be read.
    """
    notes, count, seen = Notes(), 0, 0
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    for frame, image in enumerate(_frames(video)):
        vectors = faces.vectors(image)
        for similarities in vectors @ listed.matrix.T:
            best = int(np.argmax(similarities))
            if similarities[best] >= threshold:
                notes.add(listed.entries[best], round(float(similarities[best]), 4), frame)
        count, seen = frame + 1, seen + len(vectors)
    wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    if not count:
        raise BenchError(f"--video: no frame in {video}")
    cost = Summary(frames=count, wall_s=wall_s, cpu_s=cpu_s, fps=count / wall_s, peak_rss_mb=peak_rss_mb(), faces=seen)
    return Outcome(tuple(notes.events), cost)


def main(words: list[str] | None = None) -> int:
    """Run the baseline as a command. Returns 0, or 2 with a message on standard error."""
    parser = argparse.ArgumentParser(prog="python -m firmware.bench.baseline", description=__doc__)
    for name in ("video", "portraits", "json", "yunet", "sface"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--threshold", type=float, default=THRESHOLD)
    asked = parser.parse_args(words)
    try:
        faces = Faces(Weights(asked.yunet, asked.sface))
        outcome = watch(asked.video, read_list(asked.portraits, faces), faces, asked.threshold)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 2
    write_outcome(outcome, asked.json)
    return 0


def _frames(video: Path) -> Iterator[Image]:
    capture = cv2.VideoCapture(str(video))
    while True:
        good, image = capture.read()
        if not good:
            capture.release()
            return
        yield np.asarray(image, np.uint8)


if __name__ == "__main__":
    sys.exit(main())
