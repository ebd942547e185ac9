"""``python -m firmware.link CONFIG.toml``: run the link process.

Knows the command line and its exit codes; refuses to know everything else.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from firmware import config
from firmware.link.service import serve
from firmware.link.settings import LinkFile
from firmware.log import Log


def main() -> int:
    """Exit code 0 after a signal, 1 after a fault, 2 for a configuration that cannot be used."""
    parser = argparse.ArgumentParser(
        prog="python -m firmware.link", description="Carry one van's messages to and from the broker."
    )
    parser.add_argument("config", type=Path, metavar="CONFIG.toml")
    path: Path = parser.parse_args().config
    try:
        return serve(config.load(path, LinkFile), Log("link"))
    except config.ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
