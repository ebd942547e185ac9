"""Seal a made list to a key of its own, and lay down what the signers and the force need. Knows files and that key.

The key is made here, written to one file that only its owner can read, and never lies beside the list anywhere else:
whoever has both has the list.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from pathlib import Path

import msgspec
from pyrage.x25519 import Identity

from firmware.fleet.lists import records
from firmware.fleet.lists.build import ListError, Made
from firmware.fleet.lists.private import write_new
from firmware.fleet.lists.records import CohortUsed, Records
from models.vision import Vision
from ota.bundle import BundleError, pack, seal
from ota.content import Custom


@dataclass(frozen=True)
class Making:
    """How a list was made: release of the program, seconds since the epoch, networks, digest of the calibration, and
    cohort.
    """

    kerbside: str
    built: int
    vision: Vision
    calibration: str
    cohort: CohortUsed | None


@dataclass(frozen=True)
class Parcel:
    """What was written."""

    content: Path
    key: Path
    manifest: Path
    custom: Path
    sha256: str
    records: Records


def lay_down(made: Made, custom: Custom, making: Making, folder: Path) -> Parcel:
    """Write NAME.age, NAME.key, manifest.json and custom.json; NAME is random.

    Raises:
        ListError: the list is larger than a list may be.
        PrivateError: one of the files exists already, or the disk refuses.
    """
    try:
        packed = pack(made.bundle)
    except BundleError as error:
        raise ListError(str(error)) from error
    name = f"list-{secrets.token_hex(8)}"
    opener = Identity.generate()
    sealed = seal(packed, opener.to_public())
    kept = _records(made, custom, making, name, (packed, sealed))
    parcel = Parcel(
        folder / f"{name}.age",
        folder / f"{name}.key",
        folder / records.FILE,
        folder / records.CUSTOM,
        kept.list_sha256,
        kept,
    )
    write_new(parcel.manifest, records.encode(kept))  # first: a folder that holds a list takes no second one
    write_new(parcel.custom, msgspec.json.format(msgspec.json.encode(custom)) + b"\n")
    write_new(parcel.key, f"# the key of {name}.age: never publish it, destroy it with the list\n{opener}\n".encode())
    write_new(parcel.content, sealed)
    return parcel


def _records(made: Made, custom: Custom, making: Making, name: str, forms: tuple[bytes, bytes]) -> Records:
    """What the force keeps of a list, given before and after its encryption."""
    packed, sealed = forms
    return Records(
        kerbside=making.kerbside,
        built=making.built,
        custom=custom,
        list_file=f"{name}.age",
        list_sha256=hashlib.sha256(sealed).hexdigest(),
        content_sha256=hashlib.sha256(packed).hexdigest(),
        space=making.vision.embedder.space,
        model=making.vision.digest,
        runner=making.vision.runner,
        threshold=made.threshold,
        calibration=making.calibration,
        false_alerts_per_1000=made.false_alerts_per_1000,
        cohort=making.cohort,
        foretold=made.foretold,
        rounding=made.rounding,
        look_alikes=made.look_alikes,
        look_alikes_total=made.look_alikes_total,
        entries=made.listed,
        refused=made.refused,
    )
