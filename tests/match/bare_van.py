"""``python -m tests.match.bare_van CONFIG``: the match process of a Jetson that has neither engines nor a GPU."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from board.board import Board, open_board
from firmware.config import load
from firmware.log import Log
from firmware.match.service import serve
from firmware.match.settings import MatchFile
from firmware.match.wall import WALLED

if __name__ == "__main__":
    config = Path(sys.argv[1])
    board = Board("jetson", open_board().open_camera, networks="tensorrt", state=config.parent / "state")
    sys.exit(serve(load(config, MatchFile), board, WALLED, Log("match"), threading.Event()))
