"""Whether a calibration is for what looks here, and the one that comes with the release."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from firmware.match.decision import DecisionSettings
from firmware.match.pipeline import PipelineSettings
from models.calibrated import Use, shipped_calibration
from models.calibration import CalibrationError
from models.vision import Vision
from tests.models.made_calibration import made_file

USE = Use("a1" * 32, "b2" * 32, "c3" * 32)


def test_the_shipped_calibration_is_for_the_shipped_networks_and_the_shipped_rule(vision: Vision) -> None:
    """A host with a folder of portraits looks by it; whoever changes either has to measure again."""
    assert shipped_calibration(PipelineSettings().use(vision)).calibration.max_entries > 0


def test_one_that_is_absent_damaged_or_for_something_else_is_none(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    with pytest.raises(CalibrationError, match=r"no calibration: .*calibration\.json: No such file"):
        shipped_calibration(USE, path)
    path.write_bytes(made_file(USE))
    assert shipped_calibration(USE, path).calibration.space == USE.space
    for field in ("model", "space", "rule"):
        with pytest.raises(CalibrationError, match=r"is for [a-z ]+ \w{16}, here is eeeeeeeeeeeeeeee"):
            shipped_calibration(replace(USE, **{field: "ee" * 32}), path)
    path.write_bytes(made_file(USE).replace(b"0.46", b"0.36", 1))
    with pytest.raises(CalibrationError, match="its limits are not those of its figures"):
        shipped_calibration(USE, path)


def test_a_rule_is_the_same_at_every_threshold_and_another_with_any_other_setting() -> None:
    rule = PipelineSettings().rule_digest
    assert PipelineSettings().at(0.7).rule_digest == rule
    others = (
        PipelineSettings(decision=DecisionSettings(min_agreeing=1)),
        PipelineSettings(min_sharpness=0.1),
        PipelineSettings(same_face=0.2),
        replace(PipelineSettings(), selection=replace(PipelineSettings().selection, max_shots=1)),
    )
    assert rule not in {other.rule_digest for other in others}
    assert len({other.rule_digest for other in others}) == len(others)


def test_without_a_calibration_nothing_reaches_the_threshold() -> None:
    assert PipelineSettings().decision.threshold == 1.0
