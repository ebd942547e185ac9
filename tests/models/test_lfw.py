"""Do the networks tell faces apart? Labelled Faces in the Wild, pair by pair, through detection, alignment, embedding.

Needs its photographs (KERBSIDE_FACES, or ../shared/faces/lfw) with ``pairs.txt`` beside their folder. A run takes every
fourth pair; ``-m slow`` takes them all.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from models.align import chips
from models.detector import Detector
from models.faces import F32, Faces
from models.vision import Vision
from tests.models.stage import Pixels
from tests.source import ROOT

LFW = Path(os.environ.get("KERBSIDE_FACES", ROOT.parent / "shared/faces/lfw"))
PAIRS = LFW.parent / "pairs.txt"
PHOTO_PX = 250
AT_LEAST = 0.992

pytestmark = pytest.mark.skipif(not PAIRS.is_file(), reason="no LFW with its pairs.txt (KERBSIDE_FACES)")


@dataclass(frozen=True)
class Pair:
    """Two photographs, and whether they show the same face."""

    one: Path
    other: Path
    same: bool


def _photo(name: str, number: str) -> Path:
    return LFW / name / f"{name}_{int(number):04d}.jpg"


def _pair(line: str) -> Pair:
    """``Name i j``, or ``Name i Other j``."""
    words = line.split("\t")
    return Pair(_photo(*words[:2]), _photo(words[-2 if len(words) == 4 else 0], words[-1]), len(words) == 3)


def _pairs() -> list[Pair]:
    return [_pair(line) for line in PAIRS.read_text("utf-8").splitlines()]


def _folds(same: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """LFW's own ten folds: each begins where a pair of one face follows a pair of two."""
    return np.cumsum(np.concatenate([[False], same[1:] & ~same[:-1]]))


def _most_prominent(faces: Faces) -> int:
    widths = faces.boxes[:, 2] - faces.boxes[:, 0]
    offsets = ((faces.boxes[:, :2] + faces.boxes[:, 2:]) / PHOTO_PX - 1) / np.sqrt(2)
    return int(np.argmax(widths * np.maximum(0.05, 1 - np.hypot(*offsets.T))))


def _chip(path: Path, detector: Detector) -> Pixels:
    with Image.open(path) as photo:
        image = np.array(photo.convert("RGB"))
    faces = detector.detect(image)
    assert len(faces), f"no face found in {path.name}"
    return chips(image, faces.landmarks[_most_prominent(faces)][None])


def _accuracy(similarities: F32, same: npt.NDArray[np.bool_], limit: float) -> float:
    return float(((similarities >= limit) == same).mean())


def _ten_fold(similarities: F32, same: npt.NDArray[np.bool_], folds: npt.NDArray[np.intp]) -> float:
    """The mean accuracy of each fold at the limit that is best for the other nine."""
    scores = []
    for fold in range(10):
        learn, judge = folds != fold, folds == fold
        best = max(similarities[learn], key=lambda limit: _accuracy(similarities[learn], same[learn], limit))
        scores.append(_accuracy(similarities[judge], same[judge], best))
    return float(np.mean(scores))


def _verify(pairs: list[Pair], folds: npt.NDArray[np.intp], vision: Vision) -> float:
    detector = vision.detector_for(PHOTO_PX, PHOTO_PX, "full")
    photos = sorted({photo for pair in pairs for photo in (pair.one, pair.other)})
    with ThreadPoolExecutor(1) as ahead:  # one core detects while the other embeds
        found = ahead.map(lambda photo: _chip(photo, detector), photos)
        template = {
            photo: vision.embedder.embed_both(chip).vectors[0] for photo, chip in zip(photos, found, strict=True)
        }
    similarities = np.array([template[pair.one] @ template[pair.other] for pair in pairs], np.float32)
    return _ten_fold(similarities, np.array([pair.same for pair in pairs]), folds)


def test_every_fourth_pair_is_told_apart(vision: Vision) -> None:
    pairs = _pairs()
    folds = _folds(np.array([pair.same for pair in pairs]))
    assert int(folds.max()) == 9
    assert _verify(pairs[::4], folds[::4], vision) >= AT_LEAST


@pytest.mark.slow
def test_every_pair_is_told_apart(vision: Vision) -> None:
    pairs = _pairs()
    folds = _folds(np.array([pair.same for pair in pairs]))
    assert _verify(pairs, folds, vision) >= AT_LEAST
