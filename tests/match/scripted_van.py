"""``python -m tests.match.scripted_van CONFIG``: the match process; its camera's driver raises at frame 3."""

from __future__ import annotations

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
from tests.film import empty_street


class FaultyCamera:
    """Two frames, and a driver's bug."""

    fault = ""

    def __init__(self, name: str) -> None:
        self._name = name
        self._seq = 0

    def read(self) -> Frame:
        self._seq += 1
        return {1: self._frame, 2: self._frame}[self._seq]()

    def close(self) -> None:
        """Nothing to let go."""

    def _frame(self) -> Frame:
        return Frame(self._name, self._seq, time.monotonic_ns(), ArrayPicture(empty_street()))


def open_faulty(spec: CameraSpec) -> Camera:
    """The board's way to open it."""
    return FaultyCamera(spec.name)


if __name__ == "__main__":
    settings = load(Path(sys.argv[1]), MatchFile)
    sys.exit(serve(settings, Board("faulty", open_faulty), WALLED, Log("match"), threading.Event()))
