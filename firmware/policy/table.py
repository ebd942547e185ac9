"""The command table: which class a command belongs to, and whose signatures a class needs. Knows no keys.

The shipped table is the floor: a policy that arrives later may ask for more signatures of fewer roles, never for less.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

Role = Literal["operator", "authoriser", "maintainer", "control-room"]
ClassName = Literal["narrow", "operate", "maintain", "release"]
CommandName = Literal[
    "status",
    "pause",
    "resume",
    "stop",
    "purge",
    "lock",
    "raise-threshold",
    "update.check",
    "selftest",
    "report",
    "reboot",
    "watchlist.release",
    "watchlist.revoke",
]
Lifted = Literal["stopped", "purged", "locked"]
"""The modes that a plain ``resume`` does not lift."""

SHIPPED = Path(__file__).with_name("commands.json")
_Roles = tuple[Role, ...]


class PolicyError(Exception):
    """A policy file cannot be used; the text names the file and the fault. The old policy stays."""


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose signatures a class needs.

    Attributes:
        signatures: of that many different holders.
        roles: only their signatures count.
        each: at least one signature of each of these.
    """

    signatures: Annotated[int, msgspec.Meta(ge=1, le=5)]
    roles: Annotated[_Roles, msgspec.Meta(min_length=1)]
    each: _Roles = ()

    def at_least(self, floor: Rule) -> bool:
        """Whether whoever satisfies this rule satisfies ``floor``."""
        narrower = set(self.roles) <= set(floor.roles) and set(floor.each) <= set(self.each)
        return narrower and self.signatures >= floor.signatures


class CommandTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``commands.json``. ``lifting`` says which class a ``resume`` belongs to in a mode that wiped the list."""

    v: Literal[1]
    classes: dict[ClassName, Rule]
    commands: dict[CommandName, ClassName]
    lifting: dict[Lifted, ClassName]

    def class_of(self, command: CommandName, mode: str) -> ClassName:
        """The class of a command in a mode of the van."""
        lifting: dict[str, ClassName] = {str(key): value for key, value in self.lifting.items()}
        return lifting.get(mode, self.commands[command]) if command == "resume" else self.commands[command]

    def rule(self, command: CommandName, mode: str) -> Rule:
        """The rule of a command in a mode of the van."""
        return self.classes[self.class_of(command, mode)]


def load_table(path: Path = SHIPPED) -> CommandTable:
    """Read a table and hold it against the shipped one.

    Raises:
        PolicyError: not a table, incomplete, or weaker than the shipped one for some command.
    """
    table = _decode(path)
    floor = table if path == SHIPPED else _decode(SHIPPED)
    if table.classes.get("narrow") and table.classes["narrow"].signatures > 1:
        raise PolicyError(f"{path}: to narrow must take one signature, not {table.classes['narrow'].signatures}")
    for command in floor.commands:
        for mode in ("seeing", *floor.lifting):
            if not _complete(table, floor, command, mode):
                raise PolicyError(f"{path}: says nothing of '{command}' in mode '{mode}'")
            if not table.rule(command, mode).at_least(floor.rule(command, mode)):
                raise PolicyError(f"{path}: asks for less than the shipped table for '{command}' in mode '{mode}'")
    return table


def _complete(table: CommandTable, floor: CommandTable, command: CommandName, mode: str) -> bool:
    known = command in table.commands and set(floor.lifting) <= set(table.lifting)
    return known and table.class_of(command, mode) in table.classes


def _decode(path: Path) -> CommandTable:
    try:
        return msgspec.json.decode(path.read_bytes(), type=CommandTable)
    except OSError as error:
        raise PolicyError(f"{path}: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise PolicyError(f"{path}: {error}") from error
