"""A van's GPU, TensorRT and engine store, simulated around the real networks. Holds no test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from models.backend_tensorrt import Precision, TensorRtBackend
from models.built import FILES, Graph
from models.cuda import Cuda
from models.engine_graph import engine_graph
from models.engines import Engine, EngineStore, Header, Origin
from models.manifest import Net, load_manifest, sha256_of
from models.plan import Order, build, wants_typed_graph
from models.runner import Profile
from models.runner_openvino import OpenVinoBackend, OpenVinoRunner
from models.runner_tensorrt import TensorRtRunner
from models.vision import Graphs
from models.workshop import build_engine
from tests.models.cudart_simulator import SimulatedCudart
from tests.models.tensorrt_simulator import SimulatedTensorRt

VERSIONS = ("8.6.1", "10.3.0", "11.4.0", "1.7.1")
"""JetPack 6.0, JetPack 6.1 and later, the newest, and TensorRT for RTX."""
KEY = bytes(range(32))
CLOSEUP = Profile(128, 128)
CHIPS = Profile(112, 112, 8)


class Reference:
    """The processor in fp32, which compiles a graph for a size of pictures only the first time."""

    in_place = False
    any_size = True

    def __init__(self) -> None:
        self._backend = OpenVinoBackend("f32")
        self.name = self._backend.name
        self._open: dict[tuple[str, Profile | None], OpenVinoRunner] = {}

    def open(self, graph: Graph, profile: Profile | None = None) -> OpenVinoRunner:
        key = sha256_of(graph.path.read_bytes()), profile
        if key not in self._open:
            self._open[key] = self._backend.open(graph, profile)
        return self._open[key]


REFERENCE = Reference()
_BUILT: dict[Origin, Engine] = {}


def graphs(files: Path = FILES) -> Graphs:
    return Graphs.load(load_manifest(), files)


class EngineRig:
    """A rig of the runner's contract: engines built and run on a GPU, without a store or a gate between."""

    def __init__(self, trt: Any, cuda: Cuda) -> None:
        self._trt, self._cuda = trt, cuda

    def open(self, model: Path, net: Net, size_hw: tuple[int, int], batch: int = 1) -> TensorRtRunner:
        profile = Profile(*size_hw, batch)
        made = engine_graph(onnx.load(model), net, profile, half=wants_typed_graph(self._trt))
        plan = build(self._trt, Order(made.SerializeToString(), profile, fp16=True)).plan
        outputs = tuple(output.name for output in made.graph.output)
        return TensorRtRunner(self._trt, self._cuda, plan, profile, outputs)


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
        return build_engine(self.backend, graph, profile, REFERENCE, lambda what, done, of: None)

    def equip(self, sizes_px: tuple[tuple[int, int], ...] = ((1280, 720),)) -> None:
        """Every engine of a van with cameras of these sizes; what an equal van was built in this process is copied."""
        for graph, profile in graphs().profiles(sizes_px):
            origin = self.backend.origin(graph, profile)
            if origin not in _BUILT:
                self.build(graph, profile)
                _BUILT[origin] = self.engines.read(origin)
            self.engines.write(_BUILT[origin].header, _BUILT[origin].plan)
