"""Look for a face in bytes: its pixels, its template in any usual form, and pictures that resemble it.

What it can find is proven by the controls in ``test_canary.py``; what it cannot, it cannot promise.
"""

from __future__ import annotations

import base64
import contextlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

from board.picture import Pixels
from models.align import chips
from models.faces import F32, Faces
from models.vision import Vision

RUN_PX = 8
"""Neighbouring pixels of one row that count as a trace: 24 bytes of RGB."""
FEWEST_VALUES = 8
"""Different bytes that such a run must hold, so that it cannot be there by chance."""
RUN_FLOATS = 8
"""Neighbouring numbers of a template, as they are, that count as a trace."""
LONG_RUN_FLOATS, ALIKE = 48, 0.9
"""Neighbouring numbers that count also when they are rounded, scaled or of another frame: then by their cosine."""
EXACT = ("<f4", ">f4", "<f2", "<f8")
NUMBERS = (*EXACT, "i1")
ENCODED = re.compile(rb"[A-Za-z0-9+/]{24,}")
HEXADECIMAL = re.compile(rb"(?:[0-9a-fA-F]{2}){16,}")
WRITTEN = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
PICTURES = re.compile(rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|RIFF....WEBP|BM|GIF8", re.DOTALL)
ROWS_AT_ONCE = 8192


def layers(blob: bytes) -> Iterator[bytes]:
    """The bytes, and what is written in them as base64, as hexadecimal digits or as a list of small numbers."""
    yield blob
    for run in ENCODED.findall(blob):
        for start in range(4):
            yield decoded(run[start:])
    for run in HEXADECIMAL.findall(blob):
        yield bytes.fromhex(run.decode())
    yield bytes(int(number) for number in WRITTEN.findall(blob) if number.isdigit() and int(number) < 256)


def decoded(text: bytes) -> bytes:
    """Base64 whose padding may be missing."""
    whole = text[: -1 if len(text) % 4 == 1 else None]
    return base64.b64decode(whole + b"=" * (-len(whole) % 4))


@dataclass(frozen=True)
class Trace:
    """Finds one face.

    Attributes:
        runs: short runs of pixels, as bytes, in the usual layouts.
        templates: (n, d) that were or could have been made of it.
    """

    runs: frozenset[bytes]
    templates: F32

    def pixels_in(self, blob: bytes) -> int:
        """How many of the runs are there."""
        return sum(run in layer for layer in layers(blob) for run in self.runs)

    @cached_property
    def needles(self) -> frozenset[bytes]:
        """Every run of ``RUN_FLOATS`` numbers of a template, as bytes of the usual kinds."""
        kinds = [self.templates.astype(kind) for kind in EXACT]
        starts = range(self.templates.shape[1] - RUN_FLOATS + 1)
        return frozenset(row[at : at + RUN_FLOATS].tobytes() for rows in kinds for row in rows for at in starts)

    def template_in(self, blob: bytes) -> bool:
        """Whether a part of a template is there: a short one as it is, a long one also rounded or of another frame."""
        exactly = any(needle in layer for layer in layers(blob) for needle in self.needles)
        long = sliding(self.templates, LONG_RUN_FLOATS, 16)
        return exactly or any(contains(values, long, ALIKE) for values in readings(blob))

    def resemblance(self, blob: bytes, vision: Vision) -> float:
        """Greatest similarity of a face in any picture that is there; -1 when there is no face."""
        found = [look(picture, vision)[1] for picture in pictures(blob)]
        return max((float((vectors @ self.templates.T).max()) for vectors in found if len(vectors)), default=-1.0)


def readings(blob: bytes) -> Iterator[F32]:
    """The bytes read as numbers of every usual kind from every start, and the numbers written in them."""
    for layer in layers(blob):
        for kind in NUMBERS:
            size = np.dtype(kind).itemsize
            for start in range(size):
                count = (len(layer) - start) // size
                yield finite(np.frombuffer(layer, kind, max(0, count), min(start, len(layer))))
    yield finite(np.array([float(number) for number in WRITTEN.findall(blob)]))


def finite(values: npt.NDArray[np.generic]) -> F32:
    """As float32; what cannot be a template's number becomes 0."""
    with np.errstate(all="ignore"):
        numbers = values.astype(np.float64)
    sane = np.isfinite(numbers) & (np.abs(numbers) < 1e6) & (np.abs(numbers) > 1e-12)
    return np.where(sane, numbers, 0).astype(np.float32)


def sliding(rows: F32, length: int, step: int) -> F32:
    """Every ``step``-th run of ``length`` values of each row, as rows of unit length."""
    runs = np.lib.stride_tricks.sliding_window_view(rows, length, axis=1)[:, ::step].reshape(-1, length)
    return units(runs)


def units(rows: F32) -> F32:
    """Rows of unit length; rows of nothing stay nothing."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    result: F32 = (rows / np.maximum(norms, 1e-9)).astype(np.float32)
    return result


def contains(values: F32, wanted: F32, least: float) -> bool:
    """Whether a run of ``values`` has a cosine of ``least`` to a row of ``wanted``."""
    if len(values) < wanted.shape[1]:
        return False
    runs = np.lib.stride_tricks.sliding_window_view(values, wanted.shape[1])
    runs = runs[np.count_nonzero(runs, axis=1) > wanted.shape[1] // 2]
    blocks = (units(runs[start : start + ROWS_AT_ONCE]) for start in range(0, len(runs), ROWS_AT_ONCE))
    return any(float((block @ wanted.T).max()) >= least for block in blocks)


def pictures(blob: bytes) -> Iterator[Pixels]:
    """Every picture that can be decoded from somewhere in the bytes, even if its end is missing."""
    for layer in layers(blob):
        for start in PICTURES.finditer(layer):
            with contextlib.suppress(Exception):
                yield opened(layer[start.start() :])


def opened(data: bytes) -> Pixels:
    """The picture at the beginning of ``data``; what is missing of it is grey."""
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        with Image.open(io.BytesIO(data)) as picture:
            return np.array(picture.convert("RGB"))
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False


def look(picture: Pixels, vision: Vision) -> tuple[Faces, F32]:
    """The faces of a picture, and their templates; small pictures are enlarged, so that no face is overlooked."""
    enlarged = Image.fromarray(picture).resize((2 * picture.shape[1], 2 * picture.shape[0]))
    larger = [picture, np.asarray(enlarged)]
    seen = [(shown, vision.detector.detect(shown)) for shown in larger]
    shown, faces = max(seen, key=lambda pair: len(pair[1]))
    if not len(faces):
        return faces, np.zeros((0, vision.embedder.dimension), np.float32)
    landmarks = vision.closeup.refine(shown, faces.boxes, faces.landmarks)
    return faces, vision.embedder.embed_both(chips(shown, landmarks)).vectors


def runs_of(picture: Pixels) -> set[bytes]:
    """Runs of pixels of a picture that could not be there by chance: RGB, BGR and grey."""
    grey = np.asarray(Image.fromarray(picture).convert("L"))
    rows = [row.tobytes() for layout in (picture, picture[..., ::-1]) for row in layout[::3]]
    found = {row[start : start + 3 * RUN_PX] for row in rows for start in range(0, len(row), 3 * RUN_PX)}
    found |= {row[start : start + 2 * RUN_PX] for row in map(bytes, grey[::3]) for start in range(0, len(row), RUN_PX)}
    return {run for run in found if len(run) >= 2 * RUN_PX and len(set(run)) >= FEWEST_VALUES}
