"""``python -m firmware.bench.search``: how long one probe takes on one core, by the shape of the list; prints JSON.

Knows shapes and cores; refuses to know who is on a list. It is a process of its own because a BLAS takes as many
threads as it finds cores when it is loaded.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

import msgspec

from firmware.bench import BenchError
from firmware.bench.lists_report import Search

SHAPES = ((10_000, 128), (10_000, 512), (50_000, 512))
"""Entries and dimension: the longest list, with the shipped model and a larger one, and the budget's."""
_PROBES = 100


def search_alone() -> tuple[Search, ...]:
    """Measure in a process of its own.

    Raises:
        BenchError: it did not end well.
    """
    ended = subprocess.run([sys.executable, "-m", __name__], capture_output=True, check=False)
    if ended.returncode:
        raise BenchError(f"{__name__}: {ended.stderr.decode(errors='replace')[-500:]}")
    return msgspec.json.decode(ended.stdout, type=tuple[Search, ...])


def main() -> None:
    """Measure and print."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # before numpy is imported
    sys.stdout.buffer.write(msgspec.json.encode([Search(*shape, _probe_ms(*shape)) for shape in SHAPES]))


def _probe_ms(entries: int, dimension: int) -> float:
    """One probe through a list of this shape, as the pipeline does it: median."""
    from firmware.bench.lists_made import random_units
    from firmware.match.watchlist import Entry, Watchlist
    from models.faces import Embeddings

    listed = tuple(Entry(f"bench-{number}", "bench") for number in range(entries))
    watchlist = Watchlist(listed, Embeddings(random_units(entries, dimension), "bench"), "bench")
    probe = Embeddings(random_units(1, dimension), "bench")
    times_s = []
    for _ in range(_PROBES):
        begun_s = time.perf_counter()
        watchlist.search(probe)
        times_s.append(time.perf_counter() - begun_s)
    return 1e3 * statistics.median(times_s)


if __name__ == "__main__":
    main()
