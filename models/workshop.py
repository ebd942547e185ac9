"""Build an engine, prove it, and only then let it take the old one's place. Knows the order of the steps.

    graph for one picture size -> plan -> runner -> gate (against fp32) -> store

What fails anywhere leaves the store as it was.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import msgspec
import onnx

from models.backend_tensorrt import Precision, TensorRtBackend
from models.built import Graph
from models.engine_graph import engine_graph
from models.engines import EngineRefused, Header
from models.gate import agreement
from models.manifest import ModelError
from models.plan import Built, Order, Progress, build, wants_typed_graph
from models.runner import Backend, Profile
from models.runner_tensorrt import TensorRtRunner


class EngineState(msgspec.Struct, frozen=True):
    """One engine. ``words``: how near fp32 it is, or why there is none. ``refused``: why the old one was not used."""

    graph: str
    pictures: str
    usable: bool
    words: str
    refused: str = ""
    built: bool = False


def look(backend: TensorRtBackend, graph: Graph, profile: Profile) -> EngineState:
    """Whether there is an engine for this use that may be loaded; loads nothing."""
    try:
        words = backend.store.read(backend.origin(graph, profile)).header.agreement
    except EngineRefused as refusal:
        return EngineState(graph.name, str(profile), usable=False, words=str(refusal), refused=str(refusal))
    return EngineState(graph.name, str(profile), usable=True, words=words)


def tend(
    backend: TensorRtBackend, graph: Graph, profile: Profile, reference: Backend, progress: Progress
) -> EngineState:
    """Build the engine of this use where there is none that may be loaded."""
    before = look(backend, graph, profile)
    if before.usable:
        try:
            backend.open(graph, profile)
        except ModelError as error:  # authentic, and yet a new driver or runtime may not load it
            before = msgspec.structs.replace(before, usable=False, words=str(error), refused=str(error))
    return before if before.usable else _built_anew(before, backend, graph, profile, reference, progress)


def rebuild(
    backend: TensorRtBackend, graph: Graph, profile: Profile, reference: Backend, progress: Progress
) -> EngineState:
    """Build the engine of this use, whatever is there."""
    return _built_anew(look(backend, graph, profile), backend, graph, profile, reference, progress)


def _built_anew(
    before: EngineState,
    backend: TensorRtBackend,
    graph: Graph,
    profile: Profile,
    reference: Backend,
    progress: Progress,
) -> EngineState:
    try:
        words = build_engine(backend, graph, profile, reference, progress).agreement
    except (ModelError, OSError) as error:  # OSError: no room for the proof's graph
        return msgspec.structs.replace(before, words=str(error))
    return msgspec.structs.replace(before, usable=True, words=words, built=True)


def build_engine(
    backend: TensorRtBackend, graph: Graph, profile: Profile, reference: Backend, progress: Progress
) -> Header:
    """Make and keep the engine of a graph; in fp32 where fp16 was wanted and is not near enough.

    Args:
        backend: whose store and GPU.
        graph: what to build.
        profile: for which pictures.
        reference: computes the same graph in fp32.
        progress: of the build, which takes seconds to many minutes.

    Raises:
        ModelError: it cannot be built or does not agree with the reference; the old engine stays.
    """
    floats = engine_graph(onnx.load(graph.path), graph.net, profile, half=False)
    precisions: tuple[Precision, ...] = ("fp16", "fp32") if backend.precision == "fp16" else ("fp32",)
    refusals = []
    for precision in precisions:
        try:
            built = _built(backend, graph, profile, precision, progress)
            words = _proven(backend, graph, profile, built.plan, floats, reference)
        except ModelError as error:
            refusals.append(f"{precision}: {error}")
            continue
        header = Header(
            origin=backend.origin(graph, profile),
            outputs=_outputs(floats),
            precision=precision,
            agreement="; ".join([*refusals, f"{precision}: {words}"]),
        )
        backend.store.write(header, built.plan)
        if built.timing_cache:
            backend.store.keep_timings(built.timing_cache)
        return header
    raise ModelError(f"{graph.name} for {profile}: {'; '.join(refusals)}; the old engine stays")


def _built(backend: TensorRtBackend, graph: Graph, profile: Profile, precision: Precision, progress: Progress) -> Built:
    half = precision == "fp16" and wants_typed_graph(backend.trt)
    made = engine_graph(onnx.load(graph.path), graph.net, profile, half=half)
    order = Order(made.SerializeToString(), profile, precision == "fp16")
    return build(backend.trt, order, backend.store.timings(), progress)


def _proven(
    backend: TensorRtBackend, graph: Graph, profile: Profile, plan: bytes, floats: onnx.ModelProto, reference: Backend
) -> str:
    runner = TensorRtRunner(backend.trt, backend.cuda, plan, profile, _outputs(floats))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{graph.name}.onnx"
        onnx.save(floats, path)
        return agreement(graph, profile, runner, reference.open(replace(graph, path=path), profile))


def _outputs(model: onnx.ModelProto) -> tuple[str, ...]:
    return tuple(output.name for output in model.graph.output)
