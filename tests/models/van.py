"""A van's GPU, TensorRT and engine store, simulated around the real networks. Holds no test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from models.backend_tensorrt import Precision, TensorRtBackend
from models.built import FILES, Graph
from models.cuda import Cuda
from models.engines import EngineStore, Header
from models.manifest import load_manifest
from models.runner import Profile
from models.runner_openvino import OpenVinoBackend
from models.vision import Graphs
from models.workshop import build_engine
from tests.models.cudart_simulator import SimulatedCudart
from tests.models.tensorrt_simulator import SimulatedTensorRt

VERSIONS = ("8.6.1", "10.3.0", "11.4.0", "1.7.1")
"""JetPack 6.0, JetPack 6.1 and later, the newest, and TensorRT for RTX."""
KEY = bytes(range(32))
CLOSEUP = Profile(128, 128)
CHIPS = Profile(112, 112, 8)


def graphs(files: Path = FILES) -> Graphs:
    return Graphs.load(load_manifest(), files)


@dataclass
class Van:
    """What a test may turn: another GPU, another TensorRT, another power mode, another key."""

    folder: Path
    version: str = "10.3.0"
    gpu: str = "Orin"
    power_mode: str = "25W"
    key: bytes = KEY
    precision: Precision = "fp16"

    def __post_init__(self) -> None:
        self.cudart = SimulatedCudart(self.gpu)
        self.trt = SimulatedTensorRt(self.cudart, self.version)
        store = EngineStore(self.folder / "engines", self.key)
        self.backend = TensorRtBackend(self.trt, Cuda(self.cudart), store, self.power_mode, self.precision)

    @property
    def engines(self) -> EngineStore:
        return self.backend.store

    def build(self, graph: Graph, profile: Profile) -> Header:
        return build_engine(self.backend, graph, profile, OpenVinoBackend("f32"), lambda what, done, of: None)
