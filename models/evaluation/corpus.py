"""A folder of photographs of consented people, and what is said of them. Knows files and labels; opens no picture.

FOLDER/LABEL/PICTURE: a label is one human being. Groups come from a file that the people themselves have agreed to,
never from a picture. Errata are faults of the labels that somebody has looked at.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from models.evaluation.errata import Errata, read_errata
from models.evaluation.faults import Fault, Kind
from models.evaluation.groups import Groups, read_groups
from models.evaluation.pairs import Pair, read_pairs
from models.evaluation.photos import Photo
from models.evaluation.report import EvaluationError
from models.portrait import SUFFIXES


@dataclass(frozen=True)
class Corpus:
    """A set, and what its reader found wrong with it.

    Attributes:
        photos: by name.
        groups: of labels; none where no file was given.
        pairs: to be told apart; empty where no file was given.
        errata: none where no file was given.
        faults: of files and lines; pictures are not opened yet.
        digest: sha256 over names and contents of all files and over all that was said of them.
    """

    photos: tuple[Photo, ...]
    groups: Groups | None
    pairs: tuple[Pair, ...]
    errata: Errata | None
    faults: tuple[Fault, ...]
    digest: str


def read_corpus(
    folder: Path, pairs: Path | None = None, groups: Path | None = None, errata: Path | None = None
) -> Corpus:
    """The set that lies in a folder.

    Args:
        folder: with a folder for each label.
        pairs: LFW's format.
        groups: CSV with the header ``label,group``.
        errata: CSV of ``same,LABEL_A,LABEL_B`` and ``drop,LABEL/FILE``.

    Raises:
        EvaluationError: no such folder or file, no labels in it, or a line that means nothing; the text names it.
    """
    faults = list[Fault]()
    photos = _photos(folder, faults)
    labels, names = {photo.label for photo in photos}, {photo.name for photo in photos}
    read = read_errata(_text(errata), labels, names, faults.append) if errata else None
    named = read_groups(_text(groups), labels, faults.append) if groups else None
    told = read_pairs(_text(pairs), names, faults.append) if pairs else ()
    faults += _twice(photos)
    said = [_sha256(path) if path else "" for path in (pairs, groups, errata)]
    digest = hashlib.sha256("\n".join([*(f"{one.name}\0{one.sha256}" for one in photos), *said]).encode())
    return Corpus(photos, named, told, read, tuple(faults), digest.hexdigest())


def _photos(folder: Path, faults: list[Fault]) -> tuple[Photo, ...]:
    if not folder.is_dir():
        raise EvaluationError(f"{folder}: no such folder of photographs")
    within = sorted(folder.iterdir(), key=lambda path: path.name)
    faults += [Fault(Kind.BESIDE, path.name) for path in within if not path.is_dir()]
    photos = [photo for path in within if path.is_dir() for photo in _of_label(path, faults.append)]
    if not photos:
        beside = sum(fault.kind is Kind.BESIDE for fault in faults)
        raise EvaluationError(f"{folder}: no folder with pictures, one for each label, and {beside} files beside them")
    return tuple(photos)


def _of_label(folder: Path, tell: Callable[[Fault], None]) -> list[Photo]:
    found = list[Photo]()
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if path.is_dir():
            tell(Fault(Kind.NESTED, f"{folder.name}/{path.name}"))
        elif path.suffix.lower() not in SUFFIXES:
            tell(Fault(Kind.NO_PICTURE, f"{folder.name}/{path.name}"))
        else:
            found.append(Photo(folder.name, path.name, path, _sha256(path)))
    if not found:
        tell(Fault(Kind.EMPTY, folder.name))
    return found


def _twice(photos: Iterable[Photo]) -> list[Fault]:
    """The same bytes under two labels: one of them is wrong, or both are one human being."""
    places = defaultdict[str, dict[str, str]](dict)
    for photo in photos:
        if photo.sha256:
            places[photo.sha256].setdefault(photo.label, photo.name)
    shared = [list(names.values()) for names in places.values() if len(names) > 1]
    return [Fault(Kind.TWICE, first, f"also {', '.join(others)}") for first, *others in shared]


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise EvaluationError(f"{path}: {error}") from error


def _sha256(path: Path) -> str:
    """Empty where the file cannot be read: whoever opens it will say so."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
