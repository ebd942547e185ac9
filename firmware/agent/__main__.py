"""``python -m firmware.agent CONFIG.toml``: the update agent. Exit codes: 0 ended, 1 failed, 2 not configured right,
4 start the whole appliance again: software on trial did not prove itself in this start.
"""

from __future__ import annotations

import sys
from pathlib import Path

from firmware.agent.service import serve
from firmware.agent.settings import AgentFile
from firmware.config import ConfigError, load
from firmware.log import Log


def main(arguments: list[str]) -> int:
    """Read the configuration and serve until told to stop."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m firmware.agent CONFIG.toml\n")
        return 2
    try:
        return serve(load(Path(arguments[0]), AgentFile), Log("agent"))
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
