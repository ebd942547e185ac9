"""Does this machine compute what the reference computed? Knows absolute boxes and templates of one drawn picture.

The stored figures come from ONNX Runtime on the published graphs, with preprocessing written independently
(tests/models/reference.py), so a slip of channels, layout, letterbox or precision cannot pass as "consistent".
The two faces are drawn; nobody looks like them.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
from PIL import Image

from models.align import chips
from models.detector import Detector
from models.embedder import Embedder
from models.faces import F32
from models.manifest import ModelError

FOLDER = Path(__file__).with_name("golden")
PICTURE = "drawn_faces.png"
FIGURES = "golden.json"
MAX_OFFSET_PX = 2.0
"""Allowed distance of a box edge or landmark; bf16 and fp16 move them by less than 1 px of a 640 x 384 canvas."""
MIN_COSINE = 0.99
"""Allowed agreement of a template. Swapped channels give 0.92 on this picture, bf16 0.999."""


class Golden(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Reference figures for ``drawn_faces.png``: boxes (n,4) px, landmarks (n,5,2) px, templates (n,d)."""

    boxes: list[list[float]]
    landmarks: list[list[list[float]]]
    vectors: list[list[float]]
    vectors_mirrored: list[list[float]]


def load_golden(folder: Path = FOLDER) -> Golden:
    """The stored figures.

    Raises:
        ModelError: unreadable.
    """
    try:
        return msgspec.json.decode((folder / FIGURES).read_bytes(), type=Golden)
    except (OSError, msgspec.MsgspecError) as error:
        raise ModelError(f"golden vectors: {error}") from error


def verify(detector: Detector, embedder: Embedder, folder: Path = FOLDER) -> None:
    """Run the drawn picture through both networks and compare with the reference.

    Raises:
        ModelError: names what differs, by how much, and the limit.
    """
    golden = load_golden(folder)
    image = golden_picture(folder)
    faces = detector.detect(image)
    boxes, landmarks = np.array(golden.boxes, np.float32), np.array(golden.landmarks, np.float32)
    if len(faces) != len(boxes):
        raise ModelError(f"golden vectors: expected {len(boxes)} faces in {PICTURE}, found {len(faces)}")
    order, wanted = np.argsort(faces.boxes[:, 0]), np.argsort(boxes[:, 0])
    _near("box", faces.boxes[order], boxes[wanted])
    _near("landmark", faces.landmarks[order], landmarks[wanted])
    aligned = chips(image, landmarks)
    _agree(embedder.embed(aligned).vectors, golden.vectors)
    _agree(embedder.embed_both(aligned).vectors, golden.vectors_mirrored)


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


def _agree(found: F32, expected: list[list[float]]) -> None:
    if found.shape != (shape := (len(expected), len(expected[0]))):
        raise ModelError(f"golden vectors: expected templates of shape {shape}, found {found.shape}")
    cosine = float((found * np.array(expected, np.float32)).sum(1).min())
    if not cosine >= MIN_COSINE:
        raise ModelError(f"golden vectors: a template agrees to {cosine:.4f}, at least {MIN_COSINE} is required")


def _near(what: str, found: F32, expected: F32) -> None:
    offset = float(np.abs(found - expected).max())
    if not offset <= MAX_OFFSET_PX:
        raise ModelError(f"golden vectors: a {what} is off by {offset:.1f} px, at most {MAX_OFFSET_PX} is allowed")
