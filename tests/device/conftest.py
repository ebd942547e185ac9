"""A real GPU with the TensorRT and the CUDA runtime of this machine; without one these tests skip by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.backend_tensorrt import TensorRtBackend, open_tensorrt
from models.manifest import ModelError


@pytest.fixture(scope="session")
def gpu(tmp_path_factory: pytest.TempPathFactory) -> TensorRtBackend:
    engines: Path = tmp_path_factory.mktemp("engines")
    try:
        return open_tensorrt(engines, lambda: bytes(range(32)), "none", "fp16")
    except ModelError as error:
        pytest.skip(f"no GPU for networks: {error}")
