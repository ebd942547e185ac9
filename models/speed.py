"""How long networks take, backend beside backend in one run. Knows clocks and noise; not what the networks find."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

import msgspec
import numpy as np

from models.built import Graph
from models.manifest import ModelError
from models.runner import Backend, Profile, Runner

WARM_RUNS = 3
Clock = Callable[[], int]


class Speed(msgspec.Struct, frozen=True):
    """Milliseconds of one run of ``count`` pictures: the median and the 95th percentile of ``runs``.

    ``ratio`` is how many times the first backend's median this one's fits into; ``fault`` says why there is none.
    """

    graph: str
    pictures: str
    count: int
    backend: str
    runs: int = 0
    median_ms: float = 0.0
    p95_ms: float = 0.0
    ratio: float = 0.0
    fault: str = ""


def measure(
    backends: list[Backend],
    uses: list[tuple[Graph, Profile]],
    runs: int,
    clock: Clock = time.perf_counter_ns,
) -> Iterator[Speed]:
    """Speeds of every use on every backend. Backends take turns run by run, so that a noisy machine disturbs all alike.

    Args:
        backends: the first is what the others are compared with.
        uses: graphs and the pictures that they are given; a batch is measured for one picture and for all.
        runs: of each.
        clock: nanoseconds.
    """
    for graph, profile in uses:
        for count in dict.fromkeys((1, profile.batch)):
            yield from _side_by_side(backends, graph, profile, count, runs, clock)


def _side_by_side(
    backends: list[Backend], graph: Graph, profile: Profile, count: int, runs: int, clock: Clock
) -> Iterator[Speed]:
    opened = [_opened(backend, graph, profile) for backend in backends]
    shape = (count, profile.height_px, profile.width_px, 3)
    pictures = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    times_ms: list[list[float]] = [[] for _ in backends]
    for number in range(WARM_RUNS + runs):
        for runner, times in zip(opened, times_ms, strict=True):
            if isinstance(runner, str):
                continue
            started = clock()
            runner.run(pictures)
            if number >= WARM_RUNS:
                times.append((clock() - started) / 1e6)
    first = statistics.median(times_ms[0]) if times_ms[0] else 0.0
    for backend, runner, times in zip(backends, opened, times_ms, strict=True):
        if isinstance(runner, str):
            yield Speed(graph.name, str(profile), count, backend.name, fault=runner)
            continue
        median = statistics.median(times)
        yield Speed(
            graph=graph.name,
            pictures=str(profile),
            count=count,
            backend=backend.name,
            runs=runs,
            median_ms=round(median, 3),
            p95_ms=round(float(np.percentile(times, 95)), 3),
            ratio=round(first / median, 2) if median else 0.0,
        )


def _opened(backend: Backend, graph: Graph, profile: Profile) -> Runner | str:
    try:
        return backend.open(graph, profile)
    except ModelError as error:
        return str(error)
