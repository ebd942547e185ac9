"""Labels that may be wrong: pointed at by how similar their pictures are, and never mended."""

from __future__ import annotations

import numpy as np

from models.evaluation.doubtful import doubtful
from tests.models.evaluation.made import from_gram, set_of


def test_comparisons_as_similar_as_half_of_the_mated_ones_are_named_the_most_similar_first() -> None:
    gram = np.eye(6)
    names = ["Ann", "Ann", "Bea", "Bea", "Cid", "Dan"]
    for one, other, similarity in ((0, 1, 0.905), (2, 3, 0.505), (0, 4, 0.75505), (4, 5, 0.80505), (1, 4, 0.695)):
        gram[one, other] = gram[other, one] = similarity
    gram[0, 5] = gram[5, 0] = gram[1, 5] = gram[5, 1] = 0.605
    found = doubtful(from_gram(gram, names))
    assert [(one.one, one.other) for one in found] == [
        ("Cid/Cid_0000.jpg", "Dan/Dan_0000.jpg"),
        ("Ann/Ann_0000.jpg", "Cid/Cid_0000.jpg"),
    ], "the median of 0.905 and 0.505 is 0.705"
    assert [one.similarity for one in found] == [0.805, 0.755]


def test_where_no_label_has_two_pictures_only_copies_are_doubtful() -> None:
    vectors = np.array([[1, 0, 0], [0.999, 0.04, 0], [0.9, 0.43, 0], [0, 0, 1]])
    assert len(doubtful(set_of(vectors, list("abcd")))) == 1
