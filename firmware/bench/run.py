"""Run the bench: make the crowd, run Kerbside and the baseline in turn on the same video, and report.

Knows command lines and JSON files; refuses to know what happens inside either system.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from firmware.bench import BenchError
from firmware.bench.baseline import THRESHOLD, Weights
from firmware.bench.crowd import Crowd, Truth, make_crowd
from firmware.bench.outcome import read_outcome
from firmware.bench.people import Numbers, people_in, yunet_finder
from firmware.bench.plan import CrowdSpec
from firmware.bench.report import BenchReport, Run, SystemReport, table_of
from firmware.bench.score import score

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = Weights(ROOT / "models/files/yunet-fp32.onnx", ROOT / "models/files/sface-fp32.onnx")
LISTED_SHARE, LIST_SIZE = 0.24, 500
SIMILARITY = 0.44
"""At which Kerbside mistakes as many on the bench's crowd as the baseline does: what is compared is then the rest."""
RUN_LIMIT_S = 3600
LAST_LINES = 5


@dataclass(frozen=True)
class System:
    """A system under test: its name, and the command that runs it on a crowd and writes JSON to a path."""

    name: str
    command: Callable[[Crowd, Path], list[str]]


@dataclass(frozen=True)
class Bench:
    """What to run: the faces, the folder for videos and results, the crowd, and how often each system runs.

    Raises:
        ValueError: fewer than one run.
    """

    faces: Path
    out_dir: Path
    spec: CrowdSpec = field(default_factory=CrowdSpec)
    runs: int = 2
    weights: Weights = WEIGHTS

    def __post_init__(self) -> None:
        """Refuse a bench without a run."""
        if self.runs < 1:
            raise ValueError(f"runs: expected at least 1, got {self.runs}")


def run_bench(faces: Path, out_dir: Path, walkers: int = 100, runs: int = 2, *, as_json: bool = False) -> BenchReport:
    """Make the crowd (about 14 frames a walker), run all, print the table, or JSON alone with ``as_json``.

    Raises:
        BenchError: no faces folder, too few people, no weights, numbers out of range, or a system that failed.
    """
    try:
        listed = round(LISTED_SHARE * walkers)
        numbers = Numbers(walkers, listed, max(LIST_SIZE, listed))
        bench = Bench(faces, out_dir, CrowdSpec(numbers), runs)
    except ValueError as error:
        raise BenchError(f"--{error}") from error
    report = compare(bench, (kerbside(), baseline(bench.weights)))
    if as_json:
        print(report.to_json())
    else:
        Console().print(table_of(report))
    return report


def kerbside(threshold: float = SIMILARITY) -> System:
    """Kerbside as shipped, at a similarity that does not change with the shipped calibration."""
    run = [sys.executable, "-m", "firmware", "replay", "--threshold", str(threshold)]
    return System(
        "Kerbside",
        lambda crowd, out: [
            *run, "--source", f"file://{crowd.video.resolve()}", "--portraits", str(crowd.portraits), "--json", str(out)
        ],
    )  # fmt: skip


def baseline(weights: Weights, threshold: float = THRESHOLD) -> System:
    """OpenCV on every face of every frame, with the same weights."""
    run = [sys.executable, "-m", "firmware.bench.baseline", "--threshold", str(threshold)]
    nets = ["--yunet", str(weights.yunet.resolve()), "--sface", str(weights.sface.resolve())]
    return System(
        "OpenCV, every face",
        lambda crowd, out: [
            *run, *nets, "--video", str(crowd.video), "--portraits", str(crowd.portraits), "--json", str(out)
        ],
    )  # fmt: skip


def compare(bench: Bench, systems: tuple[System, ...]) -> BenchReport:
    """Run the systems in turn, ``bench.runs`` times each, one at a time: Kerbside, the baseline, any others.

    Raises:
        BenchError: the crowd cannot be made, or a system failed.
    """
    people_in(bench.faces)  # the likeliest fault is said first
    crowd = make_crowd(bench.faces, bench.out_dir.resolve() / "crowd", bench.spec, yunet_finder(bench.weights.yunet))
    truth, results = crowd.read_truth(), bench.out_dir.resolve() / "results"
    results.mkdir(parents=True, exist_ok=True)
    done: dict[str, list[Run]] = {system.name: [] for system in systems}
    console = Console(stderr=True)
    for number in range(1, bench.runs + 1):
        for place, system in enumerate(systems):
            with console.status(f"{system.name}: run {number} of {bench.runs}"):
                done[system.name].append(run_system(system, crowd, truth, results / f"{place}-{number}.json"))
    numbers = bench.spec.numbers
    return BenchReport(
        video=str(crowd.video), frames=truth.frames, walkers=len(truth.walkers), listed=numbers.listed,
        list_size=truth.list_size, systems=tuple(SystemReport(name, tuple(runs)) for name, runs in done.items()),
    )  # fmt: skip


def run_system(system: System, crowd: Crowd, truth: Truth, out: Path) -> Run:
    """Run one system once, as a process of its own, and score what it wrote to ``out``.

    Raises:
        BenchError: it failed, took over an hour, wrote no result, or did not see every frame.
    """
    out.unlink(missing_ok=True)
    command = system.command(crowd, out)
    try:
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=RUN_LIMIT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"{system.name}: not done after {RUN_LIMIT_S} s") from error
    if ended.returncode != 0:
        last = "\n".join(ended.stderr.strip().splitlines()[-LAST_LINES:])
        raise BenchError(f"{system.name}: exit code {ended.returncode}\n{last}")
    outcome = read_outcome(out)
    if outcome.summary.frames != truth.frames:
        raise BenchError(f"{system.name}: saw {outcome.summary.frames} of {truth.frames} frames")
    result = score(truth, outcome.events)
    return Run(outcome.summary, len(result.found), len(result.false))
