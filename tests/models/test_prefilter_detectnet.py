"""jetson-inference's detectNet finds boxes, touches no picture, fetches nothing, and is refused where it is blind."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from models.manifest import ModelError
from models.prefilter import Prefilter
from models.prefilter_detectnet import DetectNet, Preset, open_detectnet
from tests.models.inference_simulator import COLOURS, PRESETS, CudaImage, Machine

JETPACK_6_0 = "8.6.2"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """A Jetson with the package, and without networks."""
    (tmp_path / "work").mkdir()
    (tmp_path / "networks").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    machine = Machine(tmp_path / "networks", tmp_path / "work")
    monkeypatch.setitem(sys.modules, "jetson_inference", machine.module())
    yield machine
    assert machine.downloads == []


def opened(machine: Machine, preset: Preset = "facedetect", min_score: float = 0.3) -> DetectNet:
    machine.install(preset)
    return open_detectnet(preset, JETPACK_6_0, min_score, machine.networks)


def picture(**patches: tuple[int, int, int, int]) -> CudaImage:
    """A dark picture of 120 x 80 with patches x1 y1 x2 y2 of what the network knows."""
    pixels = np.zeros((80, 120, 3), np.uint8)
    for label, (x1, y1, x2, y2) in patches.items():
        pixels[y1:y2, x1:x2, COLOURS[label]] = 230
    return CudaImage(pixels)


def test_it_gives_boxes_in_the_pictures_pixels(machine: Machine) -> None:
    net: Prefilter[CudaImage] = opened(machine)
    assert net.name == "detectNet facedetect, TensorRT 8.6.2"
    boxes = net.boxes(picture(face=(30, 10, 50, 34)))
    np.testing.assert_array_equal(boxes, np.array([[30, 10, 50, 34]], np.float32), strict=True)


def test_an_empty_street_is_an_empty_array_of_boxes(machine: Machine) -> None:
    np.testing.assert_array_equal(opened(machine).boxes(picture()), np.zeros((0, 4), np.float32), strict=True)


def test_somebody_without_a_visible_face_is_worth_a_look_and_a_bag_is_not(machine: Machine) -> None:
    net = opened(machine, "peoplenet")
    assert net.boxes(picture(person=(0, 0, 20, 60), bag=(40, 40, 60, 60))).tolist() == [[0, 0, 20, 60]]
    assert net.boxes(picture(bag=(40, 40, 60, 60))).tolist() == []
    assert net.boxes(picture(face=(90, 5, 99, 20))).tolist() == [[90, 5, 99, 20]]


def test_the_picture_is_not_drawn_into(machine: Machine) -> None:
    image = picture(face=(30, 10, 50, 34))
    before = image.pixels.copy()
    opened(machine).boxes(image)
    np.testing.assert_array_equal(image.pixels, before)


def test_the_score_is_the_networks_threshold(machine: Machine) -> None:
    image = picture(face=(30, 10, 50, 34))
    image.pixels[image.pixels > 0] = 102  # 0.4
    machine.install("facedetect")
    found = [open_detectnet("facedetect", JETPACK_6_0, score, machine.networks).boxes(image) for score in (0.3, 0.5)]
    assert [len(boxes) for boxes in found] == [1, 0]


@pytest.mark.parametrize("form", ["nv12", "gray8", "bgr8"])
def test_a_format_that_detectnet_would_silently_see_nothing_in_is_refused(machine: Machine, form: str) -> None:
    image = picture(face=(30, 10, 50, 34))
    image.format = form
    with pytest.raises(ModelError, match=rf"expected a CUDA image of rgb8, .*, got {form}"):
        opened(machine).boxes(image)
    assert machine.log == []


def test_a_picture_that_is_no_cuda_image_is_refused(machine: Machine) -> None:
    with pytest.raises(ModelError, match="got ndarray"):
        opened(machine).boxes(np.zeros((8, 8, 3), np.uint8))  # type: ignore[arg-type]


def test_a_failed_inference_is_a_model_error(machine: Machine) -> None:
    net = opened(machine)
    machine.broken = True
    with pytest.raises(ModelError, match=r"detectNet facedetect.*error classifying"):
        net.boxes(picture())


@pytest.mark.parametrize("tensorrt", ["10.3.0.30", "10.16.2", "11.0", "", "none"])
def test_it_refuses_to_start_where_it_would_find_nothing_for_ever(machine: Machine, tensorrt: str) -> None:
    machine.install("facedetect")
    machine.tensorrt = 10
    with pytest.raises(ModelError, match=rf"needs TensorRT 8 \(JetPack 6.0 or older\), this machine has {tensorrt}$"):
        open_detectnet("facedetect", tensorrt, networks=machine.networks)


@pytest.mark.parametrize("tensorrt", ["8.6.2", "8.5.2.2"])
def test_it_starts_on_jetpack_5_and_6_0(machine: Machine, tensorrt: str) -> None:
    machine.install("peoplenet")
    assert tensorrt in open_detectnet("peoplenet", tensorrt, networks=machine.networks).name


@pytest.mark.parametrize("preset", ["facedetect", "peoplenet"])
@pytest.mark.parametrize("missing", [".engine", "labels.txt"])
def test_a_missing_file_is_named(machine: Machine, preset: Preset, missing: str) -> None:
    folder = machine.install(preset).parent
    (path,) = folder.glob(f"*{missing}")
    path.unlink()
    with pytest.raises(ModelError, match=f"{preset}: no file {path}; convert it on this machine"):
        open_detectnet(preset, JETPACK_6_0, networks=machine.networks)


def test_a_network_that_is_not_here_is_not_downloaded(machine: Machine) -> None:
    with pytest.raises(ModelError, match=f"no file {machine.networks}/facedetect_.*engine"):
        open_detectnet("facedetect", JETPACK_6_0, networks=machine.networks)
    assert machine.downloads == []


def test_a_network_of_the_same_name_in_the_working_directory_is_not_taken(machine: Machine) -> None:
    machine.install("facedetect")
    folder, engine = PRESETS["facedetect"]
    decoy = machine.working_directory / "networks" / folder
    decoy.mkdir(parents=True)
    (decoy / engine).write_bytes(b"another")
    (decoy / "labels.txt").write_text("bag\n")
    net = open_detectnet("facedetect", JETPACK_6_0, networks=machine.networks)
    assert len(net.boxes(picture(face=(30, 10, 50, 34)))) == 1


def test_an_engine_that_cannot_be_loaded_is_a_model_error(machine: Machine) -> None:
    engine = machine.install("facedetect")
    machine.unloadable = True
    with pytest.raises(ModelError, match=rf"{engine.name}: jetson.inference -- detectNet failed to load network"):
        open_detectnet("facedetect", JETPACK_6_0, networks=machine.networks)


def test_a_machine_without_the_package_says_so(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.install("facedetect")
    monkeypatch.setitem(sys.modules, "jetson_inference", None)
    with pytest.raises(ModelError, match=r"detectNet facedetect: .*jetson_inference"):
        open_detectnet("facedetect", JETPACK_6_0, networks=machine.networks)
