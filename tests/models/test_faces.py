"""The types that faces travel in: checked at birth, and wiped at the end."""

from __future__ import annotations

import numpy as np
import pytest

from models.faces import F32, Embeddings, Faces


def _faces(n: int) -> Faces:
    rng = np.random.default_rng(n)
    return Faces(
        rng.uniform(0, 99, (n, 4)).astype(np.float32),
        rng.uniform(0, 99, (n, 5, 2)).astype(np.float32),
        np.linspace(0.9, 0.6, n, dtype=np.float32),
    )


@pytest.mark.parametrize(
    ("boxes", "landmarks", "complaint"),
    [
        ((2, 4), (2, 5, 2), r"boxes: expected \(3, 4\) float32, got \(2, 4\) float32"),
        ((3, 5), (3, 5, 2), r"boxes: expected \(3, 4\) float32, got \(3, 5\) float32"),
        ((3, 4), (3, 10), r"landmarks: expected \(3, 5, 2\) float32, got \(3, 10\) float32"),
    ],
)
def test_another_shape_is_refused(boxes: tuple[int, ...], landmarks: tuple[int, ...], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Faces(np.zeros(boxes, np.float32), np.zeros(landmarks, np.float32), np.zeros(3, np.float32))


def test_another_type_is_refused() -> None:
    good = _faces(2)
    with pytest.raises(ValueError, match=r"boxes: expected \(2, 4\) float32, got \(2, 4\) float64"):
        Faces(good.boxes.astype(float), good.landmarks, good.scores)
    with pytest.raises(ValueError, match=r"scores: expected \(2,\) float32, got \(2, 1\) float32"):
        Faces(good.boxes, good.landmarks, good.scores[:, None])


def test_no_faces() -> None:
    none = Faces.none()
    assert (len(none), none.boxes.shape, none.landmarks.shape) == (0, (0, 4), (0, 5, 2))


def test_a_mask_or_an_index_picks_whole_faces() -> None:
    faces = _faces(4)
    picked = faces[np.array([3, 1])]
    np.testing.assert_array_equal(picked.boxes, faces.boxes[[3, 1]])
    np.testing.assert_array_equal(picked.landmarks, faces.landmarks[[3, 1]])
    np.testing.assert_array_equal(faces[faces.scores > 2].scores, Faces.none().scores)


def test_scaled_moves_boxes_and_landmarks_and_leaves_scores() -> None:
    faces = _faces(3)
    twice = faces.scaled(2.0)
    np.testing.assert_array_equal(twice.boxes, faces.boxes * 2)
    np.testing.assert_array_equal(twice.landmarks, faces.landmarks * 2)
    np.testing.assert_array_equal(twice.scores, faces.scores)
    assert twice.boxes.dtype == np.float32


@pytest.mark.parametrize(
    ("vectors", "got"), [(np.zeros(128, np.float32), r"\(128,\) float32"), (np.zeros((2, 128)), r"\(2, 128\) float64")]
)
def test_templates_are_rows_of_float32(vectors: F32, got: str) -> None:
    with pytest.raises(ValueError, match=rf"vectors: expected \(n, d\) float32, got {got}"):
        Embeddings(vectors, "space")


def test_wiping_overwrites_the_memory_itself() -> None:
    memory = np.ones((3, 8), np.float32)
    templates = Embeddings(memory, "space")
    assert len(templates) == 3
    templates.wipe()
    assert not memory.any()
