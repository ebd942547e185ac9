"""Does this machine compute what the reference computed? Knows absolute boxes and templates of one drawn picture.

Each network has a file of figures. They come from its published graph, with preprocessing and decoding written
independently, so a slip of channels, layout, letterbox or precision cannot pass as "consistent": the shipped ones are
made by tests/models/reference.py, those of a network that was brought by models/judge.py. The two faces are drawn;
nobody looks like them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np
import numpy.typing as npt
from PIL import Image

from models.align import chips
from models.built import FILES
from models.detector import Detector
from models.embedder import Embedder
from models.faces import F32, Faces
from models.manifest import ModelError, Net

FOLDER = Path(__file__).with_name("golden")
PICTURE = "drawn_faces.png"
SHIPPED_DETECTOR = "yunet"
MAX_OFFSET_PX = 2.0
"""Allowed distance of a box edge or landmark; bf16 and fp16 move them by less than 1 px of a 640 x 384 canvas."""
MIN_COSINE = 0.99
"""Allowed agreement of a template. Swapped channels give 0.92 on this picture, bf16 0.999."""
MAX_OFFSET_SHARE = 0.03
"""The same for an answer that may be no face, as a part of its box: half precision moves a large one further."""
MAX_LOG_ODDS = 0.5
"""Allowed difference of such an answer's score, in log-odds, which half precision moves alike everywhere."""
_SURE = 0.999
"""Scores beyond, and below its rest to 1, are all alike."""
_LOOKED_AT = 4
"""Answers that are searched for each that is stored: precision may change the order of the strongest."""


class Answers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A detector's strongest answers, faces or not: boxes (n,4) px, landmarks (n,5,2) px, scores (n,)."""

    boxes: list[list[float]]
    landmarks: list[list[list[float]]]
    scores: list[float]

    def faces(self) -> Faces:
        """As a detector gives them."""
        count = len(self.scores)
        return Faces(
            np.array(self.boxes, np.float32).reshape(count, 4),
            np.array(self.landmarks, np.float32).reshape(count, 5, 2),
            np.array(self.scores, np.float32),
        )


class DetectorFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A detector's figures.

    Attributes:
        boxes: (n,4) px, of the faces that it finds in the picture; it may find none.
        landmarks: (n,5,2) px.
        answers: those that it is surest of; the shipped figures do without.
        made_from: sha256 of the published file; the shipped figures hold for all of the manifest's sources.
    """

    boxes: list[list[float]]
    landmarks: list[list[list[float]]]
    answers: Answers = Answers([], [], [])
    made_from: str = ""


class EmbedderFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An embedder's figures: where the faces were taken to be, (n,5,2) px, and their templates (n,d)."""

    landmarks: list[list[list[float]]]
    vectors: list[list[float]]
    vectors_mirrored: list[list[float]]
    made_from: str = ""


_Kind = TypeVar("_Kind", DetectorFigures, EmbedderFigures)


@dataclass(frozen=True)
class Figures:
    """What both networks of a run have to reproduce."""

    detector: DetectorFigures
    embedder: EmbedderFigures

    @staticmethod
    def load(detector: Net, embedder: Net, files: Path = FILES, folder: Path = FOLDER) -> Figures:
        """The stored figures: shipped ones from ``folder``, those of a network that was brought from ``files``.

        Raises:
            ModelError: there are none, they are unreadable, or they are another file's; says what to run.
        """
        return Figures(
            _load(detector, DetectorFigures, files, folder),
            _load(embedder, EmbedderFigures, files, folder),
        )


def shipped_file(net: Net, folder: Path = FOLDER) -> Path:
    """Where a network's figures lie when they are shipped."""
    return folder / f"{net.name}.json"


def brought_file(net: Net, files: Path = FILES) -> Path:
    """Where they lie when they were made on this machine."""
    return files / f"{net.name}-golden.json"


def drawn_faces(folder: Path = FOLDER) -> DetectorFigures:
    """Where the picture's two faces are, whatever networks run.

    Raises:
        ModelError: unreadable.
    """
    return _read(folder / f"{SHIPPED_DETECTOR}.json", DetectorFigures)


def golden_picture(folder: Path = FOLDER) -> npt.NDArray[np.uint8]:
    """The drawn picture, (360, 640, 3) u8 RGB.

    Raises:
        ModelError: unreadable.
    """
    try:
        with Image.open(folder / PICTURE) as picture:
            return np.array(picture.convert("RGB"))
    except OSError as error:
        raise ModelError(f"golden vectors: {error}") from error


def verify(detector: Detector, embedder: Embedder, figures: Figures, folder: Path = FOLDER) -> None:
    """Run the drawn picture through both networks and compare with the reference.

    Raises:
        ModelError: names what differs, by how much, and the limit.
    """
    image = golden_picture(folder)
    _verify_detector(detector, figures.detector, image)
    aligned = chips(image, np.array(figures.embedder.landmarks, np.float32))
    _agree(embedder.embed(aligned).vectors, figures.embedder.vectors)
    _agree(embedder.embed_both(aligned).vectors, figures.embedder.vectors_mirrored)


def _verify_detector(detector: Detector, figures: DetectorFigures, image: npt.NDArray[np.uint8]) -> None:
    """What it takes for faces must be the same; and its strongest answers, which tell of a net that finds none here."""
    faces = detector.detect(image)
    if len(faces) != len(figures.boxes):
        raise ModelError(f"golden vectors: expected {len(figures.boxes)} faces in {PICTURE}, found {len(faces)}")
    if figures.boxes:
        boxes, landmarks = np.array(figures.boxes, np.float32), np.array(figures.landmarks, np.float32)
        order, wanted = np.argsort(faces.boxes[:, 0]), np.argsort(boxes[:, 0])
        _near("box", faces.boxes[order], boxes[wanted])
        _near("landmark", faces.landmarks[order], landmarks[wanted])
    expected = figures.answers.faces()
    if not len(expected) and not figures.boxes:
        raise ModelError("golden vectors: the figures hold neither a face nor an answer, so they prove nothing")
    if len(expected):
        _verify_answers(detector.seeing_all(len(expected) * _LOOKED_AT).detect(image), expected)


def _verify_answers(found: Faces, expected: Faces) -> None:
    for index in range(len(expected)):
        if not _answered(found, expected[np.array([index])]):
            box, score = expected.boxes[index].round().tolist(), expected.scores[index]
            raise ModelError(f"golden vectors: no answer like the expected {box} of score {score:.4f}")


def _answered(found: Faces, one: Faces) -> bool:
    """Whether one of the answers found is this one."""
    allowed_px = max(MAX_OFFSET_PX, MAX_OFFSET_SHARE * float((one.boxes[0, 2:] - one.boxes[0, :2]).max()))
    near = np.abs(found.boxes - one.boxes).max(axis=1) <= allowed_px
    near &= np.abs(found.landmarks - one.landmarks).max(axis=(1, 2)) <= allowed_px
    return bool((near & (np.abs(_log_odds(found.scores) - _log_odds(one.scores)) <= MAX_LOG_ODDS)).any())


def _log_odds(scores: F32) -> F32:
    clear = np.clip(scores, 1 - _SURE, _SURE)
    odds: F32 = np.log(clear / (1 - clear))
    return odds


def _load(net: Net, kind: type[_Kind], files: Path, folder: Path) -> _Kind:
    path = shipped_file(net, folder)
    if not path.exists():
        path = brought_file(net, files)
    if not path.exists():
        raise ModelError(f"{net.name}: no golden figures, so nothing proves it; {_way_out(net)}")
    figures = _read(path, kind)
    if figures.made_from and figures.made_from not in {source.sha256 for source in net.source}:
        raise ModelError(f"{path}: made from another file ({figures.made_from[:16]}) of {net.name}; {_way_out(net)}")
    return figures


def _way_out(net: Net) -> str:
    return f"run '.venv/bin/kerbside-models golden {net.name}' on a host with ONNX Runtime"


def _read(path: Path, kind: type[_Kind]) -> _Kind:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError) as error:
        raise ModelError(f"golden vectors: {path}: {error}") from error


def _agree(found: F32, expected: list[list[float]]) -> None:
    if found.shape != (shape := np.shape(expected)):
        raise ModelError(f"golden vectors: expected templates of shape {shape}, found {found.shape}")
    cosine = float((found * np.array(expected, np.float32)).sum(1).min())
    if not cosine >= MIN_COSINE:
        raise ModelError(f"golden vectors: a template agrees to {cosine:.4f}, at least {MIN_COSINE} is required")


def _near(what: str, found: F32, expected: F32) -> None:
    offset = float(np.abs(found - expected).max())
    if not offset <= MAX_OFFSET_PX:
        raise ModelError(f"golden vectors: a {what} is off by {offset:.1f} px, at most {MAX_OFFSET_PX} is allowed")
