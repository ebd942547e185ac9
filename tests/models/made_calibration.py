"""Calibrations with figures that are made up and valid, for tests that need some. Nothing here was measured.

``python -m tests.models.made_calibration`` writes one for the shipped networks and rule to standard output.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import MappingProxyType

from firmware.bench.made_up import made_up
from firmware.match.pipeline import PipelineSettings
from models.calibrated import Calibrated, Use
from models.calibrating import encode
from models.calibration import Calibration
from models.runner_openvino import OpenVinoBackend
from models.vision import open_vision

BEARS: Mapping[float, int] = MappingProxyType({0.46: 500, 0.5: 5_000, 0.54: 50_000})
"""The longest list at each threshold."""


def made(use: Use, bears: Mapping[float, int] = BEARS) -> Calibration:
    """One for this use, which bears lists as long as that."""
    return made_up(use, bears)


def made_file(use: Use, bears: Mapping[float, int] = BEARS) -> bytes:
    """The file of one."""
    return encode(made(use, bears))


def calibrated(use: Use, bears: Mapping[float, int] = BEARS) -> Calibrated:
    """One as a van has it."""
    return Calibrated.read(made_file(use, bears))


if __name__ == "__main__":
    sys.stdout.buffer.write(made_file(PipelineSettings().use(open_vision(OpenVinoBackend()))))
