"""Load is shed by a table: at once when it grows, after a quiet while when it is gone, and always with the reason."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from board.power_mode import NONE, PowerMode
from board.thermal import Heat
from firmware.match.shedding import (
    EIGHT,
    EVERY,
    LEVELS,
    NOTHING,
    QUIET_S,
    ROWS,
    SMALL,
    TEN,
    Level,
    Load,
    Pacer,
    Shedder,
    What,
)

S = 1_000_000_000
QUIET_NS = round(QUIET_S * S)
PASSIVE_C, HOT_C, CRITICAL_C = 95.0, 99.0, 104.5
"""An Orin NX's trips (Linux, tegra234-p3767.dtsi)."""
MAXN = PowerMode("MAXN")


def at(temp_c: float) -> Heat:
    return Heat("tj-thermal", temp_c, PASSIVE_C - temp_c, HOT_C - temp_c, CRITICAL_C - temp_c)


def load(temp_c: float | None = 50.0, age_s: float = 0.05, power: PowerMode = MAXN, *, fallback: bool = False) -> Load:
    return Load(None if temp_c is None else at(temp_c), age_s, power, fallback)


def severity(level: Level) -> int:
    return [one.name for one in LEVELS].index(level.name)


def first(given: Load) -> Level:
    return Shedder().update(given, 0)


# The table


def test_levels_go_frame_rate_first_then_the_detectors_size_then_nothing() -> None:
    assert [(level.most_fps, level.canvas) for level in LEVELS] == [
        (math.inf, "full"), (10, "full"), (8, "full"), (8, "small"), (0, "small")
    ]  # fmt: skip


def test_every_row_is_left_later_than_it_was_entered() -> None:
    assert [row for row in ROWS if row.leave >= row.enter] == []


@pytest.mark.parametrize("what", What)
def test_of_one_thing_more_is_never_milder(what: What) -> None:
    rows = sorted((row for row in ROWS if row.what is what), key=lambda row: row.enter)
    assert rows
    assert all(severity(mild.level) < severity(worse.level) for mild, worse in pairwise(rows))
    assert all(mild.leave < worse.leave for mild, worse in pairwise(rows))


@pytest.mark.parametrize(
    ("given", "level"),
    [
        pytest.param(load(), EVERY, id="a cool machine"),
        pytest.param(load(84.9), EVERY, id="warm"),
        pytest.param(load(85.0), TEN, id="10 under the passive trip"),
        pytest.param(load(90.0), EIGHT, id="5 under it"),
        pytest.param(load(95.0), SMALL, id="at it"),
        pytest.param(load(98.9), SMALL, id="just under the hot trip"),
        pytest.param(load(99.0), NOTHING, id="at the hot trip"),
        pytest.param(load(120.0), NOTHING, id="over everything"),
        pytest.param(load(age_s=0.49), EVERY, id="frames are fresh"),
        pytest.param(load(age_s=0.5), TEN, id="half a second old"),
        pytest.param(load(age_s=1.0), EIGHT, id="a second old"),
        pytest.param(load(age_s=2.0), SMALL, id="two seconds old"),
        pytest.param(load(age_s=1e6), SMALL, id="age alone never blinds"),
        pytest.param(load(power=PowerMode(NONE)), EVERY, id="a host"),
        pytest.param(load(power=PowerMode("40W", 40)), EVERY, id="40 W"),
        pytest.param(load(power=PowerMode("25W", 25)), EVERY, id="25 W"),
        pytest.param(load(power=PowerMode("MODE_15W_6CORE", 15)), TEN, id="15 W"),
        pytest.param(load(power=PowerMode("10W", 10)), EIGHT, id="10 W"),
        pytest.param(load(power=PowerMode("7W", 7)), SMALL, id="7 W"),
        pytest.param(load(power=PowerMode("not to be told", fault="no mode 42")), TEN, id="who knows how many W"),
        pytest.param(load(fallback=True), EIGHT, id="the fallback runner"),
        pytest.param(load(85.0, 1.0, PowerMode("7W", 7), fallback=True), SMALL, id="the most severe wins"),
        pytest.param(load(99.0, 1.0, PowerMode("7W", 7), fallback=True), NOTHING, id="heat above all"),
        pytest.param(load(None), EVERY, id="a machine that never had a thermometer"),
    ],
)
def test_a_load_has_its_level(given: Load, level: Level) -> None:
    now = first(given)
    assert (now.name, now.most_fps, now.canvas) == (level.name, level.most_fps, level.canvas)


def test_a_critical_trip_below_the_hot_one_blinds_too() -> None:
    odd = Heat("board", 80.0, to_passive_c=20.0, to_hot_c=15.0, to_critical_c=2.0)
    assert first(Load(odd, 0.0, MAXN, fallback=False)).name == NOTHING.name


# Words


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (load(), "looking at every frame"),
        (
            load(91.4),
            "looking at 8 frames a second: near the temperature that slows the machine, tj-thermal at 91 C",
        ),
        (load(103.0), "looking at nothing: about to shut down from heat, tj-thermal at 103 C"),
        (load(power=PowerMode("10W", 10)), "looking at 8 frames a second: power mode 10W"),
        (
            load(power=PowerMode("?", fault="nvpmodel.conf: has no mode 42")),
            "looking at 10 frames a second: the power mode cannot be told, nvpmodel.conf: has no mode 42",
        ),
        (
            load(age_s=1.31, fallback=True),
            "looking at 8 frames a second: frames taken 1.3 s old; the networks run on the fallback runner",
        ),
    ],
)
def test_a_level_says_itself_and_its_reasons(given: Load, words: str) -> None:
    assert first(given).words == words


def test_a_level_that_only_waits_says_so() -> None:
    shedder = Shedder()
    shedder.update(load(age_s=2.0), 0)
    assert shedder.update(load(), S).words.endswith("frames taken 0.1 s old (calm, but not for 30 s yet)")


# Time


def test_going_down_is_immediate_and_coming_back_takes_a_quiet_while() -> None:
    shedder = Shedder()
    assert shedder.update(load(), 0).name == EVERY.name
    assert shedder.update(load(96.0), 1).name == SMALL.name
    calm_ns = 5 * S
    assert shedder.update(load(60.0), calm_ns).name == SMALL.name
    assert shedder.update(load(60.0), calm_ns + QUIET_NS - 1).name == SMALL.name
    assert shedder.update(load(60.0), calm_ns + QUIET_NS).name == EVERY.name


def test_one_look_over_the_limit_begins_the_wait_anew() -> None:
    shedder = Shedder()
    shedder.update(load(86.0), 0)
    shedder.update(load(60.0), S)
    shedder.update(load(83.0), 20 * S)  # under the limit to enter, over the one to leave
    assert shedder.update(load(60.0), S + QUIET_NS).name == TEN.name
    assert shedder.update(load(60.0), S + 2 * QUIET_NS).name == EVERY.name


def test_cooling_comes_back_row_by_row() -> None:
    shedder = Shedder()
    shedder.update(load(100.0), 0)
    shedder.update(load(86.0), S)
    assert shedder.update(load(86.0), S + QUIET_NS).name == TEN.name  # calm for all but the first row


def test_a_thermometer_that_fails_is_a_reason_and_lets_nothing_go() -> None:
    shedder = Shedder()
    shedder.update(load(50.0), 0)
    lost = shedder.update(load(None), S)
    assert (lost.name, lost.reasons) == (EIGHT.name, ("the temperature can no longer be read",))
    assert {shedder.update(load(None), second * S) for second in range(2, 100)} == {lost}
    assert shedder.update(load(50.0), 100 * S).name == EIGHT.name
    assert shedder.update(load(50.0), 100 * S + QUIET_NS).name == EVERY.name


def test_a_thermometer_that_fails_at_the_hot_trip_leaves_the_van_blind() -> None:
    shedder = Shedder()
    shedder.update(load(100.0), 0)
    for second in range(1, 200):
        blind = shedder.update(load(None), second * S)
    assert blind.words == "looking at nothing: about to shut down from heat, it cannot be read now"


heats = st.one_of(st.none(), st.floats(20, 110))
powers = st.sampled_from([PowerMode(NONE), MAXN, PowerMode("15W", 15), PowerMode("7W", 7), PowerMode("?", fault="x")])
loads = st.builds(load, heats, st.floats(0, 5), powers, fallback=st.booleans())
steps_ns = st.integers(1, 60 * S)


def worse(given: Load, hotter_c: float, older_s: float) -> Load:
    heat = given.heat
    hotter = None if heat is None else at(heat.temp_c + hotter_c)
    return Load(hotter, given.age_s + older_s, given.power, given.fallback)


@settings(deadline=None)
@given(st.lists(st.tuples(loads, steps_ns, st.floats(0, 40), st.floats(0, 3)), min_size=1, max_size=20))
def test_hotter_or_older_never_looks_at_more(history: list[tuple[Load, int, float, float]]) -> None:
    mild, severe, t_ns = Shedder(), Shedder(), 0
    for given_load, step_ns, hotter_c, older_s in history:
        t_ns += step_ns
        milder = mild.update(given_load, t_ns)
        level = severe.update(worse(given_load, hotter_c, older_s), t_ns)
        assert severity(level) >= severity(milder)


@settings(deadline=None)
@given(st.lists(st.tuples(loads, steps_ns), max_size=10), loads, st.lists(steps_ns, min_size=1, max_size=30))
def test_a_constant_load_never_flaps(history: list[tuple[Load, int]], constant: Load, steps: list[int]) -> None:
    shedder, t_ns = Shedder(), 0
    for before, step_ns in history:
        t_ns += step_ns
        shedder.update(before, t_ns)
    levels = []
    for step_ns in steps:
        t_ns += step_ns
        levels.append(severity(shedder.update(constant, t_ns)))
    assert levels == sorted(levels, reverse=True)


@settings(deadline=None)
@given(st.floats(20, 110), st.floats(0, 0.9), st.lists(st.booleans(), min_size=2, max_size=40))
def test_a_load_that_wavers_within_the_hysteresis_changes_the_level_once(
    temp_c: float, swing_c: float, swings: list[bool]
) -> None:
    shedder = Shedder()
    levels = [
        severity(shedder.update(load(temp_c + swing_c * up), number * 2 * QUIET_NS)) for number, up in enumerate(swings)
    ]
    assert levels == sorted(levels)


@settings(deadline=None)
@given(st.lists(st.tuples(loads, steps_ns), min_size=1, max_size=10))
def test_a_level_is_always_in_words_and_has_a_reason_unless_nothing_is_shed(history: list[tuple[Load, int]]) -> None:
    shedder, t_ns = Shedder(), 0
    for given_load, step_ns in history:
        t_ns += step_ns
        level = shedder.update(given_load, t_ns)
        assert level.words.startswith("looking at ")
        assert bool(level.reasons) == (level.name != EVERY.name)


# Which frames are due


def stream(fps: float, seconds: float, jitter: list[float]) -> list[int]:
    """Capture times in ns: each ``jitter`` of a frame interval off its time."""
    period_ns = S / fps
    return [round((n + jitter[n % len(jitter)]) * period_ns) for n in range(round(fps * seconds))]


def looked_at(times_ns: list[int], level: Level, pacer: Pacer | None = None) -> list[int]:
    pacer = pacer or Pacer()
    return [t_ns for t_ns in times_ns if pacer.due("front", t_ns, level)]


@pytest.mark.parametrize("jitter", [[0.0], [0.1, -0.1], [0.1, 0.0, -0.1, -0.07, 0.05], [-0.1, -0.1, 0.1, 0.1]])
@pytest.mark.parametrize("level", [TEN, EIGHT, SMALL])
@pytest.mark.parametrize("fps", [15, 30])
def test_a_stream_is_looked_at_with_the_levels_rate(fps: int, level: Level, jitter: list[float]) -> None:
    seen = looked_at(stream(fps, 60, jitter), level)
    assert len(seen) == pytest.approx(60 * level.most_fps, abs=1)


@pytest.mark.parametrize("jitter", [[0.0], [0.1, -0.1], [-0.1, 0.1, 0.1]])
def test_a_camera_within_the_rate_is_not_slowed_by_its_own_wavering(jitter: list[float]) -> None:
    assert len(looked_at(stream(10, 60, jitter), TEN)) >= 599
    assert len(looked_at(stream(5, 60, jitter), EIGHT)) == 300


@settings(deadline=None)
@given(
    st.sampled_from([TEN, EIGHT]),
    st.floats(10, 60),
    st.lists(st.floats(-0.1, 0.1), min_size=1, max_size=50),
    st.integers(0, S),
)
def test_the_rate_holds_for_every_stream_and_in_every_second(
    level: Level, fps: float, jitter: list[float], start_ns: int
) -> None:
    times_ns = [start_ns + t_ns for t_ns in stream(fps, 30, jitter)]
    seen = looked_at(times_ns, level)
    assert len(seen) >= 30 * min(fps, level.most_fps) * 0.98 - 2
    assert all(len([t for t in seen if begin <= t < begin + S]) <= level.most_fps + 2 for begin in seen)


def test_after_a_gap_at_most_one_frame_is_owed() -> None:
    pacer = Pacer()
    looked_at(stream(30, 1, [0.0]), TEN, pacer)
    after = [100 * S + t_ns for t_ns in stream(30, 1, [0.0])]
    assert len(looked_at(after, TEN, pacer)) <= 11


def test_every_frame_is_every_frame_and_nothing_is_none() -> None:
    times_ns = stream(30, 2, [0.1, -0.1])
    assert looked_at(times_ns, EVERY) == times_ns
    assert looked_at(times_ns, NOTHING) == []


def test_a_level_that_changes_midway_takes_hold_at_once() -> None:
    pacer = Pacer()
    times_ns = stream(30, 4, [0.0])
    rates = [len(looked_at(times_ns[n * 30 : n * 30 + 30], level, pacer)) for n, level in enumerate([EVERY, TEN])]
    rates += [len(looked_at(times_ns[60:90], NOTHING, pacer)), len(looked_at(times_ns[90:], EVERY, pacer))]
    assert rates == [30, 11, 0, 30]  # the last frame of before and the first of TEN lie close together


def test_cameras_have_their_own_schedules() -> None:
    pacer = Pacer()
    assert [pacer.due(camera, 0, TEN) for camera in ("front", "rear", "front", "rear")] == [True, True, False, False]


def test_a_source_that_was_opened_anew_is_looked_at_at_once() -> None:
    pacer = Pacer()
    looked_at(stream(30, 10, [0.0]), TEN, pacer)
    assert pacer.due("front", 0, TEN)


def test_a_replay_looks_at_the_same_frames() -> None:
    times_ns = stream(30, 10, [0.1, -0.03, 0.07])
    assert looked_at(times_ns, EIGHT) == looked_at(times_ns, EIGHT)
