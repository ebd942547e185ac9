"""A watchlist from a folder of portraits, for hosts, until signed bundles exist. Knows what makes a portrait unfit.

An unfit portrait is refused, never mended: each refusal names the file, the figure and the limit. File stems become the
entries' references. Templates stay in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from board.picture import ArrayPicture, Pixels
from firmware.match.ahead import ahead
from firmware.match.sharpness import sharpness
from firmware.match.watchlist import Entry, Watchlist, WatchlistError
from models.align import chips
from models.faces import F32, Embeddings, Faces
from models.vision import Vision

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
FORMATS = ("JPEG", "PNG", "BMP", "WEBP")
"""What a file may hold, whatever it is called: Pillow would run other decoders too, and Ghostscript."""
MAX_MEGAPIXELS = 24.0
CATEGORY = "unsigned portrait folder"
MIN_SCORE = 0.6
MIN_FACE_PX = 40.0
MIN_SHARPNESS = 0.25
MAX_RIVAL = 0.6
"""A second face is a rival when its prominence (width x nearness to the middle) reaches this share of the first's.
Of LFW's 6,665 portraits 1,167 show bystanders, and 12 have a rival."""
DUPLICATE_SIMILARITY = 0.95
"""Two pictures of one person rarely reach it; two copies of one picture always do."""


_DEPTH = 4


@dataclass(frozen=True)
class Refusal:
    """A portrait that is not on the list, and why."""

    file: str
    reason: str


@dataclass(frozen=True)
class Enrolment:
    """What became of a folder: the list, and the portraits that are not on it."""

    watchlist: Watchlist
    refusals: tuple[Refusal, ...]


class UnfitPortraitError(Exception):
    """The text is the reason, with figure and limit."""


@dataclass(frozen=True)
class _Found:
    """A portrait, and the one face that it is of."""

    image: Pixels
    face: Faces


def enrol(
    folder: Path,
    vision: Vision,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Enrolment:
    """Make the list of a folder.

    Args:
        folder: JPEG, PNG, BMP or WebP files, one portrait each.
        vision: the networks that will look at the camera's faces.
        progress: called with (portraits done, portraits in all).

    Raises:
        WatchlistError: no such folder, or no portrait in it that is fit.
    """
    if not folder.is_dir():
        raise WatchlistError(f"{folder}: no such folder of portraits")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    vectors = np.zeros((len(files), vision.embedder.dimension), np.float32)
    refs: list[str] = []
    refusals: list[Refusal] = []
    for done, (path, found) in enumerate(ahead(_looked_at(files, vision), _DEPTH, "portraits")):
        progress(done, len(files))
        try:
            vector = _template(found, vision)
            _refuse_duplicate(path.stem, vector, refs, vectors[: len(refs)])
        except UnfitPortraitError as error:
            refusals.append(Refusal(path.name, str(error)))
            continue
        vectors[len(refs)] = vector
        refs.append(path.stem)
    progress(len(files), len(files))
    if not refs:
        raise WatchlistError(f"{folder}: none of {len(files)} portraits is fit" + _first(refusals))
    entries = tuple(Entry(ref, CATEGORY) for ref in refs)
    return Enrolment(Watchlist(entries, Embeddings(vectors[: len(refs)], vision.embedder.space)), tuple(refusals))


def _first(refusals: list[Refusal]) -> str:
    return f"; {refusals[0].file}: {refusals[0].reason}" if refusals else ""


def _read(path: Path) -> Pixels:
    try:
        with Image.open(path, formats=FORMATS) as picture:
            _refuse_huge(picture)
            return np.array(ImageOps.exif_transpose(picture).convert("RGB"))
    except UnfitPortraitError:
        raise
    except Exception as error:  # Pillow's decoders raise whatever a damaged file makes them meet
        raise UnfitPortraitError(f"cannot be read as a picture: {error}") from error


def _refuse_huge(picture: Image.Image) -> None:
    megapixels = picture.width * picture.height / 1e6
    if megapixels > MAX_MEGAPIXELS:
        raise UnfitPortraitError(f"huge: {megapixels:.1f} megapixels, at most {MAX_MEGAPIXELS:.0f} are read")


def _looked_at(files: list[Path], vision: Vision) -> Iterator[tuple[Path, _Found | UnfitPortraitError]]:
    """Every file with its face, or why there is none; runs ahead of the embedding, in a thread of its own."""
    for path in files:
        try:
            yield path, _find(_read(path), vision)
        except UnfitPortraitError as error:
            yield path, error


def _find(image: Pixels, vision: Vision) -> _Found:
    small = ArrayPicture(image).fitted(*vision.detector.canvas_px)
    faces = vision.detector.detect(small).scaled(image.shape[1] / small.shape[1])
    faces = faces[faces.scores >= MIN_SCORE]
    return _Found(image, faces[np.array([_only_face(faces, image.shape[1], image.shape[0])])])


def _template(found: _Found | UnfitPortraitError, vision: Vision) -> F32:
    if isinstance(found, UnfitPortraitError):
        raise found
    image, face = found.image, found.face
    aligned = chips(image, vision.closeup.refine(image, face.boxes, face.landmarks))
    sharp = float(sharpness(aligned)[0])
    if sharp < MIN_SHARPNESS:
        raise UnfitPortraitError(f"blurred: sharpness {sharp:.2f}, at least {MIN_SHARPNESS} is required")
    template: F32 = vision.embedder.embed_both(aligned).vectors[0]
    return template


def _only_face(faces: Faces, width_px: int, height_px: int) -> int:
    """Index of the one face that the portrait is of."""
    if not len(faces):
        raise UnfitPortraitError("no face found")
    widths = faces.boxes[:, 2] - faces.boxes[:, 0]
    centres = (faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2
    offsets = (centres / np.array([width_px, height_px], np.float32) * 2 - 1) / np.sqrt(2)
    prominence = widths * np.maximum(0.05, 1 - np.hypot(*offsets.T))
    order = np.argsort(-prominence)
    first = int(order[0])
    if len(order) > 1 and (share := float(prominence[order[1]] / prominence[first])) >= MAX_RIVAL:
        raise UnfitPortraitError(
            f"two faces: the second is {share:.0%} as prominent as the first, limit {MAX_RIVAL:.0%}"
        )
    if widths[first] < MIN_FACE_PX:
        raise UnfitPortraitError(f"tiny: face {widths[first]:.0f} px wide, at least {MIN_FACE_PX:.0f} px are required")
    return first


def _refuse_duplicate(ref: str, vector: F32, refs: list[str], vectors: F32) -> None:
    if ref in refs:
        raise UnfitPortraitError(f"duplicate: another file is called {ref}")
    if not refs:
        return
    similarities = vectors @ vector
    nearest = int(np.argmax(similarities))
    if similarities[nearest] >= DUPLICATE_SIMILARITY:
        raise UnfitPortraitError(
            f"duplicate of {refs[nearest]}: similarity {similarities[nearest]:.2f}, limit {DUPLICATE_SIMILARITY}"
        )
