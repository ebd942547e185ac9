"""Whether a calibration says anything of what looks here. Knows digests and the shipped file; judges no figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from models.calibration import Calibration, CalibrationError, digest_of
from models.claims import read_calibration

SHIPPED = Path(__file__).with_name("calibration.json")
"""That of the shipped networks, for a host with a folder of portraits; a van uses none but a signed one."""


@dataclass(frozen=True)
class Use:
    """What looks and compares here, as digests: networks, embedder with preprocessing, rule of decision."""

    model: str
    space: str
    rule: str


@dataclass(frozen=True)
class Calibrated:
    """A calibration that bears its own limits, and the digest by which messages call it."""

    calibration: Calibration
    digest: str

    @staticmethod
    def read(content: bytes) -> Calibrated:
        """As :func:`read_calibration`."""
        return Calibrated(read_calibration(content), digest_of(content))

    def refuse_other(self, use: Use) -> None:
        """Refuse what it was not made for: its figures say nothing of it.

        Raises:
            CalibrationError: it is for other networks, another preprocessing or another rule of decision.
        """
        made, name = self.calibration, f"calibration {self.digest[:16]}"
        for what, of, here in (
            ("model", made.model, use.model),
            ("template space", made.space, use.space),
            ("rule of decision", made.tracks.rule, use.rule),
        ):
            if of != here:
                raise CalibrationError(f"{name} is for {what} {of[:16]}, here is {here[:16]}")


def shipped_calibration(use: Use, path: Path = SHIPPED) -> Calibrated:
    """The one that came with the release, for a host.

    Raises:
        CalibrationError: there is none, it cannot be used, or it is for something else.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CalibrationError(f"no calibration: {path}: {error.strerror}") from error
    calibrated = Calibrated.read(content)
    calibrated.refuse_other(use)
    return calibrated
