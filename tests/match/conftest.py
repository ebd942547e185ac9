"""Fixtures of the match stories."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.film import DRAWN, drawn_face


@pytest.fixture
def portraits(tmp_path: Path) -> Path:
    """A folder of two fit portraits, ``pale.png`` and ``dark.png``."""
    folder = tmp_path / "portraits"
    folder.mkdir()
    for name in DRAWN:
        drawn_face(name).save(folder / f"{name}.png")
    return folder
