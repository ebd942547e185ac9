"""The CUDA runtime by ctypes: on a simulated device, and on the real libraries as far as they go without one."""

from __future__ import annotations

import ctypes
import gc
import importlib.metadata
from pathlib import Path

import numpy as np
import pytest

from models.cuda import LIBRARIES, PROTOTYPES, Cuda, Gpu, open_cuda
from models.manifest import ModelError
from tests.models.cudart_simulator import DEVICE_OFFSET, SimulatedCudart, Work

REAL = "nvidia-cuda-runtime"


def _noting(done: list[int]) -> Work:
    def work() -> int:
        done.append(1)
        return 0

    return work


@pytest.fixture
def cudart() -> SimulatedCudart:
    return SimulatedCudart()


@pytest.fixture
def cuda(cudart: SimulatedCudart) -> Cuda:
    return Cuda(cudart)


def test_the_gpu_says_its_name_and_capability(cuda: Cuda) -> None:
    assert cuda.gpu() == Gpu("Orin", "8.7")


def test_mapped_memory_is_zeroed_and_has_an_address_on_each_side(cuda: Cuda) -> None:
    memory = cuda.mapped((2, 3), np.float32)
    assert memory.array.shape == (2, 3)
    assert not memory.array.any()
    assert memory.pointer == memory.array.ctypes.data + DEVICE_OFFSET


def test_mapped_memory_goes_with_its_last_view(cuda: Cuda, cudart: SimulatedCudart) -> None:
    view = cuda.mapped((4,), np.uint8).array[1:]
    gc.collect()
    assert len(cudart.allocated) == 1
    view[:] = 7
    del view
    gc.collect()
    assert cudart.allocated == {}


def test_too_little_memory_is_said_in_figures_and_spoils_nothing(cudart: SimulatedCudart, cuda: Cuda) -> None:
    cudart.memory_bytes = 1_000_000
    with pytest.raises(ModelError, match=r"CUDA: 2\.0 MB of mapped memory: out of memory \(error 2\)"):
        cuda.mapped((2_000_000,), np.uint8)
    assert cuda.mapped((100,), np.uint8).array.shape == (100,)


def test_work_is_done_when_the_stream_is_synchronised(cuda: Cuda, cudart: SimulatedCudart) -> None:
    done: list[int] = []
    stream = cuda.stream()
    cudart.put(stream, _noting(done))
    assert done == []
    cuda.synchronize(stream)
    assert done == [1]


def test_failed_work_is_told_by_the_synchronisation(cuda: Cuda, cudart: SimulatedCudart) -> None:
    stream = cuda.stream()
    cudart.put(stream, lambda: 700)
    with pytest.raises(ModelError, match="illegal memory access was encountered"):
        cuda.synchronize(stream)
    cuda.synchronize(stream)


def test_a_recording_does_nothing_until_it_is_launched_and_then_the_same_each_time(
    cuda: Cuda, cudart: SimulatedCudart
) -> None:
    done: list[int] = []
    stream = cuda.stream()
    recording = cuda.record(stream, lambda: cudart.put(stream, _noting(done)))
    cuda.synchronize(stream)
    assert done == []
    for _ in range(3):
        cuda.launch(recording, stream)
        cuda.synchronize(stream)
    assert done == [1, 1, 1]
    assert cudart.graphs == {}
    cuda.drop(recording)
    assert cudart.executables == {}


def test_a_recording_that_fails_leaves_the_stream_usable(cuda: Cuda, cudart: SimulatedCudart) -> None:
    stream = cuda.stream()

    def stumble() -> None:
        raise ModelError("the network did not run")

    with pytest.raises(ModelError, match="the network did not run"):
        cuda.record(stream, stumble)
    cudart.records = False
    with pytest.raises(ModelError, match="during capture"):
        cuda.record(stream, lambda: None)
    cuda.synchronize(stream)


def test_without_a_gpu_every_question_says_so() -> None:
    cuda = Cuda(SimulatedCudart(name=""))
    for ask in (cuda.gpu, cuda.stream, lambda: cuda.mapped((1,), np.uint8)):
        with pytest.raises(ModelError, match="no CUDA-capable device"):
            ask()


def test_a_machine_without_the_library_says_what_was_looked_for() -> None:
    with pytest.raises(ModelError, match=r"none of libcudart\.so\.0, libcudart\.so\.1 can be loaded"):
        open_cuda(("libcudart.so.0", "libcudart.so.1"))


@pytest.fixture(scope="module")
def real_library() -> Path:
    """libcudart as NVIDIA ships it."""
    try:
        files = importlib.metadata.files(REAL) or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{REAL} is not installed (requirements/tensorrt.lock)")
    (found,) = (file for file in files if file.name.startswith("libcudart.so"))
    return Path(str(found.locate()))


def test_the_real_library_is_one_that_is_looked_for_and_has_every_function(real_library: Path) -> None:
    assert real_library.name in LIBRARIES
    library = ctypes.CDLL(str(real_library))
    assert [name for name in PROTOTYPES if not hasattr(library, name)] == []


def test_the_real_library_answers_in_words(real_library: Path) -> None:
    cuda = open_cuda((str(real_library),))
    invalid_stream = 1
    with pytest.raises(ModelError, match=r"CUDA: cudaGraphLaunch: .+ \(error \d+\)"):
        cuda.launch(0, invalid_stream)
