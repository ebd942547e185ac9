"""Templates: unit length, one a chip whatever the batch, mirrored where asked, and no copy of them left behind."""

from __future__ import annotations

import numpy as np
import pytest

from models.align import chips
from models.embedder import BATCH, Embedder
from models.faces import F32
from models.manifest import ModelError
from models.runner_openvino import OpenVinoRunner
from models.vision import Vision
from tests.models.reference import FILES
from tests.models.stage import Golden, MeanRunner, Pixels


def _random_chips(count: int) -> Pixels:
    return np.random.default_rng(count).integers(1, 256, (count, 112, 112, 3)).astype(np.uint8)


@pytest.fixture
def means() -> MeanRunner:
    return MeanRunner()


@pytest.fixture
def embedder(means: MeanRunner) -> Embedder:
    return Embedder(means, "space", 6)


def test_templates_are_of_unit_length_in_the_embedders_space(vision: Vision, picture: Pixels, golden: Golden) -> None:
    aligned = chips(picture, np.array(golden.landmarks, np.float32))
    for templates in (vision.embedder.embed(aligned), vision.embedder.embed_both(aligned)):
        assert templates.space == vision.embedder.space
        assert templates.vectors.shape == (2, vision.embedder.dimension)
        np.testing.assert_allclose(np.linalg.norm(templates.vectors, axis=1), 1, atol=1e-5)


def test_both_is_the_mean_of_a_chip_and_its_mirror_image(embedder: Embedder) -> None:
    pictures = _random_chips(3)
    pictures[:, :, :56] //= 3
    plain, mirror = embedder.embed(pictures).vectors, embedder.embed(pictures[:, :, ::-1].copy()).vectors
    wanted = (plain + mirror) / np.linalg.norm(plain + mirror, axis=1, keepdims=True)
    np.testing.assert_allclose(embedder.embed_both(pictures).vectors, wanted, atol=1e-6)
    assert float(np.abs(plain - wanted).max()) > 0.01


def test_a_second_pass_later_is_as_good_as_both_at_once(embedder: Embedder) -> None:
    pictures = _random_chips(2)
    templates = embedder.embed(pictures)
    memory = templates.vectors
    embedder.add_mirrored(templates, pictures)
    assert templates.vectors is memory
    np.testing.assert_array_equal(templates.vectors, embedder.embed_both(pictures).vectors)


def test_a_template_is_longer_the_more_of_a_face_was_seen(vision: Vision, picture: Pixels, golden: Golden) -> None:
    faces = chips(picture, np.array(golden.landmarks, np.float32))
    covered = faces.copy()
    covered[:, 60:] = 0
    many = np.concatenate([faces, covered, _random_chips(BATCH)])
    lengths = vision.embedder.embed(many).lengths
    assert lengths.shape == (len(many),)
    assert lengths[:2].min() > lengths[2:4].max() > lengths[4:].max() > 0


def test_fullness_is_a_share_of_what_a_wholly_seen_face_has(means: MeanRunner) -> None:
    lengths = np.array([0, 5.5, 11, 22, np.nan, np.inf, -1], np.float32)
    measured = Embedder(means, "space", 6, full_length=11.0).fullness(lengths)
    np.testing.assert_array_equal(measured, np.array([0, 0.5, 1, 1, 0, 0, 0], np.float32))
    unmeasured = Embedder(means, "space", 6).fullness(lengths)
    np.testing.assert_array_equal(unmeasured, np.array([0, 1, 1, 1, 0, 0, 0], np.float32))


@pytest.mark.parametrize("count", [0, 1, BATCH, BATCH + 1, 3 * BATCH - 1])
def test_any_number_of_chips_in_bounded_batches(embedder: Embedder, means: MeanRunner, count: int) -> None:
    pictures = _random_chips(count)
    templates = embedder.embed(pictures).vectors
    assert (sum(means.batches), max(means.batches, default=0)) == (count, min(count, BATCH))
    assert templates.shape == (count, 6)
    for index in range(count):
        np.testing.assert_allclose(templates[index], embedder.embed(pictures[index : index + 1]).vectors[0], atol=1e-6)


def test_in_the_real_network_a_face_does_not_depend_on_its_neighbours(vision: Vision) -> None:
    pictures = _random_chips(BATCH + 2)
    together = vision.embedder.embed(pictures).vectors
    alone = np.concatenate([vision.embedder.embed(pictures[i : i + 1]).vectors for i in (0, 5, BATCH + 1)])
    assert float((together[[0, 5, BATCH + 1]] * alone).sum(1).min()) > 0.999


@pytest.mark.parametrize("shape", [(112, 112, 3), (1, 112, 112), (1, 3, 112, 112), (2, 96, 112, 3), (0, 100, 100, 3)])
def test_chips_of_another_shape_are_refused(embedder: Embedder, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"chips: expected \(n, 112, 112, 3\), got \("):
        embedder.embed(np.zeros(shape, np.uint8))


def test_the_runners_copy_of_a_template_is_overwritten(embedder: Embedder, means: MeanRunner) -> None:
    embedder.embed(_random_chips(BATCH + 3))
    assert not means.buffer.any()
    embedder.embed_both(_random_chips(2))
    assert not means.buffer.any()


def _left_in(runner: OpenVinoRunner) -> F32:
    return np.asarray(runner._request.get_output_tensor(0).data)


def test_openvinos_own_copy_is_overwritten() -> None:
    runner = OpenVinoRunner(FILES / "sface.onnx")
    embedder = Embedder(runner, "space", 128)
    (fresh,) = runner.run(_random_chips(1))
    assert fresh.any()
    for count in (1, 3):
        assert embedder.embed_both(_random_chips(count)).vectors.any()
        assert not _left_in(runner).any()


def test_a_network_that_says_nothing_gives_no_nan() -> None:
    class Silent(MeanRunner):
        def run(self, images: Pixels) -> list[F32]:
            return [np.zeros((len(images), 6), np.float32)]

    assert not embedder_of(Silent()).embed(_random_chips(2)).vectors.any()


def test_templates_of_another_dimension_than_the_manifests_are_refused(means: MeanRunner) -> None:
    with pytest.raises(ModelError, match=r"the manifest says 7 values, the graph gives \(2, 6\)"):
        Embedder(means, "space", 7).embed(_random_chips(2))


def embedder_of(runner: MeanRunner) -> Embedder:
    return Embedder(runner, "space", 6)
