"""When and where walkers walk."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from firmware.bench.people import Cast, Face, Part
from firmware.bench.plan import IN_VIEW, WIDTH_PX, CrowdPlan, CrowdSpec, plan_crowd


def _cast(walkers: int) -> Cast:
    face = Face(60, 60, 60, 75, 0.95)
    parts = tuple(Part(Path(f"{i}.png"), face, f"entry-{i}" if i < 5 else None) for i in range(walkers))
    return Cast({f"entry-{i}": Path("portrait.png") for i in range(5)}, parts)


@pytest.fixture(scope="module")
def plan() -> CrowdPlan:
    return plan_crowd(_cast(60), CrowdSpec())


def test_same_seed_same_plan_other_seed_another(plan: CrowdPlan) -> None:
    assert plan_crowd(_cast(60), CrowdSpec()) == plan
    assert plan_crowd(_cast(60), CrowdSpec(seed=1)) != plan


def test_everyone_walks_once(plan: CrowdPlan) -> None:
    assert sorted(w.part.photo for w in plan.walkers) == sorted(p.photo for p in _cast(60).parts)


def test_about_six_are_in_view_until_the_street_empties(plan: CrowdPlan) -> None:
    frames = range(20, plan.frames - 130)
    counts = [sum(w.pose(f) is not None for w in plan.walkers) for f in frames]
    assert IN_VIEW <= sum(counts) / len(counts) <= IN_VIEW + 1.5


def test_video_is_as_long_as_the_walks(plan: CrowdPlan) -> None:
    assert plan.frames == max(w.last_frame for w in plan.walkers) + 1
    assert plan.frames == pytest.approx(60 * 90 / IN_VIEW, rel=0.2)


def test_walkers_are_there_exactly_from_first_to_last_frame(plan: CrowdPlan) -> None:
    for walker in plan.walkers:
        assert walker.pose(walker.first_frame - 1) is None
        assert walker.pose(walker.first_frame) is not None
        assert walker.pose(walker.last_frame) is not None
        assert walker.pose(walker.last_frame + 1) is None


def test_faces_keep_a_plausible_size_and_lean(plan: CrowdPlan) -> None:
    poses = [p for w in plan.walkers for f in range(plan.frames) if (p := w.pose(f)) is not None]
    assert 30 <= min(p.width for p in poses) <= 50
    assert 100 <= max(p.width for p in poses) <= 130
    assert max(abs(p.lean_deg) for p in poses) <= 8
    assert all(0 < p.opacity <= 1 for p in poses)
    assert sum(0 <= p.x <= WIDTH_PX for p in poses) / len(poses) > 0.9


def test_no_one_jumps(plan: CrowdPlan) -> None:
    for walker in plan.walkers:
        poses = [p for f in range(walker.first_frame, walker.last_frame + 1) if (p := walker.pose(f)) is not None]
        steps = [abs(b.x - a.x) / a.width for a, b in pairwise(poses)]
        assert max(steps) < 0.8


def test_a_quiet_street_has_one_walker_at_a_time_and_long_pauses() -> None:
    plan = plan_crowd(_cast(8), CrowdSpec(in_view=1, pause_frames=300))
    counts = [sum(w.pose(f) is not None for w in plan.walkers) for f in range(plan.frames)]
    assert max(counts) == 1
    assert counts.count(0) == pytest.approx(plan.frames * 0.75, rel=0.1)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"life_frames": 19}, "life_frames: expected at least 20, got 19"),
        ({"in_view": 0}, "in_view: expected at least 1, got 0"),
        ({"pause_frames": -1}, "pause_frames: expected at least 0, got -1"),
    ],
)
def test_a_crowd_that_cannot_walk_is_refused(spec: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CrowdSpec(**spec)  # type: ignore[arg-type]
