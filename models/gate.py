"""Does an engine compute what the same graph computes in fp32? Knows the drawn golden picture and how near is enough.

The fp32 reference is another runtime's (OpenVINO on the processor), so a fault of TensorRT's cannot agree with itself.
Whether the graph itself is right is :mod:`models.golden`'s to say.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.align import chips
from models.built import Graph
from models.detector import Detector
from models.faces import F32, Faces
from models.golden import drawn_faces, golden_picture
from models.letterbox import on_canvas
from models.manifest import ModelError
from models.runner import Profile, Runner

MIN_COSINE = 0.999
"""Least agreement of a template with the fp32 one."""
MAX_OFFSET_PX = 1.0
"""Most distance of a box's edge or a landmark, in pixels of the picture that was given."""
MAX_SCORE_DIFFERENCE = 0.02
"""Most that a face's score may differ: an engine that is less sure overlooks faces that are hard to see."""
MAX_LENGTH_DIFFERENCE = 0.05
"""Most that a template's length may differ: it says how much of a face was seen."""
MAX_BATCH_DIFFERENCE = 1e-3
"""Most that a unit template's values may differ between a face alone and the same face among others."""
_AROUND_FACE = 2.0
"""Side of a cut-out, in widths of its face: as the close-up sees it."""
_NOISE_SEED = 7
_Pixels = npt.NDArray[np.uint8]


def agreement(graph: Graph, profile: Profile, found: Runner, reference: Runner) -> str:
    """How well ``found`` agrees with ``reference``, in words.

    Args:
        graph: what both run.
        profile: the pictures that they take.
        found: the engine.
        reference: the same graph in fp32.

    Raises:
        ModelError: not well enough; says by how much and the limit.
    """
    if graph.net.role == "detector":
        pictures = _pictures(profile)
        one, other = (Detector.of(graph, runner) for runner in (found, reference))
        return _near([one.detect(picture) for picture in pictures], [other.detect(picture) for picture in pictures])
    return _alike(_chips(profile.batch), lambda rows: found.run(rows)[0], lambda rows: reference.run(rows)[0])


def _near(found: list[Faces], reference: list[Faces]) -> str:
    counts, wanted = [len(faces) for faces in found], [len(faces) for faces in reference]
    if counts != wanted or not sum(wanted):
        raise ModelError(f"faces found in the test pictures: {counts}, fp32 finds {wanted}")
    pairs = [_in_order(one, other) for one, other in zip(found, reference, strict=True)]
    scores = float(np.max(np.concatenate([np.abs(one.scores - other.scores) for one, other in pairs])))
    if not scores <= MAX_SCORE_DIFFERENCE:
        raise ModelError(
            f"a face's score differs by {scores:.3f} from fp32's, at most {MAX_SCORE_DIFFERENCE} is allowed"
        )
    offset = float(np.max(np.concatenate([_offsets(one, other) for one, other in pairs])))  # not max(): it loses NaN
    if not offset <= MAX_OFFSET_PX:
        raise ModelError(f"a box or landmark is off by {offset:.2f} px of fp32, at most {MAX_OFFSET_PX} is allowed")
    return f"{offset:.2f} px from fp32"


def _in_order(found: Faces, reference: Faces) -> tuple[Faces, Faces]:
    return found[np.argsort(found.boxes[:, 0])], reference[np.argsort(reference.boxes[:, 0])]


def _offsets(one: Faces, other: Faces) -> F32:
    edges = np.abs(one.boxes - other.boxes).ravel()
    return np.concatenate([edges, np.abs(one.landmarks - other.landmarks).ravel()])


def _alike(rows: _Pixels, found: Callable[[_Pixels], F32], reference: Callable[[_Pixels], F32]) -> str:
    together, wanted = found(rows).copy(), reference(rows).copy()
    unit = np.maximum(np.linalg.norm(wanted, axis=1, keepdims=True), np.float32(1e-9))
    lengths = np.linalg.norm(together, axis=1, keepdims=True)
    cosine = float(((together * wanted).sum(1, keepdims=True) / np.maximum(lengths * unit, np.float32(1e-9))).min())
    if not cosine >= MIN_COSINE:
        raise ModelError(f"a template agrees with fp32 to {cosine:.5f}, at least {MIN_COSINE} is required")
    longer = float(np.abs(lengths / unit - 1).max())
    if not longer <= MAX_LENGTH_DIFFERENCE:
        raise ModelError(
            f"a template's length differs by {longer:.1%} from fp32's, at most {MAX_LENGTH_DIFFERENCE:.0%} is allowed"
        )
    alone = np.concatenate([found(rows[index : index + 1]).copy() for index in range(len(rows))])
    difference = float((np.abs(together - alone) / unit).max())
    if not difference <= MAX_BATCH_DIFFERENCE:
        raise ModelError(
            f"a face among {len(rows)} differs by {difference:.5f} from itself alone, "
            f"at most {MAX_BATCH_DIFFERENCE} is allowed"
        )
    return f"cosine {cosine:.5f} with fp32"


def _pictures(profile: Profile) -> list[_Pixels]:
    """The golden picture, and its faces close up, laid on pictures of the profile's size."""
    whole, size = golden_picture(), (profile.width_px, profile.height_px)
    boxes = np.array(drawn_faces().boxes, np.float32)
    return [on_canvas(picture, size)[0] for picture in (whole, *(_around(whole, box) for box in boxes))]


def _around(picture: _Pixels, box: F32) -> _Pixels:
    side = float(max(box[2:] - box[:2])) * _AROUND_FACE
    left, top = ((box[:2] + box[2:]) - side) / 2
    return np.asarray(Image.fromarray(picture).crop((int(left), int(top), int(left + side), int(top + side))))


def _chips(count: int) -> _Pixels:
    """The golden faces, mirrored, dark, and noise: as many as a batch takes, none like its neighbour."""
    plain = chips(golden_picture(), np.array(drawn_faces().landmarks, np.float32))
    noise = np.random.default_rng(_NOISE_SEED).integers(0, 256, plain.shape).astype(np.uint8)
    rows = np.stack([plain, noise, plain[:, :, ::-1], plain // 2], axis=1).reshape(-1, *plain.shape[1:])
    return rows[np.arange(count) % len(rows)]
