"""``kerbside-models``: fetch the networks, build their engines, list them, prove them, time them.

Exit codes: 0 done, 1 it could not be done, 2 it was asked for wrongly.
"""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from board.device_key import DeviceKeyError
from models.backend_tensorrt import Precision
from models.bars import bar
from models.built import built_graph
from models.calibrating import calibrate, encode, read_tracks, region, remarks
from models.calibration import ALLOWED_PER_1000, CalibrationError
from models.durable import replace_durably
from models.evaluation.cli import evaluate_command
from models.evaluation.report import EvaluationError, read_evaluation
from models.evaluation.show import shown
from models.fetch import fetch, published
from models.golden import shipped_file
from models.manifest import ModelError, Net, load_manifest
from models.options import ASKED_WRONGLY, FAILED, AsJson, entrance, fail
from models.runner import Backend
from models.runner_openvino import OpenVinoBackend
from models.speed import Speed, measure
from models.vision import Graphs, open_vision
from models.workshop import EngineState, look, rebuild, tend

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False)
_SIZE = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})")

Sizes = Annotated[list[str], typer.Option("--size", help="WIDTHxHEIGHT of a camera's pictures; may be repeated.")]
_USUAL_SIZES = ["1280x720"]

app.command("evaluate")(evaluate_command)


@app.command("calibrate")
def calibrate_command(
    evaluation: Annotated[Path, typer.Option(help="What `evaluate --json` printed.")],
    tracks: Annotated[Path, typer.Option(help="What the replay of crowds wrote of the decision on tracks.")],
    out: Annotated[Path, typer.Option(help="The calibration, for those who sign for models.")],
    allowed_per_1000: Annotated[
        float, typer.Option(help="Most false alerts among 1,000 passers-by.")
    ] = ALLOWED_PER_1000,
    as_json: AsJson = False,
) -> None:
    """Say how long a list may be, at which similarity: what these figures bear for the group that is served worst."""
    try:
        measured = read_evaluation(evaluation.read_bytes())
        made = calibrate(measured, read_tracks(tracks.read_bytes()), allowed_per_1000)
        replace_durably(out, encode(made), 0o644)
    except (EvaluationError, CalibrationError, OSError) as error:
        fail(error)
    rows, words = region(measured, made), tuple(remarks(measured, made))
    if as_json:
        typer.echo(msgspec.json.encode({"calibration": str(out), "region": rows, "remarks": words}).decode())
        return
    table = Table("threshold", "longest list", "FNMR", "false alerts of 1,000", "at most")
    for row in rows:
        figures = (f"{row.threshold:.2f}", f"{row.max_entries:,}", shown(row.fnmr))
        table.add_row(*figures, f"{row.expected:.3f}", f"{row.at_most:.3f}")
    Console().print(table)
    for remark in words:
        typer.echo(remark, err=True)


@app.command("fetch")
def fetch_command(
    wheels: Annotated[
        Path | None, typer.Option(help="Folder with the wheels of the manifest; without it its addresses are used.")
    ] = None,
) -> None:
    """Take the networks from their source, check them against the manifest and build the graphs that run."""
    console = Console(stderr=True)
    try:
        manifest = load_manifest()
        with console.status("Building the networks' graphs"):
            made = fetch(manifest, wheels)
    except ModelError as error:
        fail(error)
    for path in made:
        console.print(f"[green]built[/] {path.name}  {path.stat().st_size / 1e6:.1f} MB")


@app.command("build")
def build_command(
    context: typer.Context,
    size: Sizes = _USUAL_SIZES,
    precision: Annotated[Precision, typer.Option(help="fp16 gives way to fp32 where it strays too far.")] = "fp16",
    force: Annotated[bool, typer.Option("--force", help="Build again what is in order.")] = False,
    as_json: AsJson = False,
) -> None:
    """Build the TensorRT engines of this machine. Takes minutes.

    An engine that is absent, out of date, of another device or changed since is refused, named and built anew. The old
    one stays until the new one agrees with fp32.
    """
    sizes_px = tuple(_size(text) for text in size)
    console, states = Console(stderr=True), list[EngineState]()
    try:
        backend, reference = entrance(context).backend(entrance(context).board(), precision), OpenVinoBackend("f32")
        make = rebuild if force else tend
        for graph, profile in Graphs.load(load_manifest()).profiles(sizes_px):
            with bar(console, f"{graph.name} {profile}") as progress:
                states.append(make(backend, graph, profile, reference, progress))
            _say(console, states[-1])
    except (ModelError, DeviceKeyError) as error:
        fail(error)
    _print_engines(states, as_json=as_json)
    raise typer.Exit(0 if all(state.usable for state in states) else FAILED)


@app.command("golden")
def golden_command(
    name: Annotated[str, typer.Argument(metavar="NET", help="A network that you brought.")],
    wheels: Annotated[
        Path | None, typer.Option(help="Folder with the wheels of the manifest; without it its addresses are used.")
    ] = None,
) -> None:
    """Compute the golden figures of a network that you brought, with ONNX Runtime on its published file. On a host."""
    try:
        net = _brought(name)
        path = _judge().write_figures(net, published(net, wheels))
    except ModelError as error:
        fail(error)
    typer.echo(f"golden figures of {name} in {path}")


@app.command("list")
def list_command(context: typer.Context, size: Sizes = _USUAL_SIZES, as_json: AsJson = False) -> None:
    """The manifest's networks, whether their graphs are here, and on a Jetson their engines."""
    manifest, way = load_manifest(), entrance(context)
    board = way.board()
    rows = [{"name": net.name, "role": net.role, "licence": net.licence, "built": _built(net)} for net in manifest.net]
    states: list[EngineState] = []
    if board.networks == "tensorrt":
        try:
            backend = way.backend(board)
            uses = Graphs.load(manifest).profiles(tuple(_size(text) for text in size))
        except (ModelError, DeviceKeyError) as error:
            fail(error)
        states = [look(backend, graph, profile) for graph, profile in uses]
    if as_json:
        typer.echo(json.dumps({"networks": rows, "engines": [msgspec.to_builtins(state) for state in states]}))
        return
    table = Table("network", "role", "licence", "built graph (sha256)")
    for row in rows:
        table.add_row(*row.values())
    Console().print(table)
    if states:
        _print_engines(states, as_json=False)


@app.command("verify")
def verify_command(context: typer.Context) -> None:
    """Run the golden picture; exit 1 when this machine does not reproduce the reference."""
    try:
        vision = open_vision(entrance(context).usual())
    except (ModelError, DeviceKeyError) as error:
        fail(error)
    typer.echo(f"golden vectors reproduced by {vision.runner}; model {vision.digest[:16]}")


@app.command("bench")
def bench_command(
    context: typer.Context,
    size: Sizes = _USUAL_SIZES,
    runs: Annotated[int, typer.Option(min=1, help="Runs of each network on each backend.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Time every network on every backend of this machine, side by side in one run."""
    way, console = entrance(context), Console(stderr=True)
    board = way.board()
    backends: list[Backend] = [OpenVinoBackend(), OpenVinoBackend("f32")]
    try:
        if board.networks == "tensorrt":
            backends.append(way.backend(board))
        uses = Graphs.load(load_manifest()).profiles(tuple(_size(text) for text in size))
        with console.status("Timing"):
            speeds = list(measure(list({one.name: one for one in backends}.values()), uses, runs))
    except (ModelError, DeviceKeyError) as error:
        fail(error)
    _print_speeds(speeds, as_json=as_json)


def _size(text: str) -> tuple[int, int]:
    found = _SIZE.fullmatch(text)
    if found is None:
        fail(f"--size {text}: expected WIDTHxHEIGHT, such as 1280x720", ASKED_WRONGLY)
    return int(found[1]), int(found[2])


def _built(net: Net) -> str:
    try:
        return built_graph(net).sha256[:16]
    except ModelError as error:
        return str(error)


def _say(console: Console, state: EngineState) -> None:
    if state.refused:
        console.print(f"[yellow]refused[/] {state.refused}", highlight=False)
    mark = "[green]built[/]" if state.built else "[green]in order[/]" if state.usable else "[red]not built[/]"
    console.print(f"{mark} {state.graph} {state.pictures}: {state.words}", highlight=False)


def _print_engines(states: list[EngineState], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([msgspec.to_builtins(state) for state in states]))
        return
    table = Table("network", "pictures", "engine")
    for state in states:
        table.add_row(state.graph, state.pictures, f"[{'green' if state.usable else 'red'}]{escape(state.words)}[/]")
    Console().print(table)


def _print_speeds(speeds: list[Speed], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([msgspec.to_builtins(speed) for speed in speeds]))
        return
    backends = list(dict.fromkeys(speed.backend for speed in speeds))
    table = Table("network", "pictures", *(f"{backend}\nmedian (p95) ms" for backend in backends))
    for number in range(0, len(speeds), len(backends)):
        row = speeds[number : number + len(backends)]
        cells = (escape(one.fault) or f"{one.median_ms:.2f} ({one.p95_ms:.2f})  {one.ratio:.2f}x" for one in row)
        table.add_row(row[0].graph, f"{row[0].count} of {row[0].pictures}", *cells)
    Console().print(table)


def _brought(name: str) -> Net:
    net = load_manifest().called(name)
    if shipped_file(net).exists():
        raise ModelError(f"{name}: its figures are shipped, there is nothing to make")
    return net


def _judge() -> ModuleType:
    try:
        return importlib.import_module("models.judge")
    except ModuleNotFoundError as error:
        raise ModelError(f"{error}: ONNX Runtime is the judge; run '.venv/bin/pip install onnxruntime'") from error


def main() -> None:
    """Entry point of the console script."""
    app()


if __name__ == "__main__":
    main()
