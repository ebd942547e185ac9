"""Moving pictures for tests: drawn faces, and the demo's real man on his phone."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import av
import numpy as np
from PIL import Image

from board.camera import CameraSpec, Frame, Gap
from board.camera_host import HostCamera
from board.picture import Pixels
from models.golden import FOLDER, PICTURE

FPS = 25
DRAWN = {"pale": (80, 0, 320, 300), "dark": (380, 80, 570, 310)}
"""The two faces of the golden picture, with some background: x1 y1 x2 y2 px."""


def drawn_face(name: str) -> Image.Image:
    """One of the golden picture's faces."""
    with Image.open(FOLDER / PICTURE) as picture:
        return picture.convert("RGB").crop(DRAWN[name])


def write_video(path: Path, pictures: Iterable[Pixels]) -> Path:
    """H.264, ``FPS`` frames a second, of pictures of one even size; its table of contents comes first."""
    shown = iter(pictures)
    first = next(shown)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": "18"})
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = "yuv420p"
        for picture in chain([first], shown):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def frames(video: Path) -> list[Frame]:
    """Every frame of a video, as a replay sees them."""
    camera = HostCamera(CameraSpec("film", f"file://{video}"), paced=False)
    try:
        return [got for got in iter(camera.read, Gap.ENDED) if isinstance(got, Frame)]
    finally:
        camera.close()


def empty_street(width: int = 640, height: int = 360) -> Pixels:
    """A picture with nobody in it."""
    rows = np.linspace(60, 140, height)[:, None, None]
    return np.broadcast_to(rows, (height, width, 3)).astype(np.uint8)


def drawn_walk(count: int, face: str = "pale") -> Iterable[Pixels]:
    """A drawn face that moves slowly to the right."""
    portrait = drawn_face(face)
    for number in range(count):
        picture = Image.fromarray(empty_street())
        picture.paste(portrait, (60 + 2 * number, 30))
        yield np.asarray(picture)
