"""The contract of a runner, and what OpenVINO's refuses by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from models.manifest import ModelError
from models.runner_openvino import OpenVinoRunner
from tests.models.reference import FILES
from tests.models.stage import Pixels, RuntimeRunner


@pytest.fixture(scope="module")
def detector() -> OpenVinoRunner:
    """YuNet for one picture size, which is quick to compile."""
    return OpenVinoRunner(FILES / "yunet-closeup.onnx", (128, 128))


def _pictures(*shape: int) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def test_its_name_says_backend_version_and_precision(detector: OpenVinoRunner) -> None:
    backend, version, precision = detector.name.split()
    assert backend == "OpenVINO"
    assert version[0].isdigit()
    assert precision in {"bf16", "f32"}


def test_a_graph_for_any_size_takes_any_size_and_batch() -> None:
    runner = OpenVinoRunner(FILES / "yunet-closeup.onnx")
    for shape in [(1, 40, 60, 3), (3, 128, 128, 3), (1, 301, 77, 3)]:
        assert [len(output) for output in runner.run(_pictures(*shape))] == [shape[0]] * 3


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"gone\.onnx: "):
        OpenVinoRunner(tmp_path / "gone.onnx")


@pytest.mark.parametrize("data", [b"", b"not a network", bytes(4096)])
def test_a_file_that_is_no_network_is_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "broken.onnx").write_bytes(data)
    with pytest.raises(ModelError, match=r"broken\.onnx: "):
        OpenVinoRunner(tmp_path / "broken.onnx")


def test_half_a_network_is_named(tmp_path: Path) -> None:
    whole = (FILES / "yunet.onnx").read_bytes()
    (tmp_path / "half.onnx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match=r"half\.onnx: "):
        OpenVinoRunner(tmp_path / "half.onnx")


def test_a_size_that_the_network_cannot_take_is_named() -> None:
    with pytest.raises(ModelError, match=r"sface\.onnx: "):
        OpenVinoRunner(FILES / "sface.onnx", (96, 96))


def test_an_operator_that_openvino_lacks_is_named(tmp_path: Path) -> None:
    model = onnx.load(FILES / "yunet.onnx")
    model.graph.node[0].op_type = "Daydream"
    onnx.save(model, tmp_path / "odd.onnx")
    with pytest.raises(ModelError, match=r"odd\.onnx: "):
        OpenVinoRunner(tmp_path / "odd.onnx")


def test_the_second_backend_gives_the_same_figures(detector: OpenVinoRunner) -> None:
    pictures = _pictures(1, 128, 128, 3)
    scores = RuntimeRunner(FILES / "yunet-closeup.onnx").run(pictures)[0]
    np.testing.assert_allclose(detector.run(pictures)[0], scores, atol=0.05)
