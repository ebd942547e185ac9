"""Turn a graph into a TensorRT plan for this machine's GPU. Knows the builder; refuses to know files and networks.

What differs between versions is asked of the installed module, never of a version number: explicit batch is a flag that
8.6 needs, FP16 is a flag of the builder's from 8.6 to 10 and must stand in the graph for 11 and for RTX.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from models.manifest import ModelError
from models.runner import Profile
from models.runner_tensorrt import constructed, name_of, quiet_log

USUAL_BATCH = 2
"""Pictures at once that a dynamic batch is tuned for: most frames have one or two faces worth a template."""
WORKSPACE_BYTES = 256 << 20
"""Most scratch memory of one engine: a Jetson's GPU shares its memory with everything else."""

Progress = Callable[[str, int, int], None]
"""Called with (phase, steps done, steps)."""


def wants_typed_graph(trt: Any) -> bool:
    """Whether half precision must stand in the graph, because the builder has no flag for it."""
    return not hasattr(trt.BuilderFlag, "FP16")


@dataclass(frozen=True)
class Order:
    """What to build: an ONNX file's bytes, for which pictures, and whether the builder may compute in FP16."""

    onnx: bytes
    profile: Profile
    fp16: bool


@dataclass(frozen=True)
class Built:
    """A plan, and the timing cache that makes the next build of the same layers quick (empty where there is none)."""

    plan: bytes
    timing_cache: bytes


def build(trt: Any, order: Order, timing_cache: bytes = b"", progress: Progress = lambda what, done, of: None) -> Built:
    """Turn a graph into a plan for this machine's GPU. Takes seconds to many minutes.

    Args:
        trt: from :func:`models.runner_tensorrt.load_tensorrt`.
        order: with a typed graph where :func:`wants_typed_graph`, else a float one.
        timing_cache: of an earlier build on this machine; one that does not fit is not used.
        progress: called with (phase, steps done, steps) from any thread, where TensorRT reports them (10 and newer).

    Raises:
        ModelError: TensorRT's own reasons.
    """
    log = quiet_log(trt)
    builder = constructed(trt, lambda: trt.Builder(log))
    network = builder.create_network(_network_flags(trt))
    parser = trt.OnnxParser(network, log)
    if not parser.parse(order.onnx):
        reasons = [" ".join(parser.get_error(index).desc().split()) for index in range(parser.num_errors)]
        raise ModelError(f"{name_of(trt)} cannot read the graph: {'; '.join(reasons)}")
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE_BYTES)
    if order.fp16 and not wants_typed_graph(trt):
        config.set_flag(trt.BuilderFlag.FP16)
    if not order.fp16:
        config.clear_flag(trt.BuilderFlag.TF32)  # on by default; its mantissa is that of FP16
    _add_profile(builder, config, network.get_input(0), order.profile)
    monitor = _watch(trt, config, progress)
    keeps_timings = _use_timings(trt, config, timing_cache)
    plan = builder.build_serialized_network(network, config)
    if monitor is not None and monitor.raised is not None:
        raise monitor.raised
    if plan is None:
        raise ModelError(f"{name_of(trt)} cannot build an engine for {order.profile}: {log.last_words()}")
    return Built(bytes(plan), bytes(config.get_timing_cache().serialize()) if keeps_timings else b"")


def _network_flags(trt: Any) -> int:
    flags = trt.NetworkDefinitionCreationFlag
    if wants_typed_graph(trt):
        return 1 << int(flags.STRONGLY_TYPED) if hasattr(flags, "STRONGLY_TYPED") else 0
    return 1 << int(flags.EXPLICIT_BATCH) if hasattr(flags, "EXPLICIT_BATCH") else 0


def _add_profile(builder: Any, config: Any, image: Any, profile: Profile) -> None:
    """The smallest, usual and largest batch. A graph of another size refuses it, in words."""
    sizes = (1, min(USUAL_BATCH, profile.batch), profile.batch)
    shapes = [(batch, profile.height_px, profile.width_px, 3) for batch in sizes]
    declared = tuple(image.shape)
    for shape in shapes:
        if any(have not in {-1, want} for have, want in zip(declared, shape, strict=True)):
            raise ModelError(f"the graph takes {declared}, the profile {profile} asks for {shape}")
    optimisation = builder.create_optimization_profile()
    optimisation.set_shape(image.name, *shapes)
    if config.add_optimization_profile(optimisation) < 0:
        raise ModelError(f"the profile {profile} does not cover the graph's {declared}")


def _use_timings(trt: Any, config: Any, blob: bytes) -> bool:
    """Whether the build keeps timings. TensorRT for RTX times nothing and deprecates the calls (since 1.2)."""
    if "rtx" in trt.__name__:
        return False
    fits = blob and config.set_timing_cache(config.create_timing_cache(blob), ignore_mismatch=False)
    if not fits:
        config.set_timing_cache(config.create_timing_cache(b""), ignore_mismatch=False)
    return True


def _watch(trt: Any, config: Any, progress: Progress) -> Any:
    """Report the outermost phases' steps; TensorRT 8.6 has no such interface."""
    if not hasattr(trt, "IProgressMonitor"):
        return None

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]  # the base is known at run time only
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._steps: dict[str, int] = {}
            self.raised: BaseException | None = None

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            if not parent_phase:
                self._steps[phase_name] = num_steps
                self._tell(phase_name, 0)

        def step_complete(self, phase_name: str, step: int) -> bool:
            if phase_name in self._steps:
                self._tell(phase_name, step + 1)
            return self.raised is None

        def _tell(self, phase_name: str, done: int) -> None:
            """TensorRT swallows what is raised here, Ctrl-C too: keep it, and stop the build."""
            try:
                progress(phase_name, done, self._steps[phase_name])
            except BaseException as error:  # noqa: BLE001  raised again behind the build
                self.raised = self.raised or error

        def phase_finish(self, phase_name: str) -> None:
            self._steps.pop(phase_name, None)

    monitor = Monitor()
    config.progress_monitor = monitor
    return monitor
