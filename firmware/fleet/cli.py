"""``kerbside-fleet``: the fleet admin's tool. Two people sign what a van may use; a machine publishes it.

Exit codes: 0 done, 1 it could not be done, 2 it was asked for wrongly, 3 papers have faults, portraits were refused,
or a van refused, 4 no answer in time.
"""

from __future__ import annotations

import typer

from firmware.fleet.ceremony.cli import app as ceremony
from firmware.fleet.drafts.cli import app as drafts
from firmware.fleet.lists.cli import app as lists
from firmware.fleet.register.cli import app as register
from firmware.fleet.vans.cli import app as vans

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False)
for _commands in (ceremony, drafts, register, vans):
    app.add_typer(_commands)
app.add_typer(lists, name="watchlist")


def main() -> None:
    """Run the tool."""
    app()


if __name__ == "__main__":
    main()
