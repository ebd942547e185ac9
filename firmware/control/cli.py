"""``kerbside-ctl``: the control room's tool. Watches vans, commands them and gives receipts for what they say.

Exit codes: 0 done, 1 it could not be done, 2 it was asked for wrongly, 3 the van refused, 4 no answer in time.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, NoReturn, get_args

import typer
from rich.console import Console
from rich.live import Live

from firmware.config import ConfigError
from firmware.control import commands, orders, show
from firmware.control.commands import CommandError, Wish
from firmware.control.exchange import NoAnswer
from firmware.control.fleet import Sight
from firmware.control.inbox import InboxError
from firmware.control.keys import make_keys
from firmware.control.orders import Order
from firmware.control.overview import Overview
from firmware.control.receipts import Receiver
from firmware.control.room import Room, Times, open_room
from firmware.control.seen import SeenError
from firmware.control.session import Unavailable
from firmware.control.unseal import UnsealError
from firmware.control.watch import Watcher
from firmware.envelope import KeyFileError, load_signer
from firmware.log import Log
from firmware.messages import MAX_LIFETIME_S, Answer, MatchEvent, Reason
from firmware.policy.table import CommandName, Role

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False)
_FAILED, _ASKED_WRONGLY, _REFUSED, _NO_ANSWER = 1, 2, 3, 4
_EXIT: dict[type[Exception], int] = {
    **dict.fromkeys((ConfigError, KeyFileError, CommandError), _ASKED_WRONGLY),
    **dict.fromkeys((SeenError, InboxError, UnsealError, Unavailable, OSError), _FAILED),
    NoAnswer: _NO_ANSWER,
}
_OUTCOMES = {"done": 0, "failed": _FAILED, "refused": _REFUSED}
_STATE_S, _GLANCE_S, _REDRAW_S = 5.0, 2.0, 1.0

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", envvar="KERBSIDE_CTL", help="The console's configuration, TOML.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
VanOption = Annotated[str | None, typer.Option(help="One van; all whose keys are known, if absent.")]
KeysOption = Annotated[list[Path] | None, typer.Option("--key", help="A signing key, PEM. Twice for two signatures.")]
_CONFIG = Path("~/.config/kerbside/ctl.toml")


def _say(text: str) -> None:
    """To whoever sits there; standard output is for results."""
    print(show.printable(text), file=sys.stderr, flush=True)


def _fail(error: Exception | str, code: int) -> NoReturn:
    _say(f"kerbside-ctl: {error}")
    raise typer.Exit(code)


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """A fault that has a name ends the program with its words and its exit code, not with a traceback."""
    try:
        yield
    except tuple(_EXIT) as error:
        _fail(error, next(code for kind, code in _EXIT.items() if isinstance(error, kind)))


def _room(config: Path) -> Room:
    chance = secrets.SystemRandom()
    return open_room(
        config.expanduser(), f"ctl-{secrets.token_hex(6)}", Times(time.monotonic, time.time), chance.random
    )


def _stopped_by_signals() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


@app.command()
def keygen(
    name: Annotated[str, typer.Argument(help="The holder's opaque reference (a post, an alias), or the van's id.")],
    out: Annotated[Path, typer.Option(help="The folder for NAME.pem and NAME.age.")],
    age: Annotated[bool, typer.Option("--age", help="Make an age identity too, to open what vans seal.")] = False,
    role: Annotated[
        list[str] | None,
        typer.Option(help=f"What a holder may sign as: one or more of {', '.join(get_args(Role))}."),
    ] = None,
    van: Annotated[bool, typer.Option("--van", help="It is a van's key: it may command nobody.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a signing key that only its owner can read; print the lines that name it elsewhere. Overwrites nothing."""
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", name) or name.startswith("."):
        _fail(f"'{name}': a name has 1 to 64 letters, digits, dots, dashes and underscores", _ASKED_WRONGLY)
    if van == bool(role) or not set(role or ()) <= set(get_args(Role)):
        _fail(f"either --van, or --role with some of {', '.join(get_args(Role))}", _ASKED_WRONGLY)
    with _explained():
        made = make_keys(out.expanduser(), name, age=age)
    _say(f"wrote {made.key}" + (f" and {made.reading_key}" if made.reading_key else ""))
    print(show.new_keys_json(name, role, made) if as_json else show.new_keys(name, role, made))


@app.command()
def status(
    van: VanOption = None,
    wait: Annotated[float, typer.Option(min=0.1, max=300, help="Seconds to wait for a van's state.")] = _GLANCE_S,
    live: Annotated[bool, typer.Option("--watch", help="Keep the table up to date.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = _CONFIG,
) -> None:
    """All vans in one table: signed states, how old they are, and what a person should look at."""
    with _explained():
        room = _room(config).about(van)
        with room.fleet() as fleet, room.session(("state", "health"), van) as session:
            overview = Overview(session, fleet, room.times.clock)
            overview.gather(wait)
            if not session.ready:
                raise Unavailable(f"broker {room.file.broker.host}:{room.file.broker.port}: {session.reason}")
            if live:
                _keep_showing(overview, room.times.now, as_json=as_json)
            elif as_json:
                print(show.fleet_json(fleet.vans, room.times.clock(), room.times.now()))
            else:
                Console().print(show.fleet_table(fleet.vans, room.times.clock(), room.times.now()))
            if not any(one.state or one.hinted for one in fleet.vans.values()):
                raise NoAnswer(f"no state of any van within {wait:g} s")


def _keep_showing(overview: Overview, now: Callable[[], float], *, as_json: bool) -> None:
    """A table that changes in its place, or a line of JSON each second, until a signal."""
    stop, drawn_s, vans = _stopped_by_signals(), 0.0, overview.fleet.vans
    with contextlib.nullcontext() if as_json else Live(auto_refresh=False) as screen:
        while not stop.is_set():
            overview.listen(_REDRAW_S / 5)
            if overview.clock() < drawn_s + _REDRAW_S:
                continue
            drawn_s = overview.clock()
            if screen is None:
                print(show.fleet_json(vans, drawn_s, now()), flush=True)
            else:
                screen.update(show.fleet_table(vans, drawn_s, now()), refresh=True)


@app.command()
def watch(
    van: VanOption = None,
    save: Annotated[Path | None, typer.Option(metavar="DIR", help="Write each crop as a JPEG into DIR.")] = None,
    sixel: Annotated[bool, typer.Option("--sixel", help="Draw the crop, in a terminal that can.")] = False,
    count: Annotated[int | None, typer.Option(min=1, help="Leave after this many.")] = None,
    held: Annotated[bool, typer.Option("--held", help="What the receipt daemon holds instead; then leave.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line for each, without the crop.")] = False,
    config: ConfigOption = _CONFIG,
) -> None:
    """Possible matches as they arrive, each once. A machine proposes; an officer decides, while there is time."""
    stop, shown = _stopped_by_signals(), 0

    def on_event(event: MatchEvent) -> None:
        nonlocal shown
        now = time.time()
        print(show.match_json(event, now) if as_json else show.match_line(event, now), flush=True)
        if sixel and not as_json and sys.stdout.isatty():
            print(show.picture(event), flush=True)
        if save is not None:
            show.save_crop(event, save)
        shown += 1
        if shown == count:
            stop.set()

    with _explained():
        room = _room(config).about(van)
        if held:
            for event in itertools.islice(room.held(), count):
                on_event(event)
            return
        watcher = Watcher(room.address(), room.unsealer, van, room.times.clock, room.jitter)
        watcher.run(on_event, stop, _say)
    _say(", ".join(f"{number} {what}" for what, number in sorted(watcher.counts.items())))


@app.command()
def send(
    cmd: Annotated[str | None, typer.Argument(help=f"One of {', '.join(get_args(CommandName))}.")] = None,
    van: Annotated[str, typer.Option(help="The van.")] = "",
    key: KeysOption = None,
    reason: Annotated[str, typer.Option(help=f"One of {', '.join(get_args(Reason))}.")] = "",
    authority: Annotated[str, typer.Option(help="The deployment's authority, as an opaque reference.")] = "",
    threshold: Annotated[float | None, typer.Option(help="For raise-threshold: the new one.")] = None,
    lifetime: Annotated[
        float, typer.Option(min=1, max=MAX_LIFETIME_S, help="Seconds for which the van may obey.")
    ] = commands.LIFETIME_S,
    out: Annotated[Path | None, typer.Option(help="Only write the signed file, for a second signature.")] = None,
    file: Annotated[Path | None, typer.Option(help="Send this signed file as it is.")] = None,
    timeout: Annotated[float, typer.Option(min=0.1, max=600, help="Seconds to wait for the answer.")] = 10.0,
    as_json: JsonOption = False,
    config: ConfigOption = _CONFIG,
) -> None:
    """Order a van to do something, and wait for its signed answer."""
    if (file is None) == (cmd is None) or (file is not None and (key or van or out)):
        _fail("name a command with --van, --key and --reason; or --file alone", _ASKED_WRONGLY)
    if cmd is not None and not (van and key and reason):
        _fail(f"{cmd}: needs --van, --key and --reason", _ASKED_WRONGLY)
    args = {} if threshold is None else {"threshold": threshold}
    with _explained():
        signers = [load_signer(path) for path in key or []]
        ready = b"" if file is None else commands.read_file(file)
        room = _room(config)
        with room.exchange(van or commands.read(ready)[1].van) as exchange:
            sight = exchange.hear_van(_STATE_S)
            if not ready:
                wish = Wish(str(cmd), reason, args, authority, lifetime)
                ready = commands.sign(orders.compose(wish, sight, room, secrets.token_hex(16)), signers)
            order = orders.explain(ready, sight, room)
            _say_order(order)
            order.check(lone=out is None)
            if out is not None:
                commands.write_file(out, ready, replace=False)
                _say(f"wrote {out}; a second holder signs it with: kerbside-ctl sign {out} --key KEY")
                return
            answer = exchange.send(order.command, ready, order.topic_class, timeout)
    _show_answer(answer, room, as_json=as_json)
    raise typer.Exit(_OUTCOMES[answer.outcome])


def _show_answer(answer: Answer, room: Room, *, as_json: bool) -> None:
    details, trouble = orders.details(answer, room)
    if trouble:
        _say(trouble)
    if as_json:
        print(show.answer_json(answer, details))
    else:
        Console().print(show.rows_table(show.answer_rows(answer, details)))


def _say_order(order: Order) -> None:
    Console(stderr=True).print(show.rows_table(order.rows))


@app.command()
def sign(
    file: Annotated[Path, typer.Argument(help="A signed command, as send --out wrote it.")],
    key: Annotated[Path, typer.Option(help="The second holder's signing key, PEM.")],
    out: Annotated[Path | None, typer.Option(help="Where it goes; FILE itself, if absent.")] = None,
    config: ConfigOption = _CONFIG,
) -> None:
    """Add a second signature to a command, after saying what it orders."""
    with _explained():
        ready, signer = commands.read_file(file), load_signer(key)
        sight, room = Sight(), None
        if config.expanduser().exists():  # a second holder may sit apart from any broker
            room = _room(config)
            sight = orders.glance(commands.read(ready)[1].van, room, _GLANCE_S)
        order = orders.explain(ready, sight, room)
        _say_order(order)
        order.check()
        if sys.stdin.isatty() and not typer.confirm("Sign this?", err=True):
            _fail("not signed", _FAILED)
        commands.write_file(out or file, commands.countersign(ready, signer), replace=out is None)
    _say(f"signed: {out or file}")


@app.command()
def receipt(config: ConfigOption = _CONFIG) -> None:
    """The daemon: hold what vans say for a day and tell them that they may delete it. Logs JSON lines until stopped."""
    stop, log = _stopped_by_signals(), Log("control")
    with _explained():
        room = _room(config)
        with room.desk(log) as desk:
            log.info("started", vans=len(room.unsealer.vans), held=desk.inbox.count(), key=desk.signer.public_key.keyid)
            Receiver(desk, room.times.clock, room.times.now).run(stop)


def main() -> None:
    """Entry point of the console script."""
    app()


if __name__ == "__main__":
    main()
