"""Measure the whole decision on tracks: several rules side by side on the same frames of made crowds.

Knows crowds, pipelines and scores; refuses to know what a rule is made of. The rates at several thresholds are what a
calibration is made of (:class:`models.calibration.TrackRates`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from board.camera import CameraSpec, Frame
from board.camera_host import HostCamera
from firmware.bench import BenchError
from firmware.bench.crowd import Crowd, make_crowd
from firmware.bench.decision_report import DecisionReport, Tally
from firmware.bench.decision_rules import rules, sweep
from firmware.bench.outcome import Event
from firmware.bench.people import Numbers, yunet_finder
from firmware.bench.plan import CrowdSpec
from firmware.bench.remembered import Remembering
from firmware.bench.run import LIST_SIZE, LISTED_SHARE, WEIGHTS
from firmware.bench.score import score
from firmware.match.ahead import ahead
from firmware.match.finder import Finder
from firmware.match.pipeline import Pipeline, PipelineSettings
from firmware.match.portraits import enrol
from models.calibration import TrackRates
from models.faces import Faces
from models.runner_openvino import OpenVinoBackend
from models.vision import Vision, open_vision

Progress = Callable[[str, int, int], None]
_DEPTH = 4
Rule = str | float
"""What a rule is called: a name, or the shipped one's threshold."""


@dataclass(frozen=True)
class DecisionSpec:
    """What to measure.

    Attributes:
        faces: folder of people.
        errata: faults of its labels that somebody has looked at.
        out: where the crowds are kept.
        crowds: how many, each with its own list; they differ by their seed.
        walkers: of each.
        list_size: entries of each list.

    Raises:
        ValueError: fewer than one crowd or 10 walkers.
    """

    faces: Path
    errata: Path | None
    out: Path
    crowds: int = 4
    walkers: int = 350
    list_size: int = LIST_SIZE

    def __post_init__(self) -> None:
        """Refuse what measures nothing."""
        for name, value, least in (("crowds", self.crowds, 1), ("walkers", self.walkers, 10)):
            if value < least:
                raise ValueError(f"{name}: expected at least {least}, got {value}")

    def crowd(self, seed: int) -> CrowdSpec:
        """The crowd of a seed."""
        listed = round(LISTED_SHARE * self.walkers)
        return CrowdSpec(Numbers(self.walkers, listed, max(self.list_size, listed)), seed)


def run_decisions(spec: DecisionSpec, progress: Progress = lambda what, done, total: None) -> DecisionReport:
    """Make the crowds, or find them made, and have every rule look at every frame of them.

    Raises:
        BenchError: no faces, too few people, no weights, or a video that is cut off.
    """
    find = yunet_finder(WEIGHTS.yunet)
    backend = Remembering(OpenVinoBackend())
    vision = open_vision(backend)
    named: dict[Rule, PipelineSettings] = {}
    named.update(rules().items())
    named.update(sweep().items())
    tallies = {rule: Tally() for rule in named}
    for seed in range(spec.crowds):
        crowd = make_crowd(spec.faces, spec.out / f"crowd-{seed}", spec.crowd(seed), find, spec.errata)
        seen = _watch(crowd, vision, backend, named, lambda done, of, at=seed: progress(f"crowd {at}", done, of))  # type: ignore[misc]
        tallies = {rule: tally + seen[rule] for rule, tally in tallies.items()}
    return DecisionReport(
        rules={rule: tally for rule, tally in tallies.items() if isinstance(rule, str)},
        tracks=TrackRates(
            model=vision.digest,
            rule=PipelineSettings().rule_digest,
            entries=next(iter(tallies.values())).entries_a_list,
            walkers=spec.crowds * spec.walkers,
            points=tuple(tally.point(rule) for rule, tally in tallies.items() if isinstance(rule, float)),
        ),
        runner=vision.runner,
        saved=1 - backend.ran / max(backend.asked, 1),
    )


def _watch(
    crowd: Crowd,
    vision: Vision,
    backend: Remembering,
    named: dict[Rule, PipelineSettings],
    progress: Callable[[int, int], None],
) -> dict[Rule, Tally]:
    """What each rule makes of one crowd."""
    enrolment = enrol(crowd.portraits, vision)
    backend.forget()
    pipelines = {rule: Pipeline(vision, enrolment.watchlist, settings) for rule, settings in named.items()}
    events: dict[Rule, list[Event]] = {rule: [] for rule in named}
    truth, number = crowd.read_truth(), 0
    for frame, faces in ahead(_detected(crowd, vision), _DEPTH, "detect"):
        for rule, pipeline in pipelines.items():
            for match in pipeline.step(frame, faces):
                found = match.candidate
                events[rule].append(Event(found.entry.ref, found.similarity, number, number))
        backend.forget()
        number += 1
        progress(number, truth.frames)
    if number != truth.frames:
        raise BenchError(f"{crowd.video}: cut off after {number} of {truth.frames} frames")
    walks = len(truth.walkers)
    return {
        rule: Tally.of(score(truth, events[rule]), walks, pipeline.counters, len(enrolment.watchlist))
        for rule, pipeline in pipelines.items()
    }


def _detected(crowd: Crowd, vision: Vision) -> Iterator[tuple[Frame, Faces]]:
    camera, finder = HostCamera(CameraSpec("crowd", f"file://{crowd.video.resolve()}"), paced=False), Finder(vision)
    try:
        while isinstance(frame := camera.read(), Frame):
            yield frame, finder.look(frame)
    finally:
        camera.close()
