"""``python -m firmware.match CONFIG``: the match process. Exit codes: 0 ended, 1 failed, 2 not configured right,
3 start it again at once.
"""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

from firmware.config import ConfigError, load
from firmware.log import Log
from firmware.match.wall import raise_limit, raise_wall


def main(arguments: list[str]) -> int:
    """Raise the wall, read the configuration and serve until told to stop."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m firmware.match CONFIG.toml\n")
        return 2
    raise_limit()
    return _match(Path(arguments[0]), raise_wall())


def _match(path: Path, wall: str) -> int:
    # Imported behind the wall: numpy starts threads, and a process that has some cannot move to a user namespace.
    from board.board import open_board
    from firmware.envelope import KeyFileError
    from firmware.match.database import DiskError
    from firmware.match.kept import KeptError
    from firmware.match.service import serve
    from firmware.match.settings import MatchFile
    from firmware.match.watchlist import WatchlistError
    from firmware.policy.table import PolicyError
    from models.calibration import CalibrationError
    from models.manifest import ModelError

    try:
        file = load(path, MatchFile)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    log, stop = Log("match"), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        return serve(file, open_board(), wall, log, stop)
    except (ModelError, CalibrationError, WatchlistError, PolicyError, KeyFileError, DiskError, KeptError) as error:
        log.alarm("cannot match", reason=str(error))
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
