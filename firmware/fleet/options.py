"""What all commands of ``kerbside-fleet`` share: options, exit codes, how a fault is told, and the time.

Knows the terminal; refuses to know what a command does.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NoReturn

import msgspec
import typer

from firmware.control.show import printable
from ota.repository.folder import FILE, MetadataError
from ota.repository.keys import KeyFileError
from ota.repository.people import FleetError
from ota.repository.publishing import NotEnough
from ota.repository.stores import StoreError

FAILED, ASKED_WRONGLY = 1, 2
_EXIT: dict[type[Exception], int] = {
    **dict.fromkeys((NotEnough, MetadataError, StoreError, OSError), FAILED),
    **dict.fromkeys((FleetError, KeyFileError), ASKED_WRONGLY),
}

FleetOption = Annotated[Path | None, typer.Option("--fleet", "-f", help="The fleet's folder; '.' or the draft's.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
CacheOption = Annotated[
    Path | None, typer.Option(help="Keep templates here, so that a build that is cut short can go on.")
]
ReadmitOption = Annotated[
    list[str] | None, typer.Option(help="A reference that was revoked on an earlier list, and rightly is back.")
]
AllowRefusedOption = Annotated[
    bool, typer.Option("--allow-refused", help="Exit with 0 also when portraits were refused, not 3.")
]
CalibrationOption = Annotated[
    Path, typer.Option(help="The vans' signed calibration: how long a list may be, and at which similarity.")
]
MinSimilarityOption = Annotated[
    float, typer.Option(help="Ask vans for at least this similarity; rounded up to thousandths.", min=0, max=1)
]


def now() -> int:
    """The wall clock, in seconds since the epoch: expiries are made from it."""
    return int(time.time())


def say(text: str) -> None:
    """To whoever sits there; standard output is for results."""
    print(printable(text), file=sys.stderr, flush=True)  # noqa: T201


def fail(error: Exception | str, code: int) -> NoReturn:
    """End with words and an exit code."""
    say(f"kerbside-fleet: {error}")
    raise typer.Exit(code)


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """A fault that has a name ends the program with its words and its exit code, not with a traceback."""
    try:
        yield
    except tuple(_EXIT) as error:
        fail(error, next(code for kind, code in _EXIT.items() if isinstance(error, kind)))


def fleet_of(option: Path | None, drafts: list[Path] | None = None) -> Path:
    """The fleet's folder: what was said, else the one that the first draft lies in, else here.

    Raises:
        FleetError: there is no fleet.
    """
    places = [option] if option else [*(draft.resolve().parent.parent for draft in (drafts or [])[:1]), Path()]
    for place in places:
        if (place.expanduser() / FILE).is_file():
            return place.expanduser()
    raise FleetError(f"{places[0]}: holds no {FILE}; name the fleet's folder with --fleet, or `init` one")


def as_text(result: object) -> str:
    """A result as JSON."""
    return msgspec.json.format(msgspec.json.encode(result)).decode()
