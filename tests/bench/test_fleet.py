"""A small fleet through a real Mosquitto: everything arrives, also when the broker dies, and the figures are whole."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from firmware.bench import BenchError, cli
from firmware.bench.fleet import run_fleet
from firmware.bench.fleet_broker import find_mosquitto
from firmware.bench.fleet_papers import FleetSpec
from firmware.bench.fleet_report import (
    NOTES,
    Cost,
    FleetReport,
    Latency,
    Part,
    Start,
    Storm,
    latency,
    table_of,
)
from firmware.cli import app
from tests.bench.mosquitto import needs_mosquitto

VANS, STEADY = 20, 20
SPEC = FleetSpec(vans=VANS, seconds=2, events_per_minute=30.0, autosave_s=1)

COST = Cost(0.5, 1.0, 2.0)
PART = Part(10.0, 200, 30, 20.0, 3.0, latency([0.001, 0.002, 0.009]), COST)
REPORT = FleetReport(
    vans=100, cores=2, start=Start(0.5, 200.0, COST), steady=PART, burst=PART, storm=Storm(2.0, 4.0, 5.0, 99, 10),
    events=70, receipted=70, lost=0, sent_again=3, repeated=1, refused=0, broker_rss_mb=14.0, broker_peak_mb=42.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def told() -> list[tuple[str, int, int]]:
    return []


@pytest.fixture(scope="module")
def report(told: list[tuple[str, int, int]]) -> FleetReport:
    return run_fleet(SPEC, lambda *words: told.append(words))


@needs_mosquitto
def test_every_event_is_receipted_and_none_is_lost(report: FleetReport) -> None:
    assert (report.events, report.receipted, report.lost) == (STEADY + VANS + SPEC.away, STEADY + VANS + SPEC.away, 0)
    assert (report.steady.events, report.burst.events) == (STEADY, VANS)
    assert report.refused == 0


@needs_mosquitto
def test_states_come_at_their_pace(report: FleetReport) -> None:
    assert report.steady.states >= VANS * SPEC.seconds // 5
    assert report.steady.wall_s >= SPEC.seconds


@needs_mosquitto
def test_what_was_told_while_the_broker_was_dead_is_told_again(report: FleetReport) -> None:
    assert report.sent_again >= SPEC.away
    assert 0 < report.storm.all_back_s <= report.storm.all_receipted_s
    assert report.storm.down_s >= 2.0


@needs_mosquitto
def test_the_broker_still_has_every_vans_state_after_it_was_killed(report: FleetReport) -> None:
    assert report.storm.retained_after == VANS


@needs_mosquitto
def test_each_process_costs_something_and_latencies_are_in_order(report: FleetReport) -> None:
    found = report.burst.latency
    assert 0 < found.p50_ms <= found.p95_ms <= found.p99_ms <= found.most_ms
    assert 1 < report.broker_rss_mb <= report.broker_peak_mb
    assert report.start.cost.simulation_cpu_s > 0


@needs_mosquitto
def test_progress_is_told_of_every_part(report: FleetReport, told: list[tuple[str, int, int]]) -> None:
    last = {what: (done, total) for what, done, total in told}
    assert set(last) == {"sealing", "connecting", "steady", "burst", "coming back", "receipts"}
    assert [what for what, (done, total) in last.items() if done < total] == []


def test_a_broker_that_is_not_installed_is_named_with_the_way_out() -> None:
    with pytest.raises(BenchError, match=r"mosquitto-of-nowhere is not installed\. Try: sudo apt install mosquitto"):
        find_mosquitto("mosquitto-of-nowhere")


@pytest.mark.parametrize(
    ("vans", "seconds", "rate", "message"),
    [
        (0, 20, 1.0, "vans: expected 1 to 5000, got 0"),
        (5_001, 20, 1.0, "vans: expected 1 to 5000, got 5001"),
        (10, 0, 1.0, "seconds: expected 1 to 600, got 0"),
        (10, 601, 1.0, "seconds: expected 1 to 600, got 601"),
        (10, 20, -1.0, "events-per-minute: expected 0 to 60.0, got -1.0"),
        (10, 20, 61.0, "events-per-minute: expected 0 to 60.0, got 61.0"),
        (5_000, 600, 1.0, "events-per-minute: 50000 events in the steady part and up to two more a van, at most 20000"),
    ],
)
def test_a_fleet_that_this_machine_could_not_hold_is_refused(
    vans: int, seconds: int, rate: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        FleetSpec(vans, seconds, rate)
    answer = CliRunner().invoke(
        app, ["bench", "fleet", "--vans", str(vans), "--seconds", str(seconds), f"--events-per-minute={rate}"]
    )
    assert (answer.exit_code, message in answer.output) == (2, True)


def test_bench_alone_is_the_crowd_as_ever() -> None:
    answer = CliRunner().invoke(app, ["bench", "--faces", "/nowhere", "--walkers", "5", "--runs", "1", "--json"])
    assert (answer.exit_code, "no folder at /nowhere" in answer.output) == (2, True)


def test_quantiles_are_measured_values() -> None:
    assert latency([n / 1000 for n in range(100, 0, -1)]) == Latency(50.0, 95.0, 99.0, 100.0)
    assert latency([0.007]) == Latency(7.0, 7.0, 7.0, 7.0)
    assert latency([]) == Latency(0.0, 0.0, 0.0, 0.0)


def test_what_a_process_carries_is_a_straight_line_to_two_digits() -> None:
    assert (REPORT.vans_per_broker, REPORT.vans_per_room) == (1_400, 700)


def test_too_little_load_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    idle = Part(10.0, 200, 30, 20.0, 3.0, latency([]), Cost(0.09, 0.09, 0.0))
    report = _with(steady=idle)
    assert (report.vans_per_broker, report.vans_per_room) == (None, None)
    cli._tell(report, as_json=False)
    assert capsys.readouterr().out.count("too little load to tell") == 2


def test_the_table_and_the_json_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    cli._tell(REPORT, as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["storm"]["retained_after"] == 99
    assert document["vans_per_broker"] == 1_400
    assert document["room_ms_per_event"] == pytest.approx(1000 / 30)
    assert tuple(document["notes"]) == NOTES
    assert table_of(REPORT).row_count == 16


def test_a_lost_event_is_a_failure_and_the_figures_are_printed_first(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Exception) as ended:  # noqa: PT011
        cli._tell(_with(lost=2), as_json=True)
    assert getattr(ended.value, "exit_code", None) == 1
    said = capsys.readouterr()
    assert "2 of 70 events were lost" in said.err
    assert json.loads(said.out)["lost"] == 2


def _with(**changed: object) -> FleetReport:
    fields = {name: getattr(REPORT, name) for name in FleetReport.__struct_fields__}
    return FleetReport(**{**fields, **changed})
