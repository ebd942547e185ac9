"""The power mode that NVIDIA's ``nvpmodel`` has set, in words. Knows its two files; refuses to know what a mode is for.

``/var/lib/nvpmodel/status`` holds the mode's number (``pmode:0002``) once a mode was chosen, ``/etc/nvpmodel.conf`` the
names of all (``< POWER_MODEL ID=2 NAME=25W >``) and the one that holds until then (``< PM_CONFIG DEFAULT=2 >``).
Reading them needs no root; asking the tool does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

STATUS = Path("/var/lib/nvpmodel/status")
CONFIG = Path("/etc/nvpmodel.conf")
NONE = "none"

_CHOSEN = re.compile(r"\bpmode:(\d+)")
_NAMED = re.compile(r"^\s*<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+)\s*>", re.MULTILINE)
_DEFAULT = re.compile(r"^\s*<\s*PM_CONFIG\s+DEFAULT=(\d+)\s*>", re.MULTILINE)
_WATTS = re.compile(r"(?:^|_)(\d+)W(?:_|$)")


@dataclass(frozen=True)
class PowerMode:
    """One reading.

    Attributes:
        name: as ``nvpmodel -q`` says it, such as ``25W``, ``MODE_15W_6CORE`` or ``MAXN_SUPER``; ``none`` on a host.
        watts: the budget in the name; None where it has none, as ``MAXN``.
        fault: why the mode cannot be told, in words; empty when it can.
    """

    name: str
    watts: int | None = None
    fault: str = ""


def read_power_mode(status: Path = STATUS, config: Path = CONFIG) -> PowerMode:
    """The mode in force. What cannot be read or understood is a fault in words, never an exception."""
    try:
        chosen, named = _text(status), _text(config)
    except OSError as error:
        return _faulty(f"{error.filename}: {error.strerror}")
    if chosen is None and named is None:
        return PowerMode(NONE)
    number = _DEFAULT.search(named or "") if chosen is None else _CHOSEN.search(chosen)
    if number is None:
        return _faulty(f"{config}: no default mode" if chosen is None else f"{status}: no mode in {chosen[:40]!r}")
    names = {int(found): name for found, name in _NAMED.findall(named or "")}
    name = names.get(int(number[1]))
    if name is None:
        return _faulty(f"{config}: has no mode {int(number[1])}")
    watts = _WATTS.search(name)
    return PowerMode(name, int(watts[1]) if watts else None)


def _faulty(fault: str) -> PowerMode:
    return PowerMode("not to be told", fault=fault)


def _text(path: Path) -> str | None:
    """A file's text; None when there is no such file."""
    try:
        return path.read_bytes().decode("utf-8", "replace")
    except FileNotFoundError:
        return None
