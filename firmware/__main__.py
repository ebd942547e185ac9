"""``python -m firmware``: the same as ``kerbside``."""

from firmware.cli import main

main()
