"""The commands of ``ota/README.md``, as they stand there, in one shell."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from firmware.fleet.lists.rows import PARSE
from models.manifest import MANIFEST
from ota.content import Category
from tests.ota.repository.test_vans import PUBLIC
from tests.source import ROOT

README = ROOT / "ota/README.md"
BLOCKS = re.findall(r"^```bash\n(.*?)^```", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def test_the_table_of_the_papers_names_every_column() -> None:
    papers = README.read_text("utf-8").partition("## A list's papers")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", papers, re.MULTILINE) == list(PARSE)
    assert f"\n{','.join(PARSE)}\n" in papers
    assert [word for word in get_args(Category) if f"`{word}`" not in papers] == []


def test_there_is_something_to_run() -> None:
    assert len(BLOCKS) == 5


@pytest.mark.timeout(120)
def test_the_key_ceremony_and_a_day_go_as_the_readme_says(tmp_path: Path) -> None:
    (tmp_path / "sface-2").mkdir()
    shutil.copyfile(MANIFEST, tmp_path / "sface-2" / MANIFEST.name)
    tool = f'kerbside-fleet() {{ "{sys.executable}" -m firmware.fleet "$@"; }}'
    script = "\n".join(["set -euo pipefail", tool, f"VAN_PUBLIC={PUBLIC}", *BLOCKS])
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    models = json.loads((tmp_path / "www/metadata/2.models.json").read_text("utf-8"))
    assert list(models["signed"]["targets"]) == ["model/sface-2"]
    assert len(models["signatures"]) == 2
