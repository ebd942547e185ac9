"""Other people's face recognition on the same files, pairs and labels. Knows measures; each peer is its own file.

Whoever is not installed is named, not missed: nothing of the project needs them.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.built import FILES
from models.evaluation.identification import search_list
from models.evaluation.labelled import labelled
from models.evaluation.pairs import Pair
from models.evaluation.peer import Peer, PeerFigures, PeerPoint, PeerSearch, PeersReport
from models.evaluation.photos import Photo
from models.evaluation.telling import tell_apart
from models.evaluation.verification import verify
from models.faces import F32
from models.intervals import exact
from models.plan import Progress
from models.portrait import UnfitPortraitError, read

ENTRIES = 1_000
"""Of the list that is searched, where the set bears it."""
OWN = "Kerbside"
NEEDED = {"cv2": "models.evaluation.peer_opencv", "face_recognition": "models.evaluation.peer_dlib"}
"""The package that may be there or not, and the only file that imports it."""


@dataclass(frozen=True)
class Installed:
    """The peers that this machine has, and why it lacks the others."""

    peers: tuple[Peer, ...]
    absent: tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """What all are measured on.

    Attributes:
        labels: of every photograph, with a face or not.
        pairs: to be told apart.
        absent: pairs that were left out because the set lacks a photograph.
        seeds: draws of the list.
    """

    labels: Mapping[Photo, str]
    pairs: Sequence[Pair]
    absent: int
    seeds: int

    @property
    def entries(self) -> int:
        """Of the list that is searched."""
        sizes = np.unique(list(self.labels.values()), return_counts=True)[1]
        able = int((sizes > 1).sum())
        return ENTRIES if able >= ENTRIES and len(sizes) > ENTRIES else 0

    def figures(self, name: str, vectors: Mapping[Photo, F32]) -> PeerFigures:
        """Of templates of the photographs in which a face was found.

        Raises:
            EvaluationError: there is nothing to compare.
        """
        photos = list(vectors)
        matrix: F32 = np.stack([vectors[photo] for photo in photos])
        one = labelled(((photo, self.labels[photo]) for photo in photos), matrix)
        rows = {photo.name: row for row, photo in enumerate(photos)}
        listed = self.entries and (one.sizes > 1).sum() >= self.entries
        verified, told = verify(one), tell_apart(self.pairs, self.absent, matrix, rows)
        searches = search_list(one, self.entries, 1, self.seeds).points if listed else ()
        return PeerFigures(
            name=name,
            found=exact(len(photos), len(self.labels)),
            pairs=told.correct if told else None,
            points=tuple(PeerPoint(point.wanted, point.fnmr, point.mark) for point in verified.points),
            searches=tuple(PeerSearch(each.wanted, each.tpir, each.low, each.high) for each in searches if each.draws),
            det=tuple((point.fmr, point.fnmr) for point in reversed(verified.det)),
        )


def measure(task: Task, own: Mapping[Photo, F32], installed: Installed, progress: Progress) -> PeersReport:
    """Measure all peers beside Kerbside.

    Args:
        task: what they are measured on.
        own: Kerbside's templates.
        installed: others.
        progress: called with (peer's name, photographs done, photographs).

    Raises:
        EvaluationError: there is nothing to compare.
        ModelError: as a peer says.
    """
    figures = [task.figures(OWN, own)]
    figures += [task.figures(peer.name, _templates(task, peer, progress)) for peer in installed.peers]
    return PeersReport(task.entries, tuple(figures), installed.absent)


def look_for_peers(files: Path = FILES, needed: Mapping[str, str] = NEEDED) -> Installed:
    """Open every peer whose package is there.

    Args:
        files: folder of the networks in fp32.
        needed: package, and the module that imports it.

    Raises:
        ModelError: as a peer says.
    """
    found, absent = list[Peer](), list[str]()
    for package, module in needed.items():
        try:
            found.append(importlib.import_module(module).open_peer(files))
        except ModuleNotFoundError:
            absent.append(f"{package} is not installed")
        except SystemExit:  # face_recognition 1.3.0 ends the process where it misses pkg_resources (setuptools < 81)
            absent.append(f"{package} gave up when it was imported")
    return Installed(tuple(found), tuple(absent))


def _templates(task: Task, peer: Peer, progress: Progress) -> dict[Photo, F32]:
    found = dict[Photo, F32]()
    for done, photo in enumerate(task.labels):
        progress(peer.name, done, len(task.labels))
        try:
            image = read(photo.path.read_bytes())
        except (OSError, UnfitPortraitError):
            continue
        if (template := peer.template(image)) is not None:
            found[photo] = template
    progress(peer.name, len(task.labels), len(task.labels))
    return found
