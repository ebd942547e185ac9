"""``python -m firmware.fleet``: ``kerbside-fleet`` without its console script."""

from firmware.fleet.cli import main

main()
