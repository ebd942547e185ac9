"""The calibration that a list is made for. Knows its file and what is published; refuses to know any list."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from firmware.fleet.vans.published import published_in
from models.calibrated import Calibrated
from models.calibration import CalibrationError
from ota.repository.folder import MetadataError
from ota.repository.people import FleetError


def signed_calibration(path: Path, fleet: Path, vans: Sequence[str]) -> Calibrated:
    """The one that all of these vans have or are to have: with another they would use the list otherwise, or not.

    Args:
        path: its file.
        fleet: the fleet's folder.
        vans: ids of their keys.

    Raises:
        CalibrationError: it cannot be used, or is not the newest that is published for each of the vans.
    """
    try:
        calibrated = Calibrated.read(path.expanduser().read_bytes())
        published = published_in(fleet)
    except OSError as error:
        raise CalibrationError(f"--calibration {path}: {error.strerror}") from error
    except (FleetError, MetadataError) as error:
        raise CalibrationError(f"{fleet}: {error}") from error
    newest = {van: one.sha256 for one in published if one.kind == "calibration" for van in one.vans}
    others = [van for van in vans if newest.get(van) != calibrated.digest]
    if others:
        raise CalibrationError(
            f"--calibration {path}: {calibrated.digest[:16]} is not the newest that is published for {len(others)} of "
            f"{len(vans)} vans; `kerbside-fleet propose calibration` drafts one for its signers"
        )
    return calibrated
