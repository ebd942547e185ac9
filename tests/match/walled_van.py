"""``python -m tests.match.walled_van CONFIG [no-secret]``: the match process behind its wall, before a face that walks.

``no-secret``: the kernel gives no secret memory, here and in every child.
"""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

from firmware.match.wall import raise_limit, raise_wall
from tests.match.walled import forbid

MEMFD_SECRET = 447


def main(config: Path, *circumstances: str) -> int:
    """Raise the wall, and serve."""
    raise_limit()
    wall = raise_wall()
    for _ in circumstances:
        forbid(MEMFD_SECRET)
    from board.board import Board
    from firmware.config import load
    from firmware.log import Log
    from firmware.match.service import serve
    from firmware.match.settings import MatchFile
    from tests.match.endless_van import open_endless

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    return serve(load(config, MatchFile), Board("endless", open_endless), wall, Log("match"), stop)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
