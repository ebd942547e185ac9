"""The contract of a runner, held against each that runs on a host."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.cuda import Cuda
from models.manifest import Net
from models.runner import Runner
from models.runner_openvino import OpenVinoRunner
from tests.contract.runner_contract import Rig, RunnerContract
from tests.models.cudart_simulator import SimulatedCudart
from tests.models.stage import RuntimeRunner
from tests.models.tensorrt_simulator import SimulatedTensorRt
from tests.models.van import EngineRig


class OpenVinoRig:
    def open(self, model: Path, net: Net, size_hw: tuple[int, int], batch: int = 1) -> Runner:
        return OpenVinoRunner(model, size_hw if batch == 1 else None)


class RuntimeRig:
    def open(self, model: Path, net: Net, size_hw: tuple[int, int], batch: int = 1) -> Runner:
        return RuntimeRunner(model, size_hw if batch == 1 else None)


class TestOpenVino(RunnerContract):
    @pytest.fixture
    def rig(self) -> Rig:
        return OpenVinoRig()


class TestOnnxRuntime(RunnerContract):
    @pytest.fixture
    def rig(self) -> Rig:
        return RuntimeRig()


def simulated(version: str) -> Rig:
    cudart = SimulatedCudart()
    return EngineRig(SimulatedTensorRt(cudart, version), Cuda(cudart))


class TestTensorRtWithAFlagForHalfPrecision(RunnerContract):
    @pytest.fixture
    def rig(self) -> Rig:
        return simulated("10.3.0")


class TestTensorRtWithTypedGraphs(RunnerContract):
    @pytest.fixture
    def rig(self) -> Rig:
        return simulated("11.4.0")
