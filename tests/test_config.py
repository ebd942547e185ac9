"""A wrong configuration is explained so that it can be put right."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from firmware.config import ConfigError, load


class Camera(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One camera, as a room might declare it."""

    name: str
    uri: str
    fps: int = 15


class Radio(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An optional table."""

    folder: Path


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A room's settings with every shape that the rooms use."""

    van: str
    cameras: list[Camera]
    radio: Radio | None = None
    other_room: object = None


GOOD = """
van = "van-07"
[[cameras]]
name = "front"
uri = "file:///a.mp4"
[radio]
folder = "~/radio"
[other_room]
anything = {goes = ["here"]}
"""


def complaint(tmp_path: Path, text: str) -> str:
    path = tmp_path / "van.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path, Settings)
    assert str(caught.value).startswith(str(path))
    return str(caught.value)


def test_a_good_file_becomes_the_type(tmp_path: Path) -> None:
    path = tmp_path / "van.toml"
    path.write_text(GOOD, "utf-8")
    loaded = load(path, Settings)
    assert loaded.cameras == [Camera("front", "file:///a.mp4")]
    assert loaded.radio == Radio(Path.home() / "radio")
    assert loaded.other_room == {"anything": {"goes": ["here"]}}


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
    [
        ("van =", "vann =", "unknown key 'vann'; did you mean 'van'?"),
        ("uri =", "url =", "unknown key 'cameras[0].url'; did you mean 'uri'?"),
        ("folder =", "foldr =", "unknown key 'radio.foldr'; did you mean 'folder'?"),
        ("name =", "colour =", "unknown key 'cameras[0].colour'; known keys: fps, name, uri"),
    ],
)
def test_an_unknown_key_is_named_with_its_path_and_what_was_meant(
    tmp_path: Path, was: str, becomes: str, says: str
) -> None:
    assert says in complaint(tmp_path, GOOD.replace(was, becomes))


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
    [
        ('van = "van-07"', "van = 7", "Expected `str`, got `int` - at `$.van`"),
        ('van = "van-07"', "", "missing required field `van`"),
        ('name = "front"', 'name = "front"\nfps = "15"', "Expected `int`, got `str` - at `$.cameras[0].fps`"),
        ('folder = "~/radio"', "folder = 3", "expected a path, got int"),
        ("[radio]", "[radio", "Expected"),
    ],
)
def test_a_wrong_value_is_named_with_its_path(tmp_path: Path, was: str, becomes: str, says: str) -> None:
    assert says in complaint(tmp_path, GOOD.replace(was, becomes))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml: No such file"):
        load(tmp_path / "absent.toml", Settings)


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "van.toml"
    path.write_bytes(b"van = '\xff'")
    with pytest.raises(ConfigError, match=r"van\.toml"):
        load(path, Settings)
