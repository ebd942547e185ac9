"""An evaluation as one page to read, print and keep. Knows how sections become HTML; computes no figure.

Every plot has its table beside it. The page holds no script, loads nothing and names nobody.
"""

from __future__ import annotations

from models.evaluation.elements import Element, page, tag
from models.evaluation.report import Evaluation
from models.evaluation.section import Plot, Section, Table
from models.evaluation.style import STYLE
from models.evaluation.svg import chart
from models.evaluation.told import headline, sections


def html(one: Evaluation) -> str:
    """The page."""
    first = (tag("li", tag("strong", figure), what) for figure, what in headline(one))
    return page(
        f"Evaluation of model {one.model[:16]}",
        STYLE,
        (
            tag("h1", "What the face recognition model is worth"),
            tag("p", "Model ", tag("code", one.model[:16]), ", set ", tag("code", one.evaluation[:16]), class_="soft"),
            tag("ul", *first, class_="headline"),
            *(_section(section) for section in sections(one)),
        ),
    )


def _section(one: Section) -> Element:
    words = [tag("p", one.words)] if one.words else []
    parts = [*(_figure(plot) for plot in one.plots), *(_table(table) for table in one.tables)]
    return tag("section", tag("h2", one.title), *words, tag("div", *parts, class_="side"))


def _figure(plot: Plot) -> Element:
    drawing = chart(plot.words, plot.x, plot.y, plot.series)
    return tag("figure", tag("figcaption", plot.words), drawing)


def _table(one: Table) -> Element:
    head = tag("thead", tag("tr", *(tag("th", name, scope="col") for name in one.head)))
    body = tag("tbody", *(tag("tr", *(tag("td", cell) for cell in row)) for row in one.rows))
    return tag("div", tag("table", head, body), class_="scroll")
