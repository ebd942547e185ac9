"""A watchlist from a folder of portraits, for hosts, until signed bundles exist. Knows what makes a portrait unfit.

An unfit portrait is refused, never mended: each refusal names the file, the figure and the limit. File stems become the
entries' references. Templates stay in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from firmware.match.ahead import ahead
from firmware.match.watchlist import Entry, Watchlist, WatchlistError
from models.align import chips
from models.faces import F32, Embeddings
from models.portrait import (
    DUPLICATE_SIMILARITY,
    MIN_SHARPNESS,
    SUFFIXES,
    Found,
    UnfitPortraitError,
    find,
    read,
    refuse_rival,
)
from models.sharpness import sharpness
from models.vision import Vision

CATEGORY = "unsigned portrait folder"
MIN_FACE_PX = 40.0
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


def _looked_at(files: list[Path], vision: Vision) -> Iterator[tuple[Path, Found | UnfitPortraitError]]:
    """Every file with its face, or why there is none; runs ahead of the embedding, in a thread of its own."""
    for path in files:
        try:
            yield path, _only_face(path, vision)
        except UnfitPortraitError as error:
            yield path, error


def _only_face(path: Path, vision: Vision) -> Found:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnfitPortraitError(f"cannot be read as a picture: {error.strerror}") from error
    found = find(read(content), vision)
    refuse_rival(found)
    if found.width_px < MIN_FACE_PX:
        raise UnfitPortraitError(f"tiny: face {found.width_px:.0f} px wide, at least {MIN_FACE_PX:.0f} px are required")
    return found


def _template(found: Found | UnfitPortraitError, vision: Vision) -> F32:
    if isinstance(found, UnfitPortraitError):
        raise found
    image, face = found.image, found.face
    aligned = chips(image, vision.closeup.refine(image, face.boxes, face.landmarks))
    sharp = float(sharpness(aligned)[0])
    if sharp < MIN_SHARPNESS:
        raise UnfitPortraitError(f"blurred: sharpness {sharp:.2f}, at least {MIN_SHARPNESS} is required")
    template: F32 = vision.embedder.embed_both(aligned).vectors[0]
    return template


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
