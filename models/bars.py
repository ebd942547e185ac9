"""Show on a terminal how far a build is. Knows rich; not what is being built."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from models.plan import Progress as Steps


@contextmanager
def bar(console: Console, what: str) -> Iterator[Steps]:
    """A bar that runs while the context lasts, and the function that moves it; before the first step it only pulses."""
    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task(what, total=None)

        def advance(phase: str, done: int, of: int) -> None:
            bars.update(task, description=f"{what}: {phase}", completed=done, total=of)

        yield advance
