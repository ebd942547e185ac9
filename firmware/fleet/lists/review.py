"""Open a list that was laid down, and show it on a page. Knows the list's key; refuses files of two lists."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pyrage

from firmware.control.keys import load_reading_keys
from firmware.envelope import KeyFileError
from firmware.fleet.lists import records
from firmware.fleet.lists.private import write_new
from firmware.fleet.lists.records import Records
from firmware.fleet.lists.sheet import sheet
from ota.bundle import Bundle, BundleError, unpack

_BOTH = ("vans", "counter", "not_before", "not_after", "deployment", "max_faces", "min_similarity_milli")
"""What a list says of itself, and its signers too."""


class ReviewError(Exception):
    """The list cannot be shown; the text says why."""


@dataclass(frozen=True)
class Opened:
    """A list and its records, which fit each other."""

    bundle: Bundle
    records: Records


def open_list(folder: Path) -> Opened:
    """Read what :func:`firmware.fleet.lists.parcel.lay_down` wrote.

    Raises:
        ReviewError: a file is missing, open to others, damaged, or of another list.
    """
    try:
        kept = msgspec.json.decode((folder / records.FILE).read_bytes(), type=Records)
        if Path(kept.list_file).name != kept.list_file or not kept.list_file.endswith(".age"):
            raise ReviewError(f"{folder / records.FILE}: names no list of this folder")
        sealed = (folder / kept.list_file).read_bytes()
        keys = load_reading_keys([(folder / kept.list_file).with_suffix(".key")])
    except OSError as error:
        raise ReviewError(f"{error.filename}: {error.strerror}") from error
    except KeyFileError as error:
        raise ReviewError(str(error)) from error
    except msgspec.MsgspecError as error:
        raise ReviewError(f"{folder / records.FILE}: {error}") from error
    digest = hashlib.sha256(sealed).hexdigest()
    if digest != kept.list_sha256:
        raise ReviewError(f"{kept.list_file}: digest {digest}, the records say {kept.list_sha256}")
    try:
        bundle = unpack(pyrage.decrypt(sealed, list(keys)))
    except (pyrage.DecryptError, BundleError) as error:
        raise ReviewError(f"{kept.list_file}: {error}") from error
    return Opened(bundle, _fitting(bundle, kept))


def write_sheet(folder: Path) -> Path:
    """Write NAME.html beside the list, readable by its owner only.

    Raises:
        ReviewError: as :func:`open_list`.
        PrivateError: it exists already, or the disk refuses.
    """
    opened = open_list(folder)
    path = (folder / opened.records.list_file).with_suffix(".html")
    write_new(path, sheet(opened.records, opened.bundle.portraits).encode())
    return path


def _fitting(bundle: Bundle, kept: Records) -> Records:
    """What a signer is shown is what a van will read: the head, not the records, decides."""
    head, custom = bundle.head, kept.custom
    said = tuple((entry.ref, entry.category, entry.minor) for entry in kept.entries)
    holds = tuple((entry.ref, entry.category, entry.minor) for entry in head.entries)
    differ = any(getattr(custom, field) != getattr(head, field) for field in _BOTH)
    if said != holds or differ or kept.space != head.space:
        raise ReviewError(f"{kept.list_file}: the list and its records differ")
    return kept
