"""What a calibration is made of, what it allows, and what it says of what nobody measured."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from models.calibrating import calibrate, encode, region, remarks
from models.calibration import (
    SHORTEST,
    Calibration,
    CalibrationError,
    FmrPoint,
    GroupCurve,
    TrackPoint,
    TrackRates,
    fusion_of,
    limits_of,
    shrink_of,
)
from models.claims import MAX_BYTES, read_calibration
from models.cli import app
from models.evaluation.report import Evaluation, Reading, Verification
from models.intervals import MOST, Rate, exact

MODEL, SPACE, RULE = "a1" * 32, "b2" * 32, "c3" * 32
EVENTS = {0.3: 400_000, 0.4: 4_000, 0.5: 40, 0.6: 0}
TRIALS = 8_000_000
PEOPLE = 4_001
"""So many are just as many pairs."""


def curve(times: int = 1, trials: int = TRIALS) -> tuple[FmrPoint, ...]:
    return tuple(FmrPoint(threshold, exact(events * times, trials)) for threshold, events in EVENTS.items())


def group(name: str, people: int = PEOPLE, times: int = 1) -> GroupCurve:
    return GroupCurve(name, people, curve(times) if people >= 30 else ())


def evaluation(*groups: GroupCurve, ungrouped: int = 0, model: str = MODEL) -> Evaluation:
    people = max(PEOPLE, sum(group.people for group in groups) + ungrouped)
    fnmr = tuple(exact(events, 1_000) for events in (1, 5, 20, 100))
    comparisons = Verification(1_000, 100, TRIALS, 1e-6, fnmr, (), ())
    reading = Reading(
        images=people + 2_000, people=people, curve=curve(), groups=groups, ungrouped=ungrouped,
        verification=comparisons, identification=(), doubtful=0, doubtful_people=0,
    )  # fmt: skip
    return Evaluation(
        model=model, space=SPACE, runner="a runner", evaluation="d4" * 32, seeds=1, files=6_000, faults=(), raw=reading
    )


def tracks(*false: int, walkers: int = 100_000, entries: int = 500, model: str = MODEL) -> TrackRates:
    points = tuple(
        TrackPoint(threshold, exact(90, 96), exact(events, walkers), 4.0)
        for threshold, events in zip((0.4, 0.5, 0.6), false, strict=True)
    )
    return TrackRates(model, RULE, entries, walkers + 96, points)


QUIET = tracks(0, 0, 0, walkers=10_000_000)
BOTH = evaluation(group("north"), group("south"))


def test_a_longer_list_needs_a_higher_threshold_and_the_figures_bear_it() -> None:
    made = calibrate(evaluation(), QUIET)
    assert (made.fusion, made.shrink) == (1.0, 10.0)
    bounds = [exact(events, TRIALS).high for events in EVENTS.values()]
    assert [limit.max_entries for limit in made.limits] == [int(1e-3 / bound / 10) for bound in bounds]
    assert [limit.max_entries for limit in made.limits] == [0, 0, 14, 216]
    assert [made.threshold_for(entries) for entries in (1, 14, 15, 216)] == [0.6] * 4
    with pytest.raises(CalibrationError, match="217 entries, the calibration bears 216 at the most"):
        made.threshold_for(217)
    assert read_calibration(encode(made)) == made


def test_the_worst_served_group_counts_and_with_groups_nothing_is_assumed() -> None:
    alone, worst = group("north"), group("south", times=8)
    assert calibrate(evaluation(alone, group("south")), QUIET).max_entries == 2_168
    made = calibrate(evaluation(alone, worst), QUIET)
    assert (made.shrink, made.threshold_for(15)) == (1.0, 0.6)
    assert made.limits[2].max_entries == int(1e-3 / exact(320, TRIALS).high) < int(1e-3 / exact(40, TRIALS).high)


NOT_KNOWN = {
    "no groups": (evaluation(), ["no group data"]),
    "one alone": (evaluation(group("north")), ["group north is the only one", "so false matches"]),
    "one too small": (
        evaluation(group("north"), group("isles", people=12)),
        ["group isles: 12 people, least 30: nothing is known of it", "so false matches"],
    ),
    "some in none": (
        evaluation(group("north"), group("south"), ungrouped=7),
        ["7 of 8009 people are in no group", "so false matches"],
    ),
}


@pytest.mark.parametrize("what", NOT_KNOWN)
def test_what_is_not_known_of_groups_makes_lists_shorter_and_is_said(what: str) -> None:
    measured, words = NOT_KNOWN[what]
    made = calibrate(measured, QUIET)
    assert made.shrink == 10.0
    said = list(remarks(measured, made))
    assert [one[: len(start)] for one, start in zip(said, words, strict=False)] == words


def test_where_everybody_is_in_a_group_that_is_large_enough_nothing_is_complained_of() -> None:
    measured = evaluation(group("north"), group("south"))
    said = list(remarks(measured, calibrate(measured, QUIET)))
    assert [one.split()[0] for one in said] == ["above", "fusion"]
    assert "never below 1" in said[-1]


def test_what_the_decision_on_tracks_adds_is_taken_where_enough_false_reports_stand_behind_it() -> None:
    """At 0.5, 12 of 100,000 walkers with 500 entries: 4.2e-7 an entry at most, of 5e-6 single comparisons."""
    assert fusion_of(curve(), tracks(80, 12, 9)) == 1.0
    short = tracks(800, 12, 9, entries=2)
    assert fusion_of(curve(), short) == pytest.approx(exact(12, 100_000).high / 2 / 5e-6)
    few = tracks(9, 3, 0, entries=2)
    assert fusion_of(curve(), few) == pytest.approx(max(1.0, exact(9, 100_000).high / 2 / 5e-4))
    low = tracks(40_000, 12, 9, entries=2)
    assert fusion_of(curve(), low) == pytest.approx(exact(40_000, 100_000).high / 2 / 5e-4)
    assert fusion_of(curve(), low) > 400, "the most, though it is not the highest threshold"
    made = calibrate(BOTH, short)
    assert made.fusion == fusion_of(curve(), short) > 20
    assert made.max_entries == int(1e-3 / exact(0, TRIALS).high / made.fusion)


def test_a_claim_of_less_fusion_than_the_tracks_bear_is_refused() -> None:
    made = calibrate(BOTH, tracks(800, 12, 9, entries=2))
    with pytest.raises(CalibrationError, match=r"fusion 1\.0, its tracks bear 20\.9"):
        read_calibration(encode(msgspec.structs.replace(made, fusion=1.0)))


def test_what_does_not_fit_together_makes_no_calibration() -> None:
    with pytest.raises(CalibrationError, match=r"tracks are of model eeee.*, the evaluation of a1a1"):
        calibrate(evaluation(), tracks(0, 0, 0, model="ee" * 32))
    with pytest.raises(CalibrationError, match=r"2\.0 false alerts allowed among 1,000, at most 1\.0 may be"):
        calibrate(evaluation(), QUIET, 2.0)
    with pytest.raises(CalibrationError, match=r"no list: 50 entries could bring 142 false alerts"):
        calibrate(evaluation(), tracks(0, 0, 0, walkers=10, entries=1), 1.0)


def test_the_region_has_a_row_for_each_threshold_that_allows_more() -> None:
    measured = BOTH
    rows = region(measured, calibrate(measured, QUIET))
    assert [(row.threshold, row.max_entries) for row in rows] == [(0.5, 146), (0.6, 2_168)]
    assert rows[0].fnmr == exact(20, 1_000)
    assert rows[0].expected == pytest.approx(146 * 5e-6 * 1_000)
    assert all(row.expected <= row.at_most <= 1.0 for row in rows)


def test_the_command_writes_what_is_signed_and_prints_the_region(tmp_path: Path) -> None:
    measured, replayed, out = tmp_path / "e.json", tmp_path / "t.json", tmp_path / "c.json"
    measured.write_bytes(msgspec.json.encode(evaluation()))
    replayed.write_bytes(msgspec.json.encode(QUIET))
    asked = ["calibrate", "--evaluation", str(measured), "--tracks", str(replayed), "--out", str(out)]
    shown = CliRunner().invoke(app, asked)
    assert shown.exit_code == 0, shown.output
    assert read_calibration(out.read_bytes()) == calibrate(evaluation(), QUIET)
    assert "216" in shown.stdout
    assert "no group data: false matches are taken to be 10 times as frequent" in shown.stderr
    printed = json.loads(CliRunner().invoke(app, [*asked, "--json"]).stdout)
    assert [row["max_entries"] for row in printed["region"]] == [216]
    stricter = CliRunner().invoke(app, [*asked, "--allowed-per-1000", "0.3"])
    assert (stricter.exit_code, read_calibration(out.read_bytes()).max_entries) == (0, 65)
    refused = CliRunner().invoke(app, [*asked, "--allowed-per-1000", "1e-9"])
    assert refused.exit_code == 1
    assert "no list: 50 entries could" in refused.stderr
    assert read_calibration(out.read_bytes()).max_entries == 65, "what there was stays"


def test_a_short_list_is_used_as_one_that_has_others_to_compare_with() -> None:
    made = calibrate(BOTH, QUIET)
    assert [limit.max_entries for limit in made.limits] == [0, 1, 146, 2_168]
    assert [made.threshold_for(entries) for entries in (1, SHORTEST, 146, 147)] == [0.5, 0.5, 0.5, 0.6]
    assert made.false_alerts(1, 0.5) == made.false_alerts(SHORTEST, 0.5) < made.false_alerts(SHORTEST + 1, 0.5)
    for none in (0, -5):
        with pytest.raises(CalibrationError, match=f"{none} entries: a list has one at least"):
            made.threshold_for(none)
        with pytest.raises(CalibrationError, match=f"{none} entries: a list has one at least"):
            made.false_alerts(none, 0.5)
    bare = msgspec.structs.replace(made, limits=made.limits[:2])
    with pytest.raises(CalibrationError, match="1 entries, held to what 50 need, the calibration bears 1 at the most"):
        bare.threshold_for(1)


def test_everybody_is_in_a_group_or_the_factor_stands() -> None:
    north, south, isles = group("north"), group("south"), group("isles", people=12)
    assert shrink_of((north, south), 2 * PEOPLE) == 1.0
    for groups, people in (
        ((), PEOPLE),
        ((north,), PEOPLE),
        ((north, south), 2 * PEOPLE + 1),
        ((north, north), 2 * PEOPLE),
        ((north, south, isles), 2 * PEOPLE + 12),
    ):
        assert shrink_of(groups, people) == 10.0


def forged(one: Calibration, **fields: object) -> Calibration:
    """With these fields, and the limits that they would give."""
    other = msgspec.structs.replace(one, **fields)
    limits = limits_of(other.curve, other.groups, other.fusion * other.shrink, other.allowed_per_1000)
    return msgspec.structs.replace(other, limits=limits)


def false(*figures: tuple[float, int, int], found: int = 96) -> TrackRates:
    points = tuple(TrackPoint(at, exact(90, found), exact(events, of), 4.0) for at, events, of in figures)
    return TrackRates(MODEL, RULE, 500, 10_000_096, points)


ALONE = calibrate(evaluation(), QUIET)
MADE = calibrate(BOTH, QUIET)
MANY = 10_000_000
THIRTY = tuple(group(name, people=30) for name in ("north", "south"))
FORGED: dict[str, tuple[Calibration, str]] = {
    "a group twice": (forged(MADE, groups=(MADE.groups[0],) * 2), "a group is named twice"),
    "more in groups": (forged(MADE, people=2 * PEOPLE - 1), "8002 people in groups, 8001 in the set"),
    "thirty of many": (
        forged(ALONE, groups=THIRTY, shrink=1.0),
        "30 people do not bear .* as the upper end of an interval: they are 435 pairs",
    ),
    "few people": (forged(ALONE, people=4_000), "4000 people do not bear"),
    "few images": (forged(ALONE, images=PEOPLE - 1), "4000 images of 4001 people"),
    "more comparisons than images": (forged(ALONE, people=4_000, images=4_000), "8000000 comparisons of 4000 images"),
    "tracks that fall": (
        forged(ALONE, tracks=false((0.5, 0, MANY), (0.4, 0, MANY))), "the tracks' thresholds do not rise"
    ),
    "tracks above the curve": (
        forged(ALONE, tracks=false((0.5, 0, MANY), (0.95, 0, MANY))), "tracks are from 0.5 to 0.95, the curve from 0.3"
    ),
    "tracks below the curve": (forged(ALONE, tracks=false((0.1, 0, MANY))), "tracks are from 0.1 to 0.1"),
    "other walkers": (
        forged(ALONE, tracks=false((0.4, 0, MANY - 1), (0.5, 0, MANY))), "other walkers at one of the tracks'"
    ),
    "more walkers than walked": (
        forged(ALONE, tracks=false((0.4, 0, MANY), found=97)), "10000097 walkers were seen on tracks, 10000096 walked"
    ),
    "a replay that says otherwise": (
        forged(MADE, tracks=false((0.4, 0, 100), (0.6, 9, 100))),
        "2168 entries at 0.6, its tracks falsely reported 9 of 100 walkers at 0.6 with 500",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", FORGED)
def test_figures_that_no_set_and_no_crowd_could_have_are_refused(what: str) -> None:
    one, words = FORGED[what]
    with pytest.raises(CalibrationError, match=words):
        read_calibration(encode(one))


def test_a_replay_out_of_order_makes_no_calibration() -> None:
    with pytest.raises(CalibrationError, match="the tracks' thresholds do not rise"):
        calibrate(evaluation(), false((0.5, 0, MANY), (0.4, 0, MANY)))


BIG = int("1" + "0" * 400)
RATES: dict[str, Rate] = {
    "trials of 400 digits": Rate(0, BIG, 0.0, 1.0),
    "more than a double counts": Rate(0, MOST + 1, 0.0, 1.0),
    "half of all that a double counts": Rate(MOST // 2, MOST, 0.4, 0.5),
    "half of very many": Rate(5 * 10**11, 10**12, 0.4, 0.5),
    "hardly anything": Rate(0, MOST, 0.0, 5e-324),
    "nothing": Rate(0, TRIALS, 0.0, 0.0),
    "no trials": Rate(0, 0, 0.0, 1.0),
    "more events than trials": Rate(2, 1, 0.0, 1.0),
    "fewer than none": Rate(-1, TRIALS, 0.0, 1.0),
    "above 1": Rate(0, TRIALS, 0.0, 1.5),
    "below 0": Rate(0, TRIALS, -0.5, 1.0),
    "ends that crossed": Rate(0, TRIALS, 1.0, 0.5),
}


@pytest.mark.parametrize("what", RATES)
@pytest.mark.parametrize("people", [PEOPLE, MOST])
def test_whatever_a_rate_claims_it_is_refused_at_once(what: str, people: int) -> None:
    points = (FmrPoint(0.3, RATES[what]), *curve()[1:])
    forgery = msgspec.structs.replace(ALONE, curve=points, people=people, images=max(people, ALONE.images))
    with pytest.raises(CalibrationError):
        read_calibration(encode(forgery))
    told = msgspec.structs.replace(QUIET.points[0], false=RATES[what])
    with pytest.raises(CalibrationError):
        read_calibration(encode(msgspec.structs.replace(ALONE, tracks=TrackRates(MODEL, RULE, 500, MOST, (told,)))))


NO_FILES = (
    b"",
    b"[" * MAX_BYTES,
    b'{"curve":' * 100_000,
    b'{"v":' + b"[" * 100_000,
    b"\xff",
    b" " * (MAX_BYTES + 1),
    b"null",
)


@pytest.mark.parametrize("content", NO_FILES, ids=range(len(NO_FILES)))
def test_what_is_no_calibration_is_refused_and_nothing_else_happens(content: bytes) -> None:
    with pytest.raises(CalibrationError, match=r"^calibration: "):
        read_calibration(content)


def test_a_calibration_of_one_or_of_nobody_is_none() -> None:
    for people in (0, 1):
        with pytest.raises(CalibrationError, match="people"):
            read_calibration(encode(msgspec.structs.replace(ALONE, people=people)))


def test_what_errata_took_away_is_kept_and_shown_beside_what_there_was() -> None:
    raw = msgspec.structs.replace(BOTH.raw, curve=curve(times=3))
    measured = msgspec.structs.replace(BOTH, raw=raw, reviewed=BOTH.raw, same=15, dropped=2)
    made = calibrate(measured, QUIET)
    assert (made.merged, made.dropped) == (15, 2)
    said = list(remarks(measured, made))
    assert said[0] == "errata: 15 labels merged, 2 photographs dropped"
    bounds = (exact(40, TRIALS).high, exact(120, TRIALS).high)
    assert said[1] == (
        f"at 0.50, 146 entries: FMR at most {bounds[0]:.2e} reviewed, {bounds[1]:.2e} with the labels as they were"
    )
    assert (MADE.merged, MADE.dropped) == (0, 0)
