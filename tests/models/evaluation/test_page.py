"""The page and the text: well formed, whole, without script, address or name, and no finer than figures are known."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

import msgspec
import pytest

from models.calibration import FmrPoint, GroupCurve
from models.evaluation.axes import decades, linear, named, probit, upto
from models.evaluation.conditions import Conditions
from models.evaluation.detector import DetectorReport, FalseFaces, WidthRecall
from models.evaluation.discard import DISCARDED, Characteristic, Discarded, QualityReport
from models.evaluation.html import html
from models.evaluation.markdown import markdown
from models.evaluation.peer import PeerFigures, PeerPoint, PeerSearch, PeersReport
from models.evaluation.report import (
    DetPoint,
    Draw,
    Evaluation,
    FaultCount,
    Identification,
    OperatingPoint,
    PairsRate,
    Reading,
    SearchPoint,
    Verification,
)
from models.evaluation.rounding import counted, share, wanted
from models.evaluation.speed import SpeedReport, StageSpeed
from models.evaluation.strata import StrataReport, Stratum
from models.evaluation.svg import Point, Series, bare, chart
from models.evaluation.tell_recognition import searches
from models.evaluation.told import headline
from models.intervals import Rate, exact

COMMAND = "kerbside-models evaluate --faces DIR"
NASTY = "A<b>|\"&'"
"""A group's name that would break a page or a table."""


def _verification() -> Verification:
    return Verification(
        mated=5_791,
        mated_people=1_165,
        non_mated=22_102_003,
        smallest_fmr=3.7e-7,
        fnmr=(),
        points=(
            OperatingPoint(1e-4, 0.4225, exact(2_210, 22_102_003), exact(91, 5_791)),
            OperatingPoint(1e-6, 0.5157, exact(22, 22_102_003), exact(375, 5_791), "few: 9 pairs of labels"),
        ),
        det=(DetPoint(0.3, 0.01, 0.003), DetPoint(0.5, 1e-5, 0.04)),
        pairs=PairsRate(exact(5_967, 6_000), (0.99, 1.0), 3, 4),
    )


def _reading() -> Reading:
    curve = tuple(FmrPoint(t, exact(events, 1_000_000)) for t, events in ((0.3, 9_000), (0.4, 200), (0.5, 3)))
    rates = (exact(2, 301), exact(5, 302), exact(9, 303))
    draw = Draw(0, 0.5, exact(12, 4_000), exact(930, 1_001))
    return Reading(
        images=6_665,
        people=3_990,
        curve=curve,
        groups=(GroupCurve("first", 77, curve, rates), GroupCurve("tiny", 7)),
        ungrouped=0,
        verification=_verification(),
        identification=(
            Identification(
                entries=1_000,
                portraits=1,
                left_out=False,
                mated=2_345,
                mated_people=1_000,
                non_mated=4_000,
                non_mated_people=2_990,
                smallest_fpir=1e-3,
                rank1=0.987,
                points=(
                    SearchPoint(3e-3, 0.943, 0.931, 0.954, 0.94, 0.95, (draw,)),
                    SearchPoint(1e-4, mark="not shown"),
                ),
            ),
        ),
        doubtful=17,
        doubtful_people=14,
    )


def _stratum(kind: str, amount: float, missed: int, fnmr: Rate | None) -> Stratum:
    words = f"{kind} {amount:g}"
    return Stratum(kind, amount, words, 600, exact(missed, 600), fnmr, exact(31, 299_400), exact(560 - missed, 600))


def _conditions() -> Conditions:
    points = tuple(Discarded(part, exact(91 - place * 11, 5_791 - place)) for place, part in enumerate(DISCARDED))
    found = exact(6_601, 6_665)
    peer = PeerFigures(
        name="Kerbside",
        found=found,
        pairs=exact(5_960, 6_000),
        points=(
            PeerPoint(1e-4, exact(88, 5_700)),
            PeerPoint(1e-6, exact(12, 5_700), "few: 3 pairs of labels stand behind it"),
        ),
        searches=(PeerSearch(3e-3, 0.911, 0.901, 0.921),),
        det=((1e-5, 0.04), (0.01, 0.003)),
    )
    return Conditions(
        seed=0,
        strata=StrataReport(
            entries=500,
            verification=0.4225,
            search=0.52,
            strata=(_stratum("as it is", 0, 0, exact(12, 600)), _stratum("blur", 3, 450, None)),
            left_out=("yaw of 45 to 90 degrees: 2 probes",),
        ),
        detector=DetectorReport(
            (WidthRecall(24, "full", exact(141, 300)), WidthRecall(40, "full", exact(279, 300))),
            (FalseFaces("the only face blanked", "full", exact(1, 230), 1),),
        ),
        speed=SpeedReport(6_665, (StageSpeed("embed", 97, 4.567, 8.912),)),
        quality=QualityReport(0.4225, 5_791, 1_172, 91, (Characteristic("mirror agreement", points, 0.5, 0.36, 0.63),)),
        peers=PeersReport(1_000, (peer,), ("face_recognition",)),
    )


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return Evaluation(
        model="a" * 64,
        space="b" * 64,
        runner="OpenVINO 2026.4.1 bf16",
        evaluation="c" * 64,
        seeds=1,
        files=6_670,
        faults=(FaultCount("pictures that cannot be read", 5),),
        raw=_reading(),
        reviewed=msgspec.structs.replace(_reading(), images=6_664),
        same=15,
        dropped=1,
        conditions=_conditions(),
    )


@pytest.fixture(scope="module")
def whole_page(evaluation: Evaluation) -> str:
    return html(evaluation)


@pytest.fixture(scope="module")
def whole_text(evaluation: Evaluation) -> str:
    return markdown(evaluation, COMMAND)


def _rates(value: object) -> Iterator[Rate]:
    """Every rate that a struct holds."""
    if isinstance(value, Rate):
        yield value
    elif isinstance(value, msgspec.Struct):
        for field in value.__struct_fields__:
            yield from _rates(getattr(value, field))
    elif isinstance(value, tuple):
        for one in value:
            yield from _rates(one)


def _svgs(page: str) -> list[ET.Element]:
    return [ET.fromstring(drawing) for drawing in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]  # noqa: S314 our own


def test_the_axis_of_searches_reaches_below_the_lowest_interval(evaluation: Evaluation) -> None:
    (plot,) = searches(evaluation.raw).plots
    assert [words for _, words in plot.y.ticks] == ["90%", "92%", "94%", "96%", "98%", "100%"]


def test_every_plot_is_well_formed_and_says_what_it_shows(whole_page: str) -> None:
    drawings = _svgs(whole_page)
    assert len(drawings) == 7
    assert all(drawing[0].tag.endswith("title") and drawing[0].text for drawing in drawings)


def test_nothing_is_drawn_outside_of_a_plots_frame(whole_page: str) -> None:
    for drawing in _svgs(whole_page):
        width, height = (float(side) for side in drawing.attrib["viewBox"].split()[2:])
        lines = [one.attrib for one in drawing.iter() if one.tag.endswith("line")]
        assert all(0 <= float(line[x]) <= width for line in lines for x in ("x1", "x2"))
        assert all(0 <= float(line[y]) <= height for line in lines for y in ("y1", "y2"))


def test_the_page_runs_and_loads_nothing(whole_page: str) -> None:
    addresses = re.findall(r"https?://[^\"' <]+", whole_page)
    assert set(addresses) == {"http://www.w3.org/2000/svg"}, "the name of a language, which nobody asks for"
    assert re.findall(r"<(script|img|link|iframe|object|embed|use|image)\b", whole_page) == []
    assert re.findall(r"\b(?:src|href|style|on\w+)=", whole_page) == []
    assert "@import" not in whole_page
    assert "url(" not in whole_page
    assert "default-src 'none'" in whole_page


def test_a_name_that_would_break_the_page_or_a_table_is_written_as_it_is(evaluation: Evaluation) -> None:
    named_so = FaultCount(NASTY, 1)
    one = msgspec.structs.replace(evaluation, faults=(named_so,))
    assert "A&lt;b&gt;|\"&amp;'" in html(one)
    assert "<b>" not in html(one)
    assert "A&lt;b>\\|\"&'" in markdown(one, COMMAND)


def test_the_page_follows_the_readers_light_and_the_printer(whole_page: str) -> None:
    assert "prefers-color-scheme:dark" in whole_page
    assert "@media print" in whole_page


def test_headline_comes_before_the_first_section(whole_page: str) -> None:
    assert whole_page.index("FNMR at FMR 1e-4") < whole_page.index("<h2>")
    assert "94 % (93 to 95)" in whole_page[: whole_page.index("<h2>")]


def test_the_headline_says_how_little_stands_behind_a_figure(evaluation: Evaluation) -> None:
    few = "few: 4.0 events a draw stand behind the threshold"
    few_pairs = "few: 7 pairs of labels stand behind it"
    (listed,) = evaluation.judged.identification
    point = msgspec.structs.replace(listed.points[0], mark=few)
    compared = evaluation.judged.verification
    comparison = msgspec.structs.replace(compared.points[0], mark=few_pairs)
    reading = msgspec.structs.replace(
        evaluation.judged,
        verification=msgspec.structs.replace(compared, points=(comparison,)),
        identification=(msgspec.structs.replace(listed, points=(point,)),),
    )
    one = msgspec.structs.replace(evaluation, reviewed=reading)
    words = [what for _, what in headline(one)]
    assert words[:3] == [
        f"FNMR at FMR 1e-4, threshold 0.422; {few_pairs}",
        "6,000 given pairs told apart, 2 folds, labels as they are",
        f"TPIR at FPIR 0.3 %, 1,000 entries, one photograph a search; {few}",
    ]
    assert all(what in html(one) and what in markdown(one, COMMAND) for what in words)
    assert not any("few" in what for _, what in headline(evaluation))


def test_page_and_text_hold_every_rate_with_its_interval(
    evaluation: Evaluation, whole_page: str, whole_text: str
) -> None:
    told = msgspec.structs.replace(evaluation, raw=msgspec.structs.replace(evaluation.raw, identification=()))
    told = msgspec.structs.replace(told, reviewed=msgspec.structs.replace(_reading(), identification=(), groups=()))
    missing = [rate for rate in _rates(told) if share(rate) not in whole_text or share(rate) not in whole_page]
    assert missing == []
    assert [rate for rate in _rates(evaluation.raw.verification) if counted(rate) not in whole_text] == []


def test_the_text_says_which_command_model_and_set_made_it(whole_text: str) -> None:
    assert f"    {COMMAND}\n" in whole_text
    assert all(letter * 64 in whole_text for letter in "abc")


def test_every_row_of_a_table_in_the_text_is_as_long_as_its_head(whole_text: str) -> None:
    tables = re.findall(r"(?:^\|.*\n)+", whole_text, re.MULTILINE)
    assert len(tables) > 8
    assert all(len({row.count(" |") for row in table.splitlines()}) == 1 for table in tables)


def test_a_rate_of_few_events_is_marked_wherever_it_stands(whole_text: str) -> None:
    assert "few: 9 pairs of labels |" in whole_text
    assert "; few: 3 pairs of labels stand behind it |" in whole_text


def test_what_was_not_asked_for_is_not_told(evaluation: Evaluation) -> None:
    bare_one = msgspec.structs.replace(evaluation, conditions=None, reviewed=None)
    text = markdown(bare_one, COMMAND)
    assert "Peers" not in text
    assert "reviewed" not in text
    assert "Limits" in text


def test_a_set_without_groups_says_that_nothing_is_known_of_them(evaluation: Evaluation) -> None:
    raw = msgspec.structs.replace(evaluation.raw, groups=())
    text = markdown(msgspec.structs.replace(evaluation, raw=raw, reviewed=None), COMMAND)
    assert "nothing is known of the worst-served one" in text


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        (exact(91, 5_801), "1.6 % (1.3 to 1.9)"),
        (exact(1, 3), "33 % (1 to 91)"),
        (exact(22, 22_000_000), "1.0e-06 (6.3e-07 to 1.5e-06)"),
        (Rate(5, 10, 0.5, 0.5), "50.0 % (50.0 to 50.0)"),
    ],
)
def test_a_rate_is_written_no_finer_than_its_interval(rate: Rate, words: str) -> None:
    assert share(rate) == words


def test_a_wanted_rate_is_written_as_it_was_asked_for() -> None:
    assert [wanted(rate) for rate in (1e-2, 3e-3, 1e-3, 1e-4, 1e-6)] == ["1 %", "0.3 %", "0.1 %", "1e-4", "1e-6"]


def test_axes_place_their_ends_at_the_ends_and_what_is_beyond_too() -> None:
    axes = [
        linear("", (0.2, 0.5, 0.8)),
        decades("", -4, 0),
        probit("", (1e-4, 0.4)),
        named("", ("a", "b")),
        upto("", 0.163),
    ]
    ends = [(axis.place(axis.ticks[0][0]), axis.place(axis.ticks[-1][0])) for axis in axes]
    assert ends == [(0, 1)] * 5
    assert [axis.place(-1) for axis in axes] == [0] * 5
    assert decades("", -4, 0).place(1e-2) == pytest.approx(0.5)
    assert probit("", (0.1, 0.9)).place(0.5) == pytest.approx(0.5)
    assert [value for value, _ in upto("", 0.163).ticks] == pytest.approx([0, 0.05, 0.1, 0.15, 0.2])


def test_series_differ_by_more_than_colour() -> None:
    axis = linear("", (0, 1))
    drawing = chart("two", axis, axis, [Series(name, bare([(0, 0), (1, 1)])) for name in ("one", "other")])
    marks = [one.attrib["d"] for one in drawing.iter("path") if one.attrib["class"].startswith("mark")]
    assert len(set(marks)) == 2
    assert [one.text for one in drawing.iter("text")][-2:] == ["one", "other"]


def test_an_interval_is_drawn_as_a_bar_or_as_a_band() -> None:
    axis = linear("", (0, 1))
    points = (Point(0.2, 0.5, 0.25, 0.75), Point(0.8, 0.5, 0.25, 0.75))
    dots = chart("dots", axis, axis, [Series("", points)])
    line = chart("line", axis, axis, [Series("", points, dots=False)])
    bars = [one for one in dots.iter("line") if one.attrib["class"].startswith("bar")]
    assert [float(bar.attrib["y1"]) > float(bar.attrib["y2"]) for bar in bars] == [True, True]
    assert [one.attrib["class"] for one in line.iter("path")] == ["band b0", "line s0"]
