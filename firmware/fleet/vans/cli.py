"""``kerbside-fleet release``, ``revoke`` and ``status``: what is said to vans about lists, and who runs what.

Exit codes as ``kerbside-ctl``: 0 done, 1 it could not be done, 2 it was asked for wrongly, 3 the van refused, 4 no
answer in time.
"""

from __future__ import annotations

import contextlib
import secrets
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, get_args

import msgspec
import typer
from rich.console import Console

from firmware.config import ConfigError
from firmware.control import show
from firmware.control.commands import CommandError
from firmware.control.exchange import NoAnswer
from firmware.control.orders import Order
from firmware.control.overview import Overview
from firmware.control.room import Room, Times, open_room
from firmware.control.seen import SeenError
from firmware.control.session import Unavailable
from firmware.envelope import KeyFileError, load_signer, public_key
from firmware.fleet.options import ASKED_WRONGLY, FAILED, JsonOption, explained, fail, fleet_of, now, say
from firmware.fleet.vans import lists
from firmware.fleet.vans.orders import Giving, give
from firmware.fleet.vans.published import published_in
from firmware.fleet.vans.standing import keyless, standing
from firmware.fleet.vans.table import standings_json, standings_table
from firmware.messages import Answer, Reason
from ota.content import Custom
from ota.repository.draft import next_counter, propose
from ota.repository.revoked import revocation_in
from ota.repository.vans import read_all

app = typer.Typer(no_args_is_help=True)
_NO_ANSWER = 4
_OUTCOMES = {"done": 0, "failed": FAILED, "refused": 3}
_EXIT: dict[type[Exception], int] = {
    **dict.fromkeys((ConfigError, KeyFileError, CommandError), ASKED_WRONGLY),
    **dict.fromkeys((SeenError, Unavailable), FAILED),
    NoAnswer: _NO_ANSWER,
}

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", envvar="KERBSIDE_CTL", help="The console's configuration, as kerbside-ctl's.")
]
KeysOption = Annotated[list[Path], typer.Option("--key", help="A signing key, PEM. Twice for two signatures.")]
ReasonOption = Annotated[str, typer.Option(help=f"One of {', '.join(get_args(Reason))}.")]
TimeoutOption = Annotated[float, typer.Option(min=0.1, max=600, help="Seconds to wait for a van's answer.")]
ListArgument = Annotated[str, typer.Argument(metavar="LIST", help="The encrypted list's file, or its SHA-256.")]
_CONFIG = Path("~/.config/kerbside/ctl.toml")


@app.command()
def release(
    which: ListArgument,
    list_key: Annotated[Path, typer.Option(help="The list's own key, as `watchlist build` wrote it.")],
    van: Annotated[str, typer.Option(help="The van that is to be armed.")],
    key: KeysOption,
    hours: Annotated[float, typer.Option(min=1 / 60, max=24, help="For how long at most.")] = 8.0,
    reason: ReasonOption = "routine",
    out: Annotated[Path | None, typer.Option(help="Only write the signed file, for the second signature.")] = None,
    timeout: TimeoutOption = 10.0,
    as_json: JsonOption = False,
    config: ConfigOption = _CONFIG,
) -> None:
    """Arm one van with one list: its key, for this boot of this van alone, signed by an operator and an authoriser.

    The first signer writes --out, the second signs and sends it: kerbside-ctl sign FILE --key KEY; kerbside-ctl send
    --file FILE. The van must have announced itself within a few minutes, since a restart makes the file worthless.
    """
    with _told():
        lists.refuse_reason(reason)
        sha256, opener = lists.named(which), lists.load_list_key(list_key)
        answer = give(
            _room(config), van,
            lambda state: lists.release(state, sha256, opener, hours * 3600, reason),
            _giving(key, out, timeout),
        )  # fmt: skip
    if answer is None:
        say(f"wrote {out}; the second holder: kerbside-ctl sign {out} --key KEY, then kerbside-ctl send --file {out}")
        return
    print(show.answer_json(answer, None) if as_json else f"{van}: {_words(answer)}")
    raise typer.Exit(_OUTCOMES[answer.outcome])


@app.command()
def revoke(
    which: ListArgument,
    key: KeysOption,
    entry: Annotated[str | None, typer.Option(help="An entry's reference; the whole list, if absent.")] = None,
    van: Annotated[list[str] | None, typer.Option(help="A van, or several; all that are known, if absent.")] = None,
    reason: ReasonOption = "technical",
    fleet: Annotated[Path | None, typer.Option("--fleet", "-f", help="Draft it for vans that are away, too.")] = None,
    timeout: TimeoutOption = 5.0,
    as_json: JsonOption = False,
    config: ConfigOption = _CONFIG,
) -> None:
    """Take an entry, or a whole list, back from vans at once: one signature. It is never undone.

    A van that is away hears of it with its next update: sign and publish the draft that --fleet makes,
    also when the broker cannot be reached.
    """
    answers: dict[str, Answer | None] = {}
    with _told():
        lists.refuse_reason(reason)
        sha256 = lists.named(which, entry)
    try:  # those that are there hear first; whatever comes of that, those that are away shall hear too
        with _told():
            room, wish, giving = _room(config), lists.revoke(sha256, entry, reason), _giving(key, None, timeout)
            for name in van or sorted(room.unsealer.vans):
                answers[name] = None
                with contextlib.suppress(NoAnswer):
                    answers[name] = give(room, name, lambda _state: wish, giving)
                if not as_json:
                    print(f"{name}: {_words(answers[name])}", flush=True)
    finally:
        if fleet is not None:
            with _told():
                say(f"drafted for vans that are away: {_drafted(fleet_of(fleet), sha256, entry)}")
    if as_json:
        print(show.as_json({name: answer and answer.outcome for name, answer in answers.items()}))
    if not answers or None in answers.values():
        raise typer.Exit(_NO_ANSWER)
    if any(answer is not None and answer.outcome != "done" for answer in answers.values()):
        raise typer.Exit(FAILED)


@app.command()
def status(
    fleet: Annotated[Path | None, typer.Option(help="The fleet's folder: what each van should have by now.")] = None,
    wait: Annotated[float, typer.Option(min=0.1, max=300, help="Seconds to wait for vans' states.")] = 2.0,
    as_json: JsonOption = False,
    config: ConfigOption = _CONFIG,
) -> None:
    """Who runs what, who is behind, and who is frozen: shown an old repository, or none at all."""
    with _told():
        room = _room(config)
        folder = None if fleet is None else fleet_of(fleet)
        due = None if folder is None else published_in(folder)
        with room.fleet() as seen, room.session(("state", "health"), None) as session:
            Overview(session, seen, room.times.clock).gather(wait)
            if not session.ready:
                raise Unavailable(f"broker {room.file.broker.host}:{room.file.broker.port}: {session.reason}")
            times = room.times.clock(), room.times.now()
            key_ids = {name: public_key(public).keyid for name, public in room.file.vans.items()}
            found = [standing(name, key_ids[name], sight, due, times) for name, sight in sorted(seen.vans.items())]
            silent = all(sight.state is None for sight in seen.vans.values())
        found += [keyless(one.van) for one in (read_all(folder) if folder else ()) if one.van not in key_ids]
    if as_json:
        print(standings_json(found))
    else:
        Console().print(standings_table(found))
    if silent:
        fail(f"nothing was heard of any van within {wait:g} s", _NO_ANSWER)


def _drafted(fleet: Path, sha256: str, entry: str | None) -> Path:
    """The draft of a revocation of all that was revoked before, and this, for every van of the fleet."""
    content = lists.revocation(revocation_in(fleet), sha256, [] if entry is None else [entry])
    vans, counter = tuple(van.key_id for van in read_all(fleet)), next_counter(fleet, "revocation")
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        file.write(msgspec.json.encode(content))
        file.flush()
        custom = Custom(kind="revocation", vans=vans, counter=counter)
        return propose(fleet, "revocation", "revoked", Path(file.name), custom, now=now())


def _giving(keys: list[Path], out: Path | None, timeout_s: float) -> Giving:
    signers = [load_signer(path) for path in keys]
    return Giving(signers, out, timeout_s, _say_order, lambda: secrets.token_hex(16))


def _room(config: Path) -> Room:
    chance = secrets.SystemRandom()
    times = Times(time.monotonic, time.time)
    return open_room(config.expanduser(), f"fleet-{secrets.token_hex(6)}", times, chance.random)


def _words(answer: Answer | None) -> str:
    if answer is None:
        return "NO ANSWER: it may not have heard"
    return f"{answer.outcome}{f' ({answer.why})' if answer.why else ''}, now {answer.mode}"


def _say_order(order: Order) -> None:
    Console(stderr=True).print(show.rows_table(order.rows))


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """As for all of this tool, and for the control room's own faults."""
    try:
        with explained():
            yield
    except tuple(_EXIT) as error:
        fail(error, next(code for kind, code in _EXIT.items() if isinstance(error, kind)))
