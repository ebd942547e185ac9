"""Parts of a report that a page and a text share: words, tables, plots. Knows their form; no figure."""

from __future__ import annotations

from dataclasses import dataclass

from models.evaluation.axes import Axis
from models.evaluation.svg import Series


@dataclass(frozen=True)
class Table:
    """Rows under a head; every row is as long."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Plot:
    """What :func:`models.evaluation.svg.chart` takes."""

    words: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]


@dataclass(frozen=True)
class Section:
    """One subject.

    Attributes:
        title: of the subject.
        words: before the figures.
        tables: all figures that the plots show, and more.
        plots: for a page.
    """

    title: str
    words: str = ""
    tables: tuple[Table, ...] = ()
    plots: tuple[Plot, ...] = ()
