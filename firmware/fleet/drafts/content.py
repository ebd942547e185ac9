"""What an admin types about content, as types, and a folder as the file that vans get. Knows words for kinds and times,
and what a folder of a kind must hold; refuses to know what is good in it.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from firmware.policy.table import PolicyError
from firmware.policy.trust import load_policy
from models.calibrated import Calibrated
from models.calibration import CalibrationError
from models.manifest import MANIFEST, ModelError, load_manifest
from ota.archive import LIMITS, ArchiveError, pack
from ota.content import Custom, Kind, kind_at
from ota.repository.changes import Change
from ota.repository.people import FleetError

_PROPOSABLE: dict[str, Kind] = {
    "model": "model",
    "calibration": "calibration",
    "policy": "policy",
    "software": "software",
    "os": "os",
}


def proposable(kind: str) -> Kind:
    """The kind of a ready file; lists and revocations have commands of their own.

    Raises:
        FleetError: none of these.
    """
    if kind not in _PROPOSABLE:
        raise FleetError(f"{kind}: one of {', '.join(_PROPOSABLE)}; `watchlist build` and `revoke` draft theirs")
    return _PROPOSABLE[kind]


def _policy(folder: Path) -> None:
    load_policy(folder)


def _model(folder: Path) -> None:
    load_manifest(folder / MANIFEST.name)


_CHECKS: dict[Kind, Callable[[Path], None]] = {"policy": _policy, "model": _model, "software": lambda folder: None}
"""Kinds that are folders on the van, and what refuses one that the van would refuse."""


@contextlib.contextmanager
def as_file(kind: Kind, content: Path) -> Iterator[Path]:
    """The content as one file: itself, or what a folder was packed to, which is gone afterwards.

    Raises:
        FleetError: a folder of this kind is none, or it is one that no van would take.
        OSError: the packed file cannot be written.
    """
    if not content.is_dir():
        if kind == "calibration":
            _read_calibration(content)
        yield content
        return
    with tempfile.NamedTemporaryFile(prefix="kerbside-", suffix=".tar.zst") as file:  # only its owner can read it
        file.write(_packed(kind, content))
        file.flush()
        yield Path(file.name)


def _read_calibration(file: Path) -> Calibrated:
    try:
        return Calibrated.read(file.read_bytes())
    except CalibrationError as error:
        raise FleetError(f"{file}: {error}") from error


def with_terms(change: Change, content: Path) -> Change:
    """With what a calibration would allow, for whoever signs it; another change as it is.

    Raises:
        FleetError: it claims more than its figures bear.
    """
    if kind_at(change.what) != "calibration" or not content.is_file():
        return change
    one = _read_calibration(content).calibration
    steps = ", ".join(f"{limit.max_entries} at {limit.threshold:.2f}" for limit in one.limits)
    facts = (
        ("for", f"model {one.model[:16]}, rule {one.tracks.rule[:16]}"),
        ("measured", f"{one.images} images of {one.people} people, {len(one.groups)} groups, on {one.runner}"),
        ("errata", f"{one.merged} labels merged, {one.dropped} photographs dropped"),
        ("bears", f"entries: {steps}"),
        ("false alerts", f"{one.allowed_per_1000:g} among 1,000 passers-by at most"),
    )
    return replace(change, facts=(*change.facts, *facts))


def _packed(kind: Kind, folder: Path) -> bytes:
    if kind not in _CHECKS:
        raise FleetError(f"{folder}: is a folder; of kind {kind} vans take one file")
    try:
        _CHECKS[kind](folder)
        packed = pack(folder)
    except (PolicyError, ModelError, ArchiveError) as error:
        raise FleetError(f"{kind}: {error}") from error
    files = [path for path in folder.rglob("*") if path.is_file()]
    total, limits = sum(path.stat().st_size for path in files), LIMITS[kind]
    if not 0 < len(files) <= limits.files or total > limits.bytes:
        raise FleetError(
            f"{folder}: {len(files)} files of {total} bytes, a {kind} has 1 to {limits.files} of {limits.bytes}"
        )
    return packed


def moment_of(text: str, absent: int) -> int:
    """Seconds since the epoch of an ISO date or time, UTC where it names no zone.

    Raises:
        FleetError: it is none.
    """
    if not text:
        return absent
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise FleetError(f"'{text}': a time is written 2030-01-31T12:00, in UTC") from error
    return int((found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp())


def described(kind: Kind, vans: tuple[str, ...], counter: int, window: tuple[int, int], version: str) -> Custom:
    """What the signers will vouch for; ``window`` is not_before and not_after.

    Raises:
        FleetError: it contradicts itself.
    """
    try:
        return Custom(kind=kind, vans=vans, counter=counter, not_before=window[0], not_after=window[1], version=version)
    except ValueError as error:
        raise FleetError(str(error)) from error
