"""Cast a crowd from a folder of faces: who is listed, who walks, and on which photograph.

Knows folders, photographs and face boxes; refuses to know frames, paths and pictures of a street.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware.bench import BenchError
from models.evaluation.errata import read_errata
from models.evaluation.report import EvaluationError

_T = TypeVar("_T")
Image = NDArray[np.uint8]  # (H, W, 3), BGR as OpenCV reads it
PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
CLEAR_SCORE = 0.9  # FaceDetectorYN.create's own default
FAINT_SCORE = 0.6  # a second face at this score spoils a portrait
MIN_FACE_PX = 50
MAX_OFF_MIDDLE = 0.15  # whom the photograph is of stands in its middle


@dataclass(frozen=True)
class Face:
    """One face in a photograph: centre and size in px of the photograph, detector score in [0, 1]."""

    x: float
    y: float
    width: float
    height: float
    score: float


Finder = Callable[[Image], tuple[Face, ...]]
"""Finds the faces of a BGR photograph; the empty tuple when there are none."""


@dataclass(frozen=True)
class Part:
    """Someone who walks: the photograph, where the face is in it, and the list entry or None (a stranger)."""

    photo: Path
    face: Face
    entry: str | None


@dataclass(frozen=True)
class Cast:
    """Everyone in a crowd: ``portraits`` maps each entry to its photograph, ``parts`` is who walks, listed first."""

    portraits: dict[str, Path]
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Numbers:
    """How many people a crowd takes.

    Raises:
        ValueError: a count is negative, more are listed than walk, or the list is shorter than its walkers.
    """

    walkers: int
    listed: int
    list_size: int

    def __post_init__(self) -> None:
        """Refuse counts that contradict each other."""
        if self.walkers < 1:
            raise ValueError(f"walkers: expected at least 1, got {self.walkers}")
        if not 0 <= self.listed <= self.walkers:
            raise ValueError(f"listed: expected 0..walkers ({self.walkers}), got {self.listed}")
        if self.list_size < max(self.listed, 1):
            raise ValueError(f"list_size: expected at least {max(self.listed, 1)}, got {self.list_size}")


def people_in(folder: Path, errata: Path | None = None) -> dict[str, tuple[Path, ...]]:
    """Every person of ``folder/<person>/<photo>``, names and photographs in sorted order.

    Args:
        folder: of folders.
        errata: faults of the folder's labels that somebody has looked at: :mod:`models.evaluation.errata`.

    Raises:
        BenchError: the folder is missing or holds no person, or the errata cannot be read.
    """
    if not folder.is_dir():
        raise BenchError(
            f"--faces: no folder at {folder} (name one with --faces or KERBSIDE_FACES: <person>/<photo>.jpg)"
        )
    people = {d.name: _photos(d) for d in sorted(folder.iterdir()) if d.is_dir()}
    people = {name: photos for name, photos in people.items() if photos}
    if not people:
        raise BenchError(f"--faces: {folder} holds no <person>/<photo>.jpg")
    return people if errata is None else _corrected(people, errata)


def _corrected(people: dict[str, tuple[Path, ...]], path: Path) -> dict[str, tuple[Path, ...]]:
    """The same, with labels of one human being as one, and without pictures of somebody else."""
    every = {f"{name}/{photo.name}" for name, photos in people.items() for photo in photos}
    try:
        errata = read_errata(path.read_text("utf-8"), set(people), every, lambda fault: None)
    except (OSError, UnicodeDecodeError, EvaluationError) as error:
        raise BenchError(f"--errata: {path}: {error}") from error
    now, corrected = errata.label_of(people), dict[str, tuple[Path, ...]]()
    for name, photos in people.items():
        kept = tuple(photo for photo in photos if f"{name}/{photo.name}" not in errata.dropped)
        corrected[now[name]] = corrected.get(now[name], ()) + kept
    return {name: photos for name, photos in corrected.items() if photos}


def listing_digest(people: dict[str, tuple[Path, ...]]) -> str:
    """SHA-256 over names and sizes of all photographs, hex: changes when the folder's listing does."""
    lines = (f"{name}/{p.name} {p.stat().st_size}\n" for name, photos in people.items() for p in photos)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def cast(people: dict[str, tuple[Path, ...]], numbers: Numbers, seed: int, find: Finder) -> Cast:
    """Choose who is listed and who walks; the same arguments give the same cast.

    A listed walker walks on another photograph than the portrait; no stranger is on the list.

    Raises:
        BenchError: too few people, or too few with two usable photographs.
    """
    rng = np.random.default_rng([seed, 1])
    names = [sorted(people)[i] for i in rng.permutation(len(people))]
    listed = _take(_listed(people, names, find), numbers.listed, "people with two usable photographs")
    used = {name for name, _, _ in listed}
    rest = (name for name in names if name not in used)  # shared: whoever is looked at once is gone
    strangers = _take(_walking(people, rest, find), numbers.walkers - numbers.listed, "people for strangers")
    others = _take(_portrayed(people, rest, find), numbers.list_size - numbers.listed, "people for the list")
    portraits = {name: portrait for name, portrait, _ in listed} | dict(others)
    return Cast(dict(sorted(portraits.items())), tuple([part for _, _, part in listed] + strangers))


def yunet_finder(weights: Path) -> Finder:
    """A finder that runs OpenCV's FaceDetectorYN on the fp32 ONNX file ``weights``.

    Raises:
        BenchError: the file is missing or OpenCV cannot load it.
    """
    if not weights.is_file():
        raise BenchError(f"no weights at {weights}: run ./flash.sh setup")
    try:
        detector = cv2.FaceDetectorYN.create(str(weights), "", (320, 320), FAINT_SCORE)
    except cv2.error as error:
        raise BenchError(f"{weights}: OpenCV cannot load it: {error}") from error

    def find(photo: Image) -> tuple[Face, ...]:
        detector.setInputSize((photo.shape[1], photo.shape[0]))
        _, rows = detector.detect(photo)
        if rows is None:
            return ()
        return tuple(_face(row) for row in rows)

    return find


def _face(row: NDArray[np.float32]) -> Face:
    x, y, width, height = (float(v) for v in row[:4])
    return Face(x + width / 2, y + height / 2, width, height, float(row[14]))


def _photos(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted(p for p in folder.iterdir() if p.suffix.lower() in PHOTO_SUFFIXES))


def _take(found: Iterator[_T], count: int, what: str) -> list[_T]:
    taken = [item for _, item in zip(range(count), found, strict=False)]
    if len(taken) < count:
        raise BenchError(
            f"--faces: {count} {what} wanted, {len(taken)} found; name a larger folder or ask for fewer walkers"
        )
    return taken


def _listed(people: dict[str, tuple[Path, ...]], names: list[str], find: Finder) -> Iterator[tuple[str, Path, Part]]:
    for name in names:
        if len(people[name]) < 2:
            continue
        portrait = next((p for p in people[name] if _is_portrait(p, find)), None)
        others = (p for p in people[name] if p != portrait)
        walking = next(((p, f) for p in others if (f := _main_face(p, find)) is not None), None)
        if portrait is not None and walking is not None:
            yield name, portrait, Part(*walking, entry=name)


def _walking(people: dict[str, tuple[Path, ...]], names: Iterator[str], find: Finder) -> Iterator[Part]:
    for name in names:
        walking = next(((p, f) for p in people[name] if (f := _main_face(p, find)) is not None), None)
        if walking is not None:
            yield Part(*walking, entry=None)


def _portrayed(people: dict[str, tuple[Path, ...]], names: Iterator[str], find: Finder) -> Iterator[tuple[str, Path]]:
    for name in names:
        portrait = next((p for p in people[name] if _is_portrait(p, find)), None)
        if portrait is not None:
            yield name, portrait


def _is_portrait(photo: Path, find: Finder) -> bool:
    image = read_photo(photo)
    faces = find(image)
    return len(faces) == 1 and _is_subject(faces[0], image)


def _main_face(photo: Path, find: Finder) -> Face | None:
    """The face nearest to the middle; None if it is not clear, for then the next one is a bystander."""
    image = read_photo(photo)
    nearest = min(find(image), key=lambda face: _off_middle(face, image), default=None)
    return nearest if nearest is not None and _is_subject(nearest, image) else None


def _is_subject(face: Face, image: Image) -> bool:
    return face.score >= CLEAR_SCORE and face.width >= MIN_FACE_PX and _off_middle(face, image) <= MAX_OFF_MIDDLE


def _off_middle(face: Face, image: Image) -> float:
    """Distance from the picture's middle, as a share of its size."""
    height, width = image.shape[:2]
    return max(abs(face.x / float(width) - 0.5), abs(face.y / float(height) - 0.5))


def read_photo(photo: Path) -> Image:
    """The photograph as BGR.

    Raises:
        BenchError: it cannot be decoded.
    """
    image = cv2.imread(str(photo), cv2.IMREAD_COLOR)
    if image is None:
        raise BenchError(f"--faces: {photo} is not a readable picture")
    return np.asarray(image, np.uint8)
