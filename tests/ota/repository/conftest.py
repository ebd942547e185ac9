"""A fleet after its first ceremony, and a van that was given its root."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ota.repository.stage import Stage


@pytest.fixture
def new_fleet(tmp_path: Path) -> Stage:
    """Nobody has signed yet."""
    return Stage(tmp_path)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """Its first draft is published."""
    one = Stage(tmp_path)
    one.ceremony()
    return one
