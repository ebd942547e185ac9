"""One command between an operator and a van: made for the van as it is now, explained before anybody signs or sends it.

Knows which state a command is made for and what a person must see of it; refuses to know options and terminals.
"""

from __future__ import annotations

from dataclasses import dataclass

from firmware.control import commands
from firmware.control.commands import CommandError, Stamp, Wish
from firmware.control.exchange import NoAnswer
from firmware.control.fleet import Sight
from firmware.control.room import Room
from firmware.control.session import Unavailable
from firmware.control.unseal import UnsealError
from firmware.messages import Answer, Command, Details
from firmware.policy.table import load_table


@dataclass(frozen=True)
class Order:
    """A signed command as it stands before a person.

    Attributes:
        command: what is ordered.
        topic_class: the last level of its topic.
        rows: all of it in words, a title and a text each.
        left_s: seconds for which the van may still obey; ``None`` when no state of it was heard.
        missing: signatures that the van will want besides, by the shipped table.
    """

    command: Command
    topic_class: str
    rows: list[tuple[str, str]]
    left_s: float | None
    missing: int

    def check(self, *, lone: bool = False) -> None:
        """Refuse what is known to come too late or, where it is ``lone`` and nobody else will sign it, with too few.

        Raises:
            CommandError: its time is over, or the van would not even answer.
        """
        if lone and self.missing > 0:
            more = f"{self.missing} more signature(s) of other holders"
            raise CommandError(f"needs {more}: write it with --out, and let them sign that")
        if self.left_s is not None and self.left_s <= 0:
            raise CommandError("its time is over, or the van has started anew since: make a new one")


def compose(wish: Wish, sight: Sight, room: Room, command_id: str) -> Command:
    """The command for the van as it was seen last; its counter is the console's time in milliseconds.

    Raises:
        NoAnswer: nothing signed was heard of the van.
        CommandError: no van could take it.
    """
    if sight.state is None:
        raise NoAnswer("no signed state, so no command can be made for it")
    now = room.times.now()
    stamp = Stamp(command_id, int(now * 1000))
    return commands.compose(wish, sight.state, sight.uptime_s(room.times.clock(), now), stamp)


def explain(ready: bytes, sight: Sight, room: Room | None) -> Order:
    """What somebody is about to sign or send; without a ``room`` nobody knows how long it is still good.

    Raises:
        CommandError: it is no command.
    """
    signed, command = commands.read(ready)
    table, left_s, frozen = load_table(), None, ""
    if room is not None and sight.state is not None:
        uptime_s = sight.uptime_s(room.times.clock(), room.times.now())
        left_s = commands.expires_in_s(command, sight.state, uptime_s)
        frozen = sight.frozen(room.times.clock(), room.times.now())
    rows = [*commands.summary(signed, command, left_s), commands.wanted(command, table, sight.state)]
    rows += [("look at", frozen)] if frozen else []
    topic_class = commands.topic_class(command, table, sight.state)
    missing = commands.rule(command, table, sight.state).signatures - len({found.keyid for found in signed.signatures})
    return Order(command, topic_class, rows, left_s, missing)


def glance(van: str, room: Room, timeout_s: float) -> Sight:
    """The van's newest state where it can be had soon; else nothing is known.

    Raises:
        ConfigError: the TLS files cannot be used.
        SeenError: the file of what was seen cannot be used.
    """
    if van not in room.unsealer.vans:
        return Sight()
    try:
        with room.exchange(van) as exchange:
            return exchange.hear_van(timeout_s)
    except (Unavailable, NoAnswer):
        return Sight()


def details(answer: Answer, room: Room) -> tuple[Details | None, str]:
    """What an answer holds for the recipients only, and why it could not be opened."""
    if not answer.sealed:
        return None, ""
    try:
        return room.unsealer.details(answer.sealed), ""
    except UnsealError as error:
        return None, f"details of the answer: {error}"
