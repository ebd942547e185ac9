"""``kerbside-models evaluate``: measure a model on a set of consented people. Knows options; computes nothing.

Standard output is for figures. Names of files and labels go to the terminal and to the file that ``--doubts`` names,
never into an evaluation.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from board.device_key import DeviceKeyError
from models.bars import bar
from models.durable import replace_durably
from models.evaluation.cache import open_cache
from models.evaluation.corpus import Corpus, read_corpus
from models.evaluation.evaluate import SEEDS, Asked, Findings, evaluate
from models.evaluation.faults import Fault, Kind
from models.evaluation.html import html
from models.evaluation.markdown import markdown
from models.evaluation.report import EvaluationError, encode
from models.evaluation.show import tables
from models.manifest import ModelError
from models.options import AsJson, entrance, fail
from models.runner_openvino import OpenVinoBackend
from models.vision import open_vision

_NAMED = 10
"""Faults of one kind that the terminal names; the file has them all."""
_CACHE = Path("var/evaluation")


class Arithmetic(str, Enum):
    """Of the networks."""

    NATIVE = "native"
    F32 = "f32"


Faces = Annotated[Path, typer.Option(help="Folder with a folder of pictures for each consented human being.")]
Pairs = Annotated[Path | None, typer.Option(help="Pairs to be told apart, in LFW's format.")]
Groups = Annotated[Path | None, typer.Option(help="CSV 'label,group' that the people themselves agreed to.")]
Looked = Annotated[
    Path | None, typer.Option(help="CSV of 'same,LABEL_A,LABEL_B' and 'drop,LABEL/FILE', each looked at.")
]
Kept = Annotated[Path, typer.Option(help="Keeps templates, so that a cut run goes on; delete it when done.")]
Seeds = Annotated[int, typer.Option(min=1, max=1000, help="Draws of each list.")]
Tail = Annotated[bool, typer.Option("--fit-tail", help="Guess at false matches rarer than the set shows.")]
Strata = Annotated[bool, typer.Option("--strata", help="Probes of falling quality, small faces, times. Takes minutes.")]
Peers = Annotated[bool, typer.Option("--peers", help="OpenCV and dlib, where installed, on the same files: long.")]
Precise = Annotated[Arithmetic, typer.Option(help="native: what this machine runs; f32: the reference.")]
Doubts = Annotated[Path | None, typer.Option(help="JSON file of every fault and doubtful label, by name.")]
Page = Annotated[Path | None, typer.Option("--html", help="One page with plots, without names.")]
Text = Annotated[Path | None, typer.Option("--markdown", help="The same without plots.")]


def evaluate_command(
    context: typer.Context,
    faces: Faces,
    pairs: Pairs = None,
    groups: Groups = None,
    errata: Looked = None,
    cache: Kept = _CACHE,
    seeds: Seeds = SEEDS,
    fit_tail: Tail = False,
    strata: Strata = False,
    peers: Peers = False,
    precision: Precise = Arithmetic.NATIVE,
    doubts: Doubts = None,
    page: Page = None,
    text: Text = None,
    as_json: AsJson = False,
) -> None:
    """Measure a model on photographs of people who agreed to it: every rate with its interval."""
    console, asked = Console(stderr=True), Asked(seeds, fit_tail, strata, peers)
    try:
        corpus = read_corpus(faces, pairs, groups, errata)
        vision = open_vision(OpenVinoBackend("f32") if precision is Arithmetic.F32 else entrance(context).usual())
        kept = open_cache(cache, vision)
        if kept.damaged:
            console.print(f"[yellow]{kept.damaged} damaged files of the cache are not used[/]")
        with bar(console, "evaluate") as progress:
            found = evaluate(corpus, vision, kept, asked, progress)
    except (EvaluationError, ModelError, DeviceKeyError) as error:
        fail(error)
    _name(found, console)
    if doubts is not None:
        _write(doubts, _doubts(found), 0o600)
    if page is not None:
        _write(page, html(found.evaluation).encode(), 0o644)
    if text is not None:
        _write(text, markdown(found.evaluation, _command(corpus, asked, precision)).encode(), 0o644)
    if as_json:
        typer.echo(encode(found.evaluation).decode(), nl=False)
        return
    for table in tables(found.evaluation):
        Console().print(table)


def _command(corpus: Corpus, asked: Asked, precision: Arithmetic) -> str:
    """What makes the same figures again, without a path of this machine."""
    words = (
        ("--pairs PAIRS", bool(corpus.pairs)),
        ("--groups GROUPS", corpus.groups is not None),
        ("--errata ERRATA", corpus.errata is not None),
        (f"--seeds {asked.seeds}", asked.seeds != SEEDS),
        ("--fit-tail", asked.fit_tail),
        ("--strata", asked.strata),
        ("--peers", asked.peers),
        ("--precision f32", precision is Arithmetic.F32),
    )
    given = [word for word, there in words if there]
    return " ".join(["kerbside-models evaluate --faces DIR", *given, "--markdown FILE"])


def _name(found: Findings, console: Console) -> None:
    """Tell every kind of fault, and the first of each by name."""
    for kind in Kind:
        faults = [fault for fault in found.faults if fault.kind is kind]
        if faults:
            console.print(f"[yellow]{len(faults)}[/] {kind.value}", highlight=False)
            _list([_words(fault) for fault in faults], console)
    if found.doubtful:
        console.print(f"[yellow]{len(found.doubtful)}[/] comparisons that point at wrong labels", highlight=False)
        _list([f"{one.similarity:.4f}  {one.one}  {one.other}" for one in found.doubtful], console)


def _list(lines: list[str], console: Console) -> None:
    for line in lines[:_NAMED]:
        console.print(f"    {line}", highlight=False, markup=False)
    if len(lines) > _NAMED:
        console.print(f"    and {len(lines) - _NAMED} more: --doubts FILE names them all", highlight=False)


def _words(fault: Fault) -> str:
    return f"{fault.where}: {fault.words}" if fault.words else fault.where


def _doubts(found: Findings) -> bytes:
    content = {"faults": found.faults, "doubtful": found.doubtful}
    return msgspec.json.format(msgspec.json.encode(content))


def _write(path: Path, content: bytes, mode: int) -> None:
    try:
        replace_durably(path, content, mode)
    except OSError as error:
        fail(f"{path}: {error.strerror}")
