"""Rules of decision side by side: each is another rule, counts add up, and a network sees each picture once a frame."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from firmware.bench import BenchError
from firmware.bench.decision import DecisionSpec, run_decisions
from firmware.bench.decision_report import DecisionReport, Tally, tables_of
from firmware.bench.decision_rules import COMPARED_AT, SHIPPED, SWEEP, rules, sweep
from firmware.bench.outcome import Event
from firmware.bench.people import people_in
from firmware.bench.remembered import Remembering
from firmware.bench.score import Score
from firmware.match.pipeline import Counters, PipelineSettings
from models.built import Graph
from models.calibration import TrackRates
from models.faces import F32
from models.manifest import load_manifest
from models.runner import Pixels, Profile, Runner
from models.vision import Graphs
from tests.bench.fake_faces import draw_folder

CHIPS = Profile(112, 112, 8)


class Counting:
    """A backend whose network gives back each picture's mean, and counts what it saw."""

    name, in_place, any_size = "counting", False, True

    def __init__(self) -> None:
        self.seen = 0

    def open(self, graph: Graph, profile: Profile | None = None) -> Runner:
        return self

    def run(self, images: Pixels) -> Sequence[F32]:
        self.seen += len(images)
        return [images.mean(axis=(1, 2), dtype=np.float32)]


def pictures(count: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (count, 112, 112, 3)).astype(np.uint8)


def test_a_network_sees_a_picture_once_a_frame_whoever_asks() -> None:
    counting, graph = Counting(), Graphs.load(load_manifest()).embedder
    backend = Remembering(counting)
    runner = backend.open(graph, CHIPS)
    many = pictures(3)
    (first,) = runner.run(many)
    first.fill(0)  # as the embedder does with what it was given
    (again,) = runner.run(many[[2, 0]])
    np.testing.assert_array_equal(again, many[[2, 0]].mean(axis=(1, 2), dtype=np.float32))
    assert (counting.seen, backend.asked, backend.ran) == (3, 5, 3)
    backend.forget()
    runner.run(many[:1])
    assert counting.seen == 4


def test_whole_frames_are_not_kept() -> None:
    counting, graph = Counting(), Graphs.load(load_manifest()).detector
    runner = Remembering(counting).open(graph, Profile(360, 640))
    runner.run(pictures(1))
    runner.run(pictures(1))
    assert counting.seen == 2


def test_every_rule_is_another_one_and_the_sweep_is_the_shipped_one() -> None:
    digests = {name: rule.rule_digest for name, rule in rules().items()}
    assert len(set(digests.values())) == len(digests)
    assert digests[SHIPPED] == PipelineSettings().rule_digest
    assert {rule.decision.threshold for rule in rules().values()} == {COMPARED_AT}
    assert {rule.rule_digest for rule in sweep().values()} == {digests[SHIPPED]}
    assert [rule.decision.threshold for rule in sweep().values()] == list(SWEEP)


def falsely(*entries: str) -> tuple[Event, ...]:
    return tuple(Event(entry, 0.5, 1, 1) for entry in entries)


def test_counts_of_crowds_add_up_and_become_rates_with_intervals() -> None:
    counters = Counters(tracks=20, embeddings=50)
    one = Tally.of(Score(4, ("a", "b", "c"), ("d",), ()), 14, counters, entries=5)
    two = one + Tally.of(Score(4, ("a", "b", "c"), ("d",), falsely("x", "y")), 14, counters, entries=4)
    assert (two.found, two.listed, two.false_by_entry, two.others) == (6, 8, (1, 1), 20)
    assert two.entries_a_list == 4
    point = two.point(0.5)
    assert (point.found.rate, point.false.rate, point.embeddings) == (0.75, 0.1, 2.5)
    assert point.false.low < 0.1 < point.false.high
    assert one.fpir.high > 0.308, "none of ten says little"


def test_false_events_that_all_name_one_entry_say_less_than_as_many_that_name_several() -> None:
    counters = Counters(tracks=1_000, embeddings=2_500)
    spread = Tally.of(Score(1, (), ("d",), falsely(*"abcdefgh")), 1_001, counters, entries=100)
    heaped = Tally.of(Score(1, (), ("d",), falsely(*"aaaaaaaa")), 1_001, counters, entries=100)
    assert spread.fpir.rate == heaped.fpir.rate == 0.008
    assert heaped.fpir.high > 1.3 * spread.fpir.high


def test_the_tables_say_what_the_crowds_cannot_show() -> None:
    tally = Tally(found=6, listed=8, others=1_000, embeddings=50, tracks=20, entries=500, crowds=1)
    tracks = TrackRates("0" * 64, "1" * 64, 500, 1_008, (tally.point(0.46),))
    by_rule, by_threshold = tables_of(DecisionReport({SHIPPED: tally}, tracks, "runner", 0.9), COMPARED_AT)
    assert (by_rule.row_count, by_threshold.row_count) == (1, 1)
    assert "below 0.30%" in str(by_threshold.caption)


@pytest.mark.parametrize(
    ("crowds", "walkers", "complaint"), [(0, 100, "crowds: .* 1, got 0"), (1, 9, "walkers: .* 10")]
)
def test_what_measures_nothing_is_refused(crowds: int, walkers: int, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=complaint):
        DecisionSpec(tmp_path, None, tmp_path, crowds, walkers)


def test_labels_of_one_human_being_are_one_walker(tmp_path: Path) -> None:
    faces, errata = draw_folder(tmp_path / "faces", people=4), tmp_path / "errata.csv"
    errata.write_text("same,Person_001,Person_003\ndrop,Person_002/Person_002_0001.png\n")
    people = people_in(faces, errata)
    assert {name: len(photos) for name, photos in people.items()} == {"Person_000": 2, "Person_001": 4, "Person_002": 1}


@pytest.mark.parametrize("text", ["alike,Person_001,Person_003\n", None])
def test_errata_that_mean_nothing_are_named(text: str | None, tmp_path: Path) -> None:
    faces, errata = draw_folder(tmp_path / "faces", people=2), tmp_path / "errata.csv"
    if text is not None:
        errata.write_text(text)
    with pytest.raises(BenchError, match=r"--errata: .*errata\.csv"):
        people_in(faces, errata)


LFW = Path(os.environ.get("KERBSIDE_FACES", Path(__file__).resolve().parents[3] / "shared/faces/lfw"))


@pytest.mark.slow
@pytest.mark.skipif(not LFW.is_dir(), reason="no LFW (KERBSIDE_FACES)")
def test_rules_on_a_crowd_of_photographs(tmp_path: Path) -> None:
    report = run_decisions(DecisionSpec(LFW, None, tmp_path, crowds=1, walkers=20, list_size=20))
    shipped, loose = report.rules[SHIPPED], report.tracks.points[0]
    assert shipped.listed == loose.found.trials == 5
    assert shipped.others == 15
    assert loose.found.events >= shipped.found >= 3
    assert report.saved > 0.9
    assert report.tracks.rule == PipelineSettings().rule_digest
    again = run_decisions(DecisionSpec(LFW, None, tmp_path, crowds=1, walkers=20, list_size=20))
    assert again == report
