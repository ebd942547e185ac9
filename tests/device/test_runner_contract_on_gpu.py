"""The contract of a runner, held against TensorRT on a real GPU."""

from __future__ import annotations

import pytest

from models.backend_tensorrt import TensorRtBackend
from tests.contract.runner_contract import Rig, RunnerContract
from tests.models.van import EngineRig


@pytest.mark.gpu
class TestTensorRtOnAGpu(RunnerContract):
    @pytest.fixture
    def rig(self, gpu: TensorRtBackend) -> Rig:
        return EngineRig(gpu.trt, gpu.cuda)
