"""A desk with portraits."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.vision import Vision
from tests.fleet.lists.stage import Desk


@pytest.fixture
def desk(tmp_path: Path, vision: Vision) -> Desk:
    """Two fit portraits with their papers."""
    return Desk.lay(tmp_path / "portraits", vision)
