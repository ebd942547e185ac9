"""A file is old or new."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from models.durable import replace_durably


def test_the_new_takes_the_place_of_the_old_and_leaves_nothing_beside(tmp_path: Path) -> None:
    replace_durably(tmp_path / "a", b"old")
    replace_durably(tmp_path / "a", b"new", 0o600)
    assert (tmp_path / "a").read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_cannot_be_renamed_leaves_the_old_and_nothing_beside(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "kept").touch()
    with pytest.raises(OSError, match="directory"):
        replace_durably(tmp_path / "a", b"new")
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "kept"]
