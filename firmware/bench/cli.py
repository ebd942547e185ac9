"""``kerbside bench`` and the benches below it. Knows options and exit codes; each bench is its own module of this room.

One function a bench, in the order in which ``--help`` lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from firmware.bench import BenchError
from firmware.bench.fleet_report import FleetReport, table_of
from models.manifest import ModelError

bench = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
_FAILED, _ASKED_WRONGLY = 1, 2
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _fail(error: Exception, code: int = _FAILED) -> NoReturn:
    typer.echo(f"kerbside: {error}", err=True)
    raise typer.Exit(code)


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each thing that takes long; gives what is told how far it is."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True, refresh_per_second=4) as bars:
        tasks: dict[str, TaskID] = {}

        def advance(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield advance


@bench.callback(invoke_without_command=True)
def faces_in_a_crowd(
    context: typer.Context,
    faces: Annotated[
        Path, typer.Option(envvar="KERBSIDE_FACES", help="Folder of people to make a crowd of: NAME/NAME_0001.jpg.")
    ] = Path("../shared/faces/lfw"),
    out: Annotated[Path, typer.Option(help="Where the crowd video and the results are kept.")] = Path("var/bench"),
    walkers: Annotated[int, typer.Option(min=1, help="People in the video.")] = 100,
    runs: Annotated[int, typer.Option(min=1, help="Runs of each, alternating.")] = 2,
    as_json: _Json = False,
) -> None:
    """Speed, memory and recall beside the plain OpenCV pipeline, on the same video in one run. Or one of these."""
    if context.invoked_subcommand is not None:
        return
    from firmware.bench.run import run_bench

    try:
        run_bench(faces, out, walkers, runs, as_json=as_json)
    except BenchError as error:
        _fail(error, _ASKED_WRONGLY)


@bench.command()
def wire(
    events: Annotated[int, typer.Option(min=1, max=50_000, help="While everything is connected.")] = 5_000,
    queued: Annotated[int, typer.Option(min=1, max=100_000, help="Before link is there.")] = 20_000,
    as_json: _Json = False,
) -> None:
    """From a decision to the control room's receipt: real outbox, seal, link, Mosquitto and receipt daemon."""
    from firmware.bench.wire import WireSpec, run_wire
    from firmware.bench.wire_report import table_of as wire_table

    try:
        with _progress() as advance:
            report = run_wire(WireSpec(events, queued), advance)
    except (BenchError, OSError) as error:
        _fail(error)
    print(report.to_json()) if as_json else Console().print(wire_table(report))
    if report.lost:
        _fail(BenchError(f"{report.lost} events were lost"))


@bench.command()
def fleet(
    vans: Annotated[int, typer.Option(help="Simulated vans, each with a connection of its own.")] = 1_000,
    seconds: Annotated[int, typer.Option(help="Length of the steady part.")] = 20,
    rate: Annotated[float, typer.Option("--events-per-minute", help="Possible matches of each van.")] = 1.0,
    as_json: _Json = False,
) -> None:
    """A fleet's states and events through one real Mosquitto on loopback; then its broker is killed and comes back."""
    from firmware.bench.fleet import run_fleet
    from firmware.bench.fleet_papers import FleetSpec

    try:
        spec = FleetSpec(vans, seconds, rate)
    except ValueError as error:
        _fail(ValueError(f"--{error}"), _ASKED_WRONGLY)
    try:
        with _progress() as advance:
            report = run_fleet(spec, advance)
    except (BenchError, OSError) as error:
        _fail(error)
    _tell(report, as_json=as_json)


@bench.command()
def decision(
    faces: Annotated[Path, typer.Option(envvar="KERBSIDE_FACES", help="Folder of people: NAME/NAME_0001.jpg.")] = Path(
        "../shared/faces/lfw"
    ),
    errata: Annotated[Path | None, typer.Option(help="Faults of the folder's labels: same,A,B or drop,A/FILE.")] = None,
    crowds: Annotated[int, typer.Option(help="Each with a list of its own.")] = 4,
    walkers: Annotated[int, typer.Option(help="Of each crowd.")] = 350,
    tracks: Annotated[Path | None, typer.Option(help="Write the rates for 'kerbside-models calibrate' here.")] = None,
    as_json: _Json = False,
) -> None:
    """Rules of decision side by side on crowds: who is found, who is mistaken, and at how many templates."""
    from firmware.bench.decision import DecisionSpec, run_decisions
    from firmware.bench.decision_report import tables_of
    from firmware.bench.decision_rules import COMPARED_AT

    try:
        spec = DecisionSpec(faces, errata, Path("var/bench/decision"), crowds, walkers)
    except ValueError as error:
        _fail(ValueError(f"--{error}"), _ASKED_WRONGLY)
    try:
        with _progress() as advance:
            report = run_decisions(spec, advance)
        if tracks is not None:
            tracks.write_bytes(msgspec.json.format(msgspec.json.encode(report.tracks)) + b"\n")
    except (BenchError, ModelError, OSError) as error:
        _fail(error)
    if as_json:
        print(report.to_json())
        return
    for table in tables_of(report, COMPARED_AT):
        Console().print(table)


@bench.command("list")
def way_of_a_list(
    entries: Annotated[int, typer.Option(help="Of the list; made up.")] = 10_000,
    repeat: Annotated[int, typer.Option(min=1, max=20, help="Lists, each to a newly started van.")] = 3,
    as_json: _Json = False,
) -> None:
    """A list from its publishing until a van looks with it: real agent, match, link and broker; then search alone."""
    from firmware.bench.lists import ListsSpec, run_lists
    from firmware.bench.lists_report import table_of as lists_table

    try:
        spec = ListsSpec(entries, repeat)
    except ValueError as error:
        _fail(ValueError(f"--{error}"), _ASKED_WRONGLY)
    try:
        with _progress() as advance:
            report = run_lists(spec, advance)
    except (BenchError, OSError) as error:
        _fail(error)
    print(report.to_json()) if as_json else Console().print(lists_table(report))


def _tell(report: FleetReport, *, as_json: bool) -> None:
    """Print it; a lost event is a failure."""
    if as_json:
        print(report.to_json())
    else:
        Console().print(table_of(report))
    if report.lost:
        _fail(BenchError(f"{report.lost} of {report.events} events were lost"))
