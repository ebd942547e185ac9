"""``python -m tests.match.endless_van CONFIG``: the match process before a face that walks and walks."""

from __future__ import annotations

import itertools
import sys
import threading
import time
from pathlib import Path

from board.board import Board
from board.camera import Camera, CameraSpec, Frame
from board.picture import ArrayPicture
from firmware.config import load
from firmware.log import Log
from firmware.match.service import serve
from firmware.match.settings import MatchFile
from firmware.match.wall import WALLED
from tests.film import drawn_walk

STEP_S = 0.05


class EndlessCamera:
    """A face that walks to the right, again and again."""

    fault = ""

    def __init__(self, name: str) -> None:
        self._name = name
        self._pictures = enumerate(itertools.cycle(list(drawn_walk(100))))

    def read(self) -> Frame:
        time.sleep(STEP_S)
        seq, picture = next(self._pictures)
        return Frame(self._name, seq, time.monotonic_ns(), ArrayPicture(picture))

    def close(self) -> None:
        """Nothing to let go."""


def open_endless(spec: CameraSpec) -> Camera:
    """The board's way to open it."""
    return EndlessCamera(spec.name)


if __name__ == "__main__":
    settings = load(Path(sys.argv[1]), MatchFile)
    sys.exit(serve(settings, Board("endless", open_endless), WALLED, Log("match"), threading.Event()))
