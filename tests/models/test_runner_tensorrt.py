"""TensorRT's runner on a simulated GPU: all versions compute the same, and what is wrong is refused in words."""

from __future__ import annotations

import gc
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pytest

from models.cuda import Mapped
from models.engine_graph import engine_graph
from models.faces import F32
from models.manifest import ModelError
from models.plan import Order, build, wants_typed_graph
from models.runner import InPlaceRunner, Profile
from models.runner_tensorrt import MOST_RECORDINGS, TensorRtRunner, load_tensorrt, name_of
from tests.models.stage import Pixels
from tests.models.van import CHIPS, CLOSEUP, REFERENCE, VERSIONS, Van, graphs

DETECTED = ("scores", "boxes", "landmarks")


@pytest.fixture(params=VERSIONS)
def van(request: pytest.FixtureRequest, tmp_path: Path) -> Van:
    return Van(tmp_path, version=request.param)


def _order(van: Van, profile: Profile = CLOSEUP, *, fp16: bool = True) -> Order:
    graph = graphs().closeup if profile.batch == 1 else graphs().embedder
    half = fp16 and wants_typed_graph(van.trt)
    return Order(engine_graph(onnx.load(graph.path), graph.net, profile, half=half).SerializeToString(), profile, fp16)


def _runner(van: Van, profile: Profile = CLOSEUP) -> TensorRtRunner:
    plan = build(van.trt, _order(van, profile)).plan
    return TensorRtRunner(van.trt, van.backend.cuda, plan, profile, DETECTED if profile.batch == 1 else ("vectors",))


def _pictures(*shape: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def _copies(outputs: Any) -> list[F32]:
    return [np.array(output) for output in outputs]


@dataclass(frozen=True)
class CudaImage:
    """A camera's picture on the device."""

    memory: Mapped
    typestr: str = "<u1"
    strides: tuple[int, ...] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.memory.array.shape

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {
            "shape": self.shape,
            "typestr": self.typestr,
            "data": (self.memory.pointer, True),
            "strides": self.strides,
            "version": 3,
        }


def _on_device(van: Van, picture: Pixels) -> CudaImage:
    memory = van.backend.cuda.mapped(picture.shape, np.uint8)
    memory.array[:] = picture
    return CudaImage(memory)


def test_it_computes_what_the_reference_computes(van: Van) -> None:
    pictures = _pictures(1, 128, 128, 3)
    graph = graphs().closeup
    wanted = REFERENCE.open(graph, CLOSEUP).run(pictures)
    for found, reference in zip(_runner(van).run(pictures), wanted, strict=True):
        np.testing.assert_allclose(found, reference, atol=0.02)


def test_the_first_run_and_all_later_ones_agree(van: Van) -> None:
    runner, pictures = _runner(van), _pictures(1, 128, 128, 3)
    first = _copies(runner.run(pictures))
    other = _copies(runner.run(_pictures(1, 128, 128, 3, seed=1)))
    again = _copies(runner.run(pictures))
    for one, two, three in zip(first, other, again, strict=True):
        np.testing.assert_array_equal(one, three)
        assert np.abs(one - two).max() > 1e-3


def test_one_picture_at_a_time_is_recorded_once_and_then_launched(van: Van) -> None:
    runner = _runner(van)
    for seed in range(5):
        runner.run(_pictures(1, 128, 128, 3, seed=seed))
    assert (van.trt.runs, van.cudart.launches) == (5, 4)


def test_a_network_that_cannot_be_recorded_runs_all_the_same(van: Van) -> None:
    van.cudart.records = False
    runner, pictures = _runner(van), _pictures(1, 128, 128, 3)
    first, second = _copies(runner.run(pictures)), _copies(runner.run(pictures))
    assert van.cudart.launches == 0
    for one, two in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_batch_of_any_size_up_to_its_most(van: Van) -> None:
    runner = _runner(van, CHIPS)
    for count in (1, 8, 3, 8, 1):
        assert runner.run(_pictures(count, 112, 112, 3))[0].shape == (count, 128)
    assert [shape[0] for shape in van.trt.shapes] == [1, 8, 3, 8, 1]
    assert van.cudart.launches == 0


def test_a_face_among_others_has_the_template_that_it_has_alone(van: Van) -> None:
    runner, faces = _runner(van, CHIPS), _pictures(8, 112, 112, 3)
    together = np.array(runner.run(faces)[0])
    alone = np.concatenate([np.array(runner.run(faces[index : index + 1])[0]) for index in range(8)])
    np.testing.assert_allclose(together, alone, atol=1e-3)


def test_a_picture_on_the_device_is_read_where_it_lies(van: Van) -> None:
    runner, pictures = _runner(van), _pictures(1, 128, 128, 3)
    assert isinstance(runner, InPlaceRunner)
    wanted = _copies(runner.run(pictures))
    image = _on_device(van, pictures[0])
    for _ in range(3):
        for found, reference in zip(runner.run_in_place(image), wanted, strict=True):
            np.testing.assert_array_equal(found, reference)
    np.testing.assert_array_equal(image.memory.array, pictures[0])


def test_each_place_of_a_ring_is_seen_for_what_it_holds(van: Van) -> None:
    runner = _runner(van)
    ring = [_on_device(van, _pictures(128, 128, 3, seed=seed)) for seed in range(4)]
    first = [_copies(runner.run_in_place(image))[0] for image in ring]
    ring[2].memory.array[:] = 0
    second = [_copies(runner.run_in_place(image))[0] for image in ring]
    same = [bool((one == two).all()) for one, two in zip(first, second, strict=True)]
    assert same == [True, True, False, True]


def test_addresses_that_go_out_of_use_do_not_pile_up(van: Van) -> None:
    runner = _runner(van)
    ring = [_on_device(van, _pictures(128, 128, 3, seed=seed)) for seed in range(MOST_RECORDINGS + 2)]
    for image in ring:
        runner.run_in_place(image)
    assert len(van.cudart.executables) == 2


def test_everything_is_given_back_with_the_runner(van: Van) -> None:
    runner = _runner(van)
    runner.run(_pictures(1, 128, 128, 3))
    runner.run(_pictures(1, 128, 128, 3))
    del runner
    gc.collect()
    assert (van.cudart.streams, van.cudart.executables, van.cudart.graphs, van.cudart.allocated) == ({}, {}, {}, {})


def test_no_memory_is_taken_after_the_start(van: Van) -> None:
    runner = _runner(van, CHIPS)
    van.cudart.memory_bytes = 0
    for count in (8, 1, 5):
        runner.run(_pictures(count, 112, 112, 3))


def test_a_face_does_not_stay_in_the_staging_memory(van: Van) -> None:
    runner = _runner(van, CHIPS)
    runner.run(_pictures(8, 112, 112, 3))
    assert not runner._staging.array.any()
    van.trt.fails_to_run = True
    with pytest.raises(ModelError, match="did not run the network"):
        runner.run(_pictures(8, 112, 112, 3))
    assert not runner._staging.array.any()


@pytest.mark.parametrize(
    "shape",
    [(128, 128, 3), (1, 127, 128, 3), (1, 128, 128, 4), (1, 3, 128, 128), (2, 128, 128, 3), (0, 128, 128, 3)],
)
def test_another_shape_is_refused_with_both(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match=r"input: expected \('1', 128, 128, 3\) uint8, got \("):
        _runner(Van(tmp_path)).run(np.zeros(shape, np.uint8))


def test_more_pictures_than_the_profile_covers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"expected \('1 to 8', 112, 112, 3\) uint8, got \(9,"):
        _runner(Van(tmp_path), CHIPS).run(_pictures(9, 112, 112, 3))


def test_a_picture_on_the_device_of_another_shape_or_layout_is_refused(tmp_path: Path) -> None:
    van = Van(tmp_path)
    runner = _runner(van)
    with pytest.raises(ModelError, match=r"expected \(128, 128, 3\) uint8 dense on the device, got \(64, 128, 3\)"):
        runner.run_in_place(_on_device(van, _pictures(64, 128, 3)))
    memory = _on_device(van, _pictures(128, 128, 3)).memory
    for odd in (CudaImage(memory, typestr="<f4"), CudaImage(memory, strides=(512, 3, 1))):
        with pytest.raises(ModelError, match="dense on the device"):
            runner.run_in_place(odd)


def test_a_picture_that_is_gone_is_an_error_and_not_a_result(tmp_path: Path) -> None:
    van = Van(tmp_path)
    runner = _runner(van)
    image = _on_device(van, _pictures(128, 128, 3))
    van.cudart.allocated.pop(image.memory.array.ctypes.data)
    with pytest.raises(ModelError, match="illegal memory access"):
        runner.run_in_place(image)


def test_an_address_that_tensorrt_refuses_is_an_error_and_not_the_picture_before(tmp_path: Path) -> None:
    van = Van(tmp_path)
    runner = _runner(van)
    runner.run_in_place(_on_device(van, _pictures(128, 128, 3)))
    odd = van.backend.cuda.mapped((128 * 128 * 3 + 16,), np.uint8)
    shifted = Mapped(odd.array[16:].reshape(128, 128, 3), odd.pointer + 16)
    with pytest.raises(ModelError, match=r"takes no 'image' at address 0x.*: .*not aligned to 256 bytes"):
        runner.run_in_place(CudaImage(shifted))


def test_a_driver_that_does_not_start_is_told_and_not_a_type_error(van: Van) -> None:
    plan = build(van.trt, _order(van)).plan
    van.trt.fails_to_start = True
    with pytest.raises(ModelError, match="does not start: pybind11"):
        TensorRtRunner(van.trt, van.backend.cuda, plan, CLOSEUP, DETECTED)
    with pytest.raises(ModelError, match="does not start: pybind11"):
        build(van.trt, _order(van))


def test_whole_precision_is_whole_and_not_tf32(van: Van) -> None:
    build(van.trt, _order(van))
    build(van.trt, _order(van, fp16=False))
    assert ["TF32" in flags for flags in van.trt.flags] == [True, False]
    assert "FP16" not in van.trt.flags[1]


def test_an_interrupt_ends_the_build_and_is_not_swallowed(tmp_path: Path) -> None:
    def interrupt(what: str, done: int, of: int) -> None:
        raise KeyboardInterrupt

    van = Van(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        build(van.trt, _order(van), progress=interrupt)


def test_two_threads_at_once_are_refused(tmp_path: Path) -> None:
    van = Van(tmp_path)
    runner, inside, leave = _runner(van), threading.Event(), threading.Event()

    def dawdle() -> int:
        inside.set()
        leave.wait(30)
        return 0

    van.cudart.put(runner._stream, dawdle)
    thread = threading.Thread(target=runner.run, args=(_pictures(1, 128, 128, 3),))
    thread.start()
    inside.wait(30)
    with pytest.raises(ModelError, match="two threads ran one network at the same time"):
        runner.run(_pictures(1, 128, 128, 3))
    leave.set()
    thread.join()
    runner.run(_pictures(1, 128, 128, 3))


def test_another_versions_plan_is_refused_in_tensorrts_words(tmp_path: Path) -> None:
    old, new = Van(tmp_path, version="10.3.0"), Van(tmp_path, version="10.16.2")
    plan = build(old.trt, _order(old)).plan
    with pytest.raises(ModelError, match=r"TensorRT 10\.16\.2 could not load the engine: .*10\.3\.0.* is incompatible"):
        TensorRtRunner(new.trt, new.backend.cuda, plan, CLOSEUP, DETECTED)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5])
def test_a_cut_plan_is_refused(van: Van, share: float) -> None:
    plan = build(van.trt, _order(van)).plan
    with pytest.raises(ModelError, match="could not load the engine: Error Code"):
        TensorRtRunner(van.trt, van.backend.cuda, plan[: int(len(plan) * share)], CLOSEUP, DETECTED)


def test_too_little_memory_is_said_in_tensorrts_words_and_leaves_nothing_behind(van: Van) -> None:
    plan = build(van.trt, _order(van)).plan
    van.trt.out_of_memory = True
    with pytest.raises(ModelError, match=r"could not make a context: .*OutOfMemory \(Requested size was 268435456"):
        TensorRtRunner(van.trt, van.backend.cuda, plan, CLOSEUP, DETECTED)
    van.trt.out_of_memory = False
    van.cudart.memory_bytes = 50_000
    with pytest.raises(ModelError, match=r"MB of mapped memory: out of memory"):
        TensorRtRunner(van.trt, van.backend.cuda, plan, CLOSEUP, DETECTED)
    gc.collect()
    assert (van.cudart.streams, van.cudart.allocated) == ({}, {})


def test_an_engine_with_other_tensors_is_refused(van: Van) -> None:
    plan = build(van.trt, _order(van)).plan
    with pytest.raises(ModelError, match=r"the engine has .*; expected one UINT8 input and vectors as FLOAT"):
        TensorRtRunner(van.trt, van.backend.cuda, plan, CLOSEUP, ("vectors",))


def test_a_graph_that_the_parser_refuses_is_told_in_its_words(van: Van) -> None:
    raw = graphs().closeup.path.read_bytes()  # bytes go into a Transpose here
    with pytest.raises(ModelError, match=r"cannot read the graph: node_of_planes .* first input has type UInt8"):
        build(van.trt, Order(raw, CLOSEUP, fp16=True))
    with pytest.raises(ModelError, match="cannot read the graph: Failed to parse"):
        build(van.trt, Order(b"nonsense", CLOSEUP, fp16=True))


def test_a_build_that_fails_is_told_in_the_builders_words(van: Van) -> None:
    van.trt.fails_to_build = True
    with pytest.raises(ModelError, match="cannot build an engine for 128x128: Error Code 10: could not find any impl"):
        build(van.trt, _order(van))


@pytest.mark.parametrize("profile", [Profile(256, 128), Profile(128, 128, 8)])
def test_a_profile_that_the_graph_does_not_cover_is_refused(van: Van, profile: Profile) -> None:
    with pytest.raises(ModelError, match=r"the graph takes \(1, 128, 128, 3\), the profile .* asks for \("):
        build(van.trt, Order(_order(van).onnx, profile, fp16=True))


def test_a_build_reports_its_outermost_steps(tmp_path: Path) -> None:
    van, steps = Van(tmp_path, version="10.3.0"), list[tuple[str, int, int]]()
    build(van.trt, _order(van), progress=lambda what, done, of: steps.append((what, done, of)))
    assert steps == [("Building engine", 0, 2), ("Building engine", 2, 2)]


def test_timings_are_used_again_where_they_fit_and_kept(tmp_path: Path) -> None:
    orin, thor = Van(tmp_path), Van(tmp_path, gpu="Thor")
    first = build(orin.trt, _order(orin))
    build(orin.trt, _order(orin), first.timing_cache)
    assert orin.trt.timings_used == [False, True]
    assert build(thor.trt, _order(thor), first.timing_cache).timing_cache == b"timings of Thor"
    assert thor.trt.timings_used == [False, False]


def test_rtx_is_asked_for_no_timings(tmp_path: Path) -> None:
    van = Van(tmp_path, version="1.7.1")
    assert build(van.trt, _order(van), b"timings").timing_cache == b""


def test_names_say_which_tensorrt_it_is(tmp_path: Path) -> None:
    assert [name_of(Van(tmp_path, version=version).trt) for version in VERSIONS] == [
        "TensorRT 8.6.1",
        "TensorRT 10.3.0",
        "TensorRT 11.4.0",
        "TensorRT-RTX 1.7.1",
    ]


def test_a_machine_without_tensorrt_says_what_was_tried() -> None:
    with pytest.raises(ModelError, match=r"TensorRT is not installed: No module named 'nowhere'; .*'elsewhere'"):
        load_tensorrt((("nowhere",), ("elsewhere", "beyond")))


def test_the_first_that_is_installed_is_taken() -> None:
    assert load_tensorrt((("nowhere",), ("json", "string"), ("math",))) is sys.modules["string"]
    assert isinstance(load_tensorrt((("math",),)), ModuleType)
