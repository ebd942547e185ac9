"""A folder of drawn faces and a finder that knows where they are: no photograph of anyone, no network."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from firmware.bench.people import Face, Image

SIZE_PX, FACE_PX = 120, 60
NO_FACE = (0, 0, 0)  # a picture whose corner is black holds no face


def draw_folder(folder: Path, people: int, photos_each: int = 2) -> Path:
    """Draw ``people`` people with ``photos_each`` photographs each as ``folder/<person>/<person>_<n>.png``."""
    rng = np.random.default_rng(7)
    for number in range(people):
        name = f"Person_{number:03d}"
        (folder / name).mkdir(parents=True)
        for photo in range(photos_each):
            draw_photo(folder / name / f"{name}_{photo + 1:04d}.png", rng)
    return folder


def draw_photo(path: Path, rng: np.random.Generator) -> None:
    """Draw a face of random colours in the middle of a picture."""
    picture = np.full((SIZE_PX, SIZE_PX, 3), 200, np.uint8)
    skin = tuple(float(v) for v in rng.integers(80, 220, 3))
    cv2.ellipse(picture, (60, 60), (30, 38), 0, 0, 360, skin, -1)
    for x in (48, 72):
        cv2.circle(picture, (x, 52), 5, (20, 20, 20), -1)
    cv2.ellipse(picture, (60, 78), (12, 5), 0, 0, 180, (40, 40, 120), 2)
    cv2.imwrite(str(path), picture)


def draw_nobody(path: Path) -> None:
    """Draw a picture in which :func:`find_drawn` finds no face."""
    cv2.imwrite(str(path), np.zeros((SIZE_PX, SIZE_PX, 3), np.uint8))


def find_drawn(photo: Image) -> tuple[Face, ...]:
    """Stands in for the detector on drawn pictures."""
    if tuple(photo[0, 0]) == NO_FACE:
        return ()
    return (Face(60, 60, FACE_PX, FACE_PX * 1.25, 0.95),)
