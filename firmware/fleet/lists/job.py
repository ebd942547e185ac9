"""One build from end to end: papers, looks, gate, parcel. Knows the steps' order; no terminal.

Folders are checked before papers are read, and papers before any picture: their faults cost no time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from firmware.fleet.lists import records
from firmware.fleet.lists.build import Basis, make
from firmware.fleet.lists.cache import Cache, forget
from firmware.fleet.lists.cohort import Cohort, cohort_files, gather, refuse_few
from firmware.fleet.lists.looks import look_at_all
from firmware.fleet.lists.papers import Fault, PapersError
from firmware.fleet.lists.parcel import Making, Parcel, lay_down
from firmware.fleet.lists.private import PrivateError
from firmware.fleet.lists.records import CohortUsed
from firmware.fleet.lists.rows import read_rows
from firmware.match.pipeline import PipelineSettings
from models.calibrated import Calibrated
from models.vision import Vision
from ota.content import Custom

Progress = Callable[[str, int, int], None]
"""(what, how much of it is done, of how much)."""


@dataclass(frozen=True)
class Job:
    """What to build.

    Attributes:
        papers: the CSV.
        portraits: the folder of its files.
        cohort: folder of volunteers' pictures; None: nothing is foretold, and the records and the sheet say so.
        cache: folder in which looks are kept until they are forgotten; None: in memory.
        custom: window, vans and limits.
        out: a folder without a list.
        built: seconds since the epoch, UTC.
        kerbside: release of this program.
        calibrated: the calibration that the vans have.
        taken_back: references that were revoked before, and where; none of them is built anew by mistake.
    """

    papers: Path
    portraits: Path
    cohort: Path | None
    cache: Path | None
    custom: Custom
    out: Path
    built: int
    kerbside: str
    calibrated: Calibrated
    taken_back: Callable[[Iterable[str]], Mapping[str, str]] = lambda refs: {}


def run(job: Job, visions: Sequence[Vision], progress: Progress) -> Parcel:
    """Build a list.

    Args:
        job: what to build.
        visions: the same networks, once for each core.
        progress: hears of the long steps.

    Raises:
        PapersError: with every fault of the papers.
        ListError: there is no list, or it is too large.
        CohortError: the cohort is missing or too small.
        PrivateError: a file cannot be written, or others could read it.
        ModelError: as the networks say.
        CalibrationError: it is for other networks or another rule of decision.
    """
    if (job.out / records.FILE).exists():
        raise PrivateError(f"{job.out}: holds a list already; nothing is overwritten")
    if job.out.exists() and not job.out.is_dir():
        raise PrivateError(f"{job.out}: is no folder")
    vision = visions[0]
    job.calibrated.refuse_other(PipelineSettings().use(vision))
    volunteers = None if job.cohort is None else _volunteers(job.cohort)
    rows = read_rows(job.papers, job.portraits, job.custom.not_before)
    back = job.taken_back(row.ref for row in rows)
    if back:
        came = {ref: f"{ref!r}, which was revoked on {where}" for ref, where in back.items()}
        raise PapersError(
            [
                Fault(row.number, row.file, "ref", came[row.ref], f"others, or --readmit {row.ref}")
                for row in rows
                if row.ref in back
            ]
        )
    cache = Cache(job.cache, f"{vision.digest}:{vision.runner}")
    try:
        cohort = None if volunteers is None else _cohort(volunteers, visions, cache, progress)
        paths = [job.portraits / row.file for row in rows]
        looks = look_at_all(paths, visions, cache, lambda done, of: progress("portraits", done, of))
    finally:
        cache.close()
    made = make(rows, looks, job.custom, Basis(vision.embedder.space, job.calibrated.calibration, cohort))
    used = None if cohort is None else CohortUsed(len(cohort), cohort.unfit, cohort.digest)
    making = Making(job.kerbside, job.built, vision, job.calibrated.digest, used)
    return lay_down(made, job.custom, making, job.out)


def forget_looks(job: Job) -> bool:
    """Delete what was kept of portraits and volunteers; whether there was anything.

    Raises:
        PrivateError: it cannot be deleted.
    """
    return job.cache is not None and forget(job.cache)


def _volunteers(folder: Path) -> tuple[tuple[Path, str], ...]:
    files = cohort_files(folder)
    refuse_few(folder, (volunteer for _, volunteer in files))
    return files


def _cohort(files: Sequence[tuple[Path, str]], visions: Sequence[Vision], cache: Cache, progress: Progress) -> Cohort:
    looks = look_at_all([path for path, _ in files], visions, cache, lambda done, of: progress("cohort", done, of))
    return gather(looks, [volunteer for _, volunteer in files])
