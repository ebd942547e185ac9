"""Folders of drawn portraits with their papers, for the stories of the list's maker."""

from __future__ import annotations

import csv
import os
import signal
import sys
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
from PIL import Image

from firmware.fleet.lists.checks import Finding
from firmware.fleet.lists.job import Job, run
from firmware.fleet.lists.parcel import Parcel
from firmware.fleet.lists.rows import PARSE
from firmware.match.pipeline import PipelineSettings
from models.calibrated import Calibrated
from models.faces import F32
from models.runner_openvino import OpenVinoBackend
from models.vision import Vision, open_vision
from ota.content import Custom
from tests.film import drawn_face
from tests.models.made_calibration import made_file

START = int(datetime(2026, 12, 1, 8, tzinfo=timezone.utc).timestamp())
VAN = "a" * 64
PAPERS = {
    "category": "wanted-by-court",
    "legal_basis": "court-warrant",
    "source": "custody-image",
    "image_date": "2026-01-31",
    "reviewer": "post-7",
    "expiry": "2026-12-02",
    "minor": "no",
    "minor_rationale": "",
}
RATIONALE = "Absconded from care twice; risk assessed by post 12."


def a_custom(**changes: object) -> Custom:
    wished: dict[str, object] = {"max_faces": 100, "counter": 3, "vans": (VAN,), **changes}
    window = {"not_before": START, "not_after": START + 12 * 3600, "deployment": "deployment-1"}
    return Custom(kind="watchlist", **{**window, **wished})  # type: ignore[arg-type]


@dataclass
class Desk:
    """A folder of portraits, and the rows of its papers."""

    folder: Path
    rows: list[dict[str, str]]
    calibration: bytes
    fleet: Path = Path()

    @staticmethod
    def lay(folder: Path, vision: Vision) -> Desk:
        """Two fit portraits."""
        folder.mkdir()
        desk = Desk(folder, [], made_file(PipelineSettings().use(vision)))
        desk.add("pale", drawn_face("pale"))
        desk.add("dark", drawn_face("dark"))
        return desk

    @property
    def papers(self) -> Path:
        return self.folder / "papers.csv"

    def add(self, ref: str, picture: Image.Image, **changes: str) -> None:
        picture.save(self.folder / f"{ref}.png")
        self.rows.append({"file": f"{ref}.png", "ref": ref, **PAPERS, **changes})
        self.write()

    def write(self) -> None:
        with self.papers.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, PARSE)
            writer.writeheader()
            writer.writerows(self.rows)

    def job(self, out: Path, cache: Path | None = None, cohort: Path | None = None, **custom: object) -> Job:
        says, calibrated = a_custom(**custom), Calibrated.read(self.calibration)
        return Job(self.papers, self.folder, cohort, cache, says, out, START - 3600, "0.1", calibrated)


def build(job: Job, vision: Vision) -> Parcel:
    return run(job, [vision], lambda what, done, of: None)


def findings(parcel: Parcel, ref: str) -> dict[str, Finding]:
    """What was said of one row, by check."""
    kept = parcel.records
    told = {entry.ref: entry.findings for entry in kept.entries} | {one.ref: one.findings for one in kept.refused}
    return {finding.check: finding for finding in told[ref]}


def unit(rows: F32) -> F32:
    result: F32 = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return result


def build_and_die(folder: str, out: str, cache: str, portraits: int) -> None:
    """A build that is killed without a warning when so many portraits are done."""

    def die(what: str, done: int, of: int) -> None:
        while done == portraits:
            os.kill(os.getpid(), signal.SIGKILL)

    vision = open_vision(OpenVinoBackend())
    desk = Desk(Path(folder), [], made_file(PipelineSettings().use(vision)))
    run(desk.job(Path(out), Path(cache)), [vision], die)


if __name__ == "__main__":
    build_and_die(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
