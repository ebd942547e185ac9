"""Plots as SVG inside a page. Knows lines, dots and intervals; not what they mean. No script, nothing loaded.

Series differ by colour (Okabe and Ito's, which the colour-blind tell apart), by dash and by mark, so that a print in
grey reads as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.evaluation.axes import Axis
from models.evaluation.elements import Element, tag

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 12, 52
"""Room around the plot for what is written."""
_LEGEND_ROW = 20
_KINDS = 6
"""Of series that differ; the style has as many."""
_MARKS = (
    "M-4,0A4,4 0 1,0 4,0A4,4 0 1,0 -4,0Z",
    "M-4,-4H4V4H-4Z",
    "M0,-5L5,0L0,5L-5,0Z",
    "M0,-5L5,4H-5Z",
    "M-4,-4L4,4M-4,4L4,-4",
    "M0,5L5,-4H-5Z",
)


@dataclass(frozen=True)
class Point:
    """A value and its interval; without one both ends are the value."""

    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True)
class Series:
    """Points that belong together.

    Attributes:
        name: in the legend.
        points: by rising x.
        dots: whether each is marked, with its interval as a bar; otherwise the interval is a band.
    """

    name: str
    points: tuple[Point, ...]
    dots: bool = True


def bare(pairs: Sequence[tuple[float, float]]) -> tuple[Point, ...]:
    """Points without intervals."""
    return tuple(Point(x, y, y, y) for x, y in pairs)


def chart(words: str, x: Axis, y: Axis, series: Sequence[Series]) -> Element:
    """A plot.

    Args:
        words: what it shows, for those who cannot see it.
        x: to the right.
        y: upwards.
        series: at most :data:`_KINDS` look different.
    """
    drawn = _Plot(x, y)
    height = HEIGHT + _LEGEND_ROW * len(series)
    return tag(
        "svg",
        tag("title", words),
        *drawn.grid(),
        *(part for number, one in enumerate(series) for part in drawn.series(number % _KINDS, one)),
        *(part for number, one in enumerate(series) for part in _legend(number, one)),
        viewBox=f"0 0 {WIDTH} {height}",
        role="img",
        xmlns="http://www.w3.org/2000/svg",
    )


@dataclass(frozen=True)
class _Plot:
    x: Axis
    y: Axis

    def at(self, x: float, y: float) -> tuple[float, float]:
        """In the picture's own units."""
        return (
            round(LEFT + self.x.place(x) * (WIDTH - LEFT - RIGHT), 1),
            round(HEIGHT - BOTTOM - self.y.place(y) * (HEIGHT - TOP - BOTTOM), 1),
        )

    def grid(self) -> list[Element]:
        """Lines and what stands at them."""
        parts = list[Element]()
        floor, left = self.y.ticks[0][0], self.x.ticks[0][0]
        for value, words in self.x.ticks:
            across, bottom = self.at(value, floor)
            parts.append(_line(across, TOP, across, bottom, "grid"))
            parts.append(_text(across, bottom + 18, words, "middle"))
        for value, words in self.y.ticks:
            start, down = self.at(left, value)
            parts.append(_line(start, down, WIDTH - RIGHT, down, "grid"))
            parts.append(_text(start - 8, down + 4, words, "end"))
        middle = (TOP + HEIGHT - BOTTOM) / 2
        parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, self.x.words, "middle"))
        turned = _text(0, 0, self.y.words, "middle")
        turned.set("transform", f"translate(14,{middle}) rotate(-90)")
        return [*parts, turned]

    def series(self, number: int, one: Series) -> list[Element]:
        """Band or bars first, so that the line lies above them."""
        if not one.points:
            return []
        places = [self.at(point.x, point.y) for point in one.points]
        line = tag("path", d="M" + "L".join(f"{x},{y}" for x, y in places), class_=f"line s{number}")
        if not one.dots:
            return [*self._band(number, one), line]
        bars = [
            _line(*self.at(point.x, point.low), *self.at(point.x, point.high), f"bar s{number}") for point in one.points
        ]
        return [*bars, line, *(_mark(number, *place) for place in places)]

    def _band(self, number: int, one: Series) -> list[Element]:
        if all(point.low == point.high for point in one.points):
            return []
        over = [self.at(point.x, point.high) for point in one.points]
        under = [self.at(point.x, point.low) for point in reversed(one.points)]
        return [tag("path", d="M" + "L".join(f"{x},{y}" for x, y in over + under) + "Z", class_=f"band b{number}")]


def _legend(number: int, one: Series) -> list[Element]:
    kind, down = number % _KINDS, HEIGHT + _LEGEND_ROW * number + 8.0
    sample = _line(LEFT, down, LEFT + 40, down, f"line s{kind}")
    marks = [_mark(kind, LEFT + 20, down)] if one.dots else []
    return [sample, *marks, _text(LEFT + 50, down + 4, one.name, "start")]


def _mark(number: int, x: float, y: float) -> Element:
    return tag("path", d=_MARKS[number], transform=f"translate({x},{y})", class_=f"mark m{number}")


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Element:
    return tag("line", x1=f"{x1}", y1=f"{y1}", x2=f"{x2}", y2=f"{y2}", class_=kind)


def _text(x: float, y: float, words: str, anchor: str) -> Element:
    return tag("text", words, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor)
