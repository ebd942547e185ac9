"""Made sets: templates whose similarities are known by construction, and folders of drawn faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.evaluation.labelled import Labelled, labelled
from models.evaluation.photos import Photo
from tests.models.stage import golden_picture

DRAWN = {"Ann": (100, 32, 298, 274), "Bea": (397, 107, 545, 279)}
"""Left, top, right, bottom of the two drawn faces."""


def photo(label: str, number: int = 0) -> Photo:
    """A picture that nobody will open."""
    return Photo(label, f"{label}_{number:04d}.jpg", Path("nowhere"), "")


def set_of(vectors: npt.NDArray[np.floating], names: list[str]) -> Labelled:
    """Photographs of these labels; vectors are brought to unit length."""
    unit = np.asarray(vectors, np.float64)
    unit = unit / np.linalg.norm(unit, axis=1, keepdims=True)
    photos = [(photo(name, names[:place].count(name)), name) for place, name in enumerate(names)]
    return labelled(photos, unit.astype(np.float32))


def from_gram(similarities: npt.NDArray[np.float64], names: list[str]) -> Labelled:
    """Photographs with these (n, n) similarities."""
    values, turns = np.linalg.eigh(similarities)
    assert values.min() > -1e-9, "no vectors have these similarities"
    return set_of(turns * np.sqrt(np.maximum(values, 0)), names)


def random_set(people: int, photos: int, dimension: int, seed: int = 0) -> Labelled:
    """So many photographs of each label around a middle of its own."""
    rng = np.random.default_rng(seed)
    middles = np.repeat(rng.normal(size=(people, dimension)), photos, axis=0)
    names = [f"label {number // photos:05d}" for number in range(people * photos)]
    return set_of(middles + 0.6 * rng.normal(size=middles.shape), names)


def draw(folder: Path, label: str, face: str, number: int) -> Path:
    """One of the drawn faces, with a light of its own, as a label's picture."""
    left, top, right, bottom = DRAWN[face]
    pixels = golden_picture()[top:bottom, left:right].astype(np.float32) * (1 - 0.01 * (number % 40))
    pixels[0, 0] = number
    path = folder / label / f"{label}_{number:04d}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path
