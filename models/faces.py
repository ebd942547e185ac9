"""What the networks find: structs of arrays, checked at birth. Knows shapes and units; not where pictures come from."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
Index = npt.NDArray[np.intp] | npt.NDArray[np.bool_]


def _check(name: str, array: F32, tail: tuple[int, ...], rows: int) -> None:
    if array.dtype != np.float32 or array.shape != (rows, *tail):
        raise ValueError(f"{name}: expected {(rows, *tail)} float32, got {array.shape} {array.dtype}")


@dataclass(frozen=True)
class Faces:
    """The faces of one picture.

    Attributes:
        boxes: (n, 4) f32, x1 y1 x2 y2 in pixels of the whole picture; may reach over its edge.
        landmarks: (n, 5, 2) f32, x y in pixels: right eye, left eye, nose tip, right and left corner of the mouth,
            right and left as the person has them (so the right eye has the smaller x in a frontal picture).
        scores: (n,) f32, the detector's confidence in [0, 1].
    """

    boxes: F32
    landmarks: F32
    scores: F32

    def __post_init__(self) -> None:
        """Refuse arrays of another shape."""
        _check("boxes", self.boxes, (4,), len(self.scores))
        _check("landmarks", self.landmarks, (5, 2), len(self.scores))
        _check("scores", self.scores, (), len(self.scores))

    def __len__(self) -> int:
        """Number of faces."""
        return len(self.scores)

    def __getitem__(self, index: Index) -> Faces:
        """The faces of an index or mask array."""
        return Faces(self.boxes[index], self.landmarks[index], self.scores[index])

    @staticmethod
    def none() -> Faces:
        """A picture without a face."""
        return Faces(np.zeros((0, 4), np.float32), np.zeros((0, 5, 2), np.float32), np.zeros(0, np.float32))

    def scaled(self, factor: float) -> Faces:
        """The same faces in a picture ``factor`` times as large."""
        by = np.float32(factor)
        return Faces(self.boxes * by, self.landmarks * by, self.scores)


@dataclass(frozen=True)
class Embeddings:
    """Face templates of one model.

    Attributes:
        vectors: (n, d) f32, each of unit length.
        space: digest of the model and its preprocessing; vectors of different spaces must never be compared.
        lengths: (n,) f32, how long each was before: how much of a face the network saw in it. Absent from a list.
    """

    vectors: F32
    space: str
    lengths: F32 = field(default_factory=lambda: np.zeros(0, np.float32))

    def __post_init__(self) -> None:
        """Refuse anything but rows of float32."""
        if self.vectors.ndim != 2 or self.vectors.dtype != np.float32:
            raise ValueError(f"vectors: expected (n, d) float32, got {self.vectors.shape} {self.vectors.dtype}")

    def __len__(self) -> int:
        """Number of templates."""
        return len(self.vectors)

    def wipe(self) -> None:
        """Overwrite the templates where they lie."""
        self.vectors.fill(0.0)
