"""What every runner must do, whatever computes: one suite, held against each implementation.

An implementation's test file subclasses :class:`RunnerContract` as ``Test...`` and gives a ``rig`` fixture. The made
networks compute with numbers that bf16 and fp16 hold exactly, so their boxes are the same on every runner.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import onnx
import pytest

from models.built import FILES
from models.decode import SCRFD as SCRFD_FAMILY
from models.detector import Detector
from models.faces import F32
from models.graphs import detector_graph, embedder_graph
from models.manifest import ModelError, Net, load_manifest
from models.rebuild import rebuild
from models.runner import Runner
from tests.models.published import ARCFACE, FACES, SCRFD, Batch, drawn_at, expected_face, iresnet, scrfd
from tests.models.stage import Pixels, runtime

BATCH = 8
MAX_BATCH_DIFFERENCE = 1e-3
"""Between a picture alone and among others; of a template's values, and of a detector's raw answers."""
MIN_COSINE = 0.999
"""With the published network in fp32, on ONNX Runtime."""
MAX_BOX_PX = 0.01
CLOSEUP_HW = (128, 128)


class Rig(Protocol):
    """A backend that opens graphs."""

    def open(self, model: Path, net: Net, size_hw: tuple[int, int], batch: int = 1) -> Runner:
        """The graph of :mod:`models.graphs` at ``model``, for up to ``batch`` pictures of (height, width).

        With ``batch`` 1, a runner may refuse another number of pictures or another size; this suite expects it to.
        """


@dataclass(frozen=True)
class Loaded:
    """A graph on disk and the network that it was made of."""

    path: Path
    net: Net
    size_hw: tuple[int, int]

    def on(self, rig: Rig, batch: int = 1) -> Runner:
        return rig.open(self.path, self.net, self.size_hw, batch)


def pictures(*shape: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def run(runner: Runner, images: Pixels) -> list[F32]:
    """Copies: the next run overwrites a runner's own."""
    return [np.array(output) for output in runner.run(images)]


def _alone(runner: Runner, images: Pixels) -> list[F32]:
    rows = [run(runner, images[index : index + 1]) for index in range(len(images))]
    return [np.concatenate(outputs) for outputs in zip(*rows, strict=True)]


def made_detector(folder: Path, batch: Batch) -> Loaded:
    width, height = SCRFD.canvas_px
    plain = rebuild(scrfd(batch).SerializeToString(), SCRFD)
    onnx.save(detector_graph(plain, SCRFD, SCRFD.canvas_px), folder / f"scrfd-{batch}.onnx")
    return Loaded(folder / f"scrfd-{batch}.onnx", SCRFD, (height, width))


def made_embedder(folder: Path, batch: Batch) -> Loaded:
    plain = rebuild(iresnet(batch).SerializeToString(), ARCFACE)
    onnx.save(embedder_graph(plain, ARCFACE), folder / f"arcface-{batch}.onnx")
    return Loaded(folder / f"arcface-{batch}.onnx", ARCFACE, (112, 112))


class RunnerContract:
    """Subclass it with a ``rig``."""

    @pytest.fixture
    def rig(self) -> Rig:
        raise NotImplementedError

    @pytest.fixture
    def closeup(self) -> Loaded:
        """YuNet on its small canvas, which is quick."""
        return Loaded(FILES / "yunet-closeup.onnx", load_manifest().one("detector"), CLOSEUP_HW)

    @pytest.fixture
    def sface(self) -> Loaded:
        return Loaded(FILES / "sface.onnx", load_manifest().one("embedder"), (112, 112))

    def test_its_name_is_in_words(self, rig: Rig, closeup: Loaded) -> None:
        assert len(closeup.on(rig).name.split()) >= 2

    def test_outputs_come_in_the_graphs_order_as_float32(self, rig: Rig, closeup: Loaded) -> None:
        outputs = closeup.on(rig).run(pictures(1, *CLOSEUP_HW, 3))
        assert [output.shape for output in outputs] == [(1, 336), (1, 336, 4), (1, 336, 10)]
        assert {output.dtype for output in outputs} == {np.dtype(np.float32)}

    @pytest.mark.parametrize(
        "shape",
        [(128, 128, 3), (1, 127, 128, 3), (1, 128, 128, 4), (1, 3, 128, 128), (2, 128, 128, 3), (0, 128, 128, 3)],
    )
    def test_another_shape_is_refused_with_both(self, rig: Rig, closeup: Loaded, shape: tuple[int, ...]) -> None:
        with pytest.raises(ModelError, match=r"expected .*128.* uint8, got \("):
            closeup.on(rig).run(np.zeros(shape, np.uint8))

    def test_another_type_is_refused(self, rig: Rig, closeup: Loaded) -> None:
        with pytest.raises(ModelError, match=r"expected .* uint8, got .* float32"):
            closeup.on(rig).run(np.zeros((1, *CLOSEUP_HW, 3), np.float32))

    def test_a_refusal_does_not_spoil_the_next_run(self, rig: Rig, closeup: Loaded) -> None:
        runner, images = closeup.on(rig), pictures(1, *CLOSEUP_HW, 3)
        before = run(runner, images)
        with pytest.raises(ModelError):
            runner.run(images[:, 1:])
        for old, new in zip(before, run(runner, images), strict=True):
            np.testing.assert_array_equal(old, new)

    def test_how_the_picture_lies_in_memory_does_not_matter(self, rig: Rig, closeup: Loaded) -> None:
        runner, images = closeup.on(rig), pictures(1, *CLOSEUP_HW, 3)
        before = run(runner, images)
        read_only = images.copy()
        read_only.flags.writeable = False
        wider = np.concatenate([images, images], axis=2)[:, :, :128]
        backwards = np.ascontiguousarray(images[:, ::-1])[:, ::-1]
        for same in (read_only, wider, backwards, np.asfortranarray(images)):
            for old, new in zip(before, run(runner, same), strict=True):
                np.testing.assert_array_equal(old, new)

    def test_the_picture_is_left_as_it_was(self, rig: Rig, closeup: Loaded) -> None:
        images = pictures(1, *CLOSEUP_HW, 3)
        closeup.on(rig).run(images)
        np.testing.assert_array_equal(images, pictures(1, *CLOSEUP_HW, 3))

    def test_two_networks_do_not_share_memory(self, rig: Rig, closeup: Loaded) -> None:
        one, other = closeup.on(rig), closeup.on(rig)
        kept = one.run(pictures(1, *CLOSEUP_HW, 3))[0]
        before = kept.copy()
        other.run(np.zeros((1, *CLOSEUP_HW, 3), np.uint8))
        np.testing.assert_array_equal(kept, before)

    def test_a_smaller_batch_after_a_larger_one_has_as_many_rows_as_pictures(self, rig: Rig, sface: Loaded) -> None:
        runner = sface.on(rig, BATCH)
        assert [len(runner.run(pictures(count, 112, 112, 3))[0]) for count in (BATCH, 1, 3)] == [BATCH, 1, 3]

    def test_a_face_among_eight_is_the_same_face_alone(self, rig: Rig, sface: Loaded) -> None:
        runner, images = sface.on(rig, BATCH), pictures(BATCH, 112, 112, 3)
        (together,), (alone,) = run(runner, images), _alone(runner, images)
        np.testing.assert_allclose(together, alone, atol=MAX_BATCH_DIFFERENCE)
        assert float(np.abs(together - np.roll(together, 1, axis=0)).max()) > 10 * MAX_BATCH_DIFFERENCE

    @pytest.mark.parametrize("batch", ["one", "any"])
    def test_a_made_embedder_gives_what_its_published_file_gives(self, rig: Rig, tmp_path: Path, batch: Batch) -> None:
        images = pictures(BATCH, 112, 112, 3)
        values = (images.transpose(0, 3, 1, 2).astype(np.float32) - 127.5) / 127.5
        wanted = np.concatenate([runtime(iresnet(batch), **{"input.1": values[i : i + 1]})[0] for i in range(BATCH)])
        wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
        runner = made_embedder(tmp_path, batch).on(rig, BATCH)
        (together,), (alone,) = run(runner, images), _alone(runner, images)
        assert together.shape == (BATCH, 512)
        assert float((together * wanted).sum(1).min()) >= MIN_COSINE
        np.testing.assert_allclose(together, alone, atol=MAX_BATCH_DIFFERENCE)

    @pytest.mark.parametrize("batch", ["one", "any"])
    @pytest.mark.parametrize(("stride", "anchor"), FACES)
    def test_a_made_detector_finds_a_face_of_each_grid_and_anchor_where_it_is(
        self, rig: Rig, tmp_path: Path, stride: int, anchor: int, batch: Batch
    ) -> None:
        loaded = made_detector(tmp_path, batch)
        detector = Detector(loaded.on(rig), SCRFD.canvas_px, family=SCRFD_FAMILY)
        faces = detector.detect(drawn_at(stride, anchor, column=2, row=1))
        wanted = expected_face(stride, anchor, column=2, row=1)
        assert len(faces) == 1
        np.testing.assert_allclose(faces.boxes, wanted.boxes, atol=MAX_BOX_PX)
        np.testing.assert_allclose(faces.landmarks, wanted.landmarks, atol=MAX_BOX_PX)
        np.testing.assert_allclose(faces.scores, wanted.scores, atol=0.005)

    @pytest.mark.parametrize("batch", ["one", "any"])
    def test_a_picture_among_eight_has_the_faces_that_it_has_alone(
        self, rig: Rig, tmp_path: Path, batch: Batch
    ) -> None:
        images = np.stack([drawn_at(*face, column=index, row=1) for index, face in enumerate(FACES)])
        images = np.concatenate([images, pictures(2, *images.shape[1:])])
        runner = made_detector(tmp_path, batch).on(rig, BATCH)
        for together, alone in zip(run(runner, images), _alone(runner, images), strict=True):
            np.testing.assert_allclose(together, alone, atol=MAX_BATCH_DIFFERENCE)
