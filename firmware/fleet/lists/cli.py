"""Build a deployment's list, and look it over before it is signed.

Exit codes: 0 done, 1 it could not be done, 2 it was asked for wrongly, 3 the papers have faults, or the list was made
without portraits that were refused.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, NoReturn

import msgspec
import typer
from rich.console import Console

from firmware.control.show import as_json, printable
from firmware.fleet.lists.build import ListError
from firmware.fleet.lists.calibrations import signed_calibration
from firmware.fleet.lists.cohort import MIN_VOLUNTEERS, CohortError
from firmware.fleet.lists.job import Job, forget_looks, run
from firmware.fleet.lists.papers import PapersError
from firmware.fleet.lists.parcel import Parcel
from firmware.fleet.lists.private import PrivateError
from firmware.fleet.lists.review import ReviewError, open_list, write_sheet
from firmware.fleet.lists.rows import OPAQUE, OPAQUE_WORDS, PARSE, moment_text
from firmware.fleet.options import (
    AllowRefusedOption,
    CacheOption,
    CalibrationOption,
    FleetOption,
    JsonOption,
    MinSimilarityOption,
    ReadmitOption,
    explained,
    fleet_of,
)
from models.bars import bar
from models.calibrated import Calibrated
from models.calibration import CalibrationError
from models.manifest import ModelError
from models.runner_openvino import OpenVinoBackend
from models.vision import open_vision
from ota.content import MAX_ENTRIES, MAX_LIST_DAYS, ROLE, Custom
from ota.repository.draft import next_counter
from ota.repository.draft import propose as propose_target
from ota.repository.revoked import revocations_in, taken_back
from ota.repository.roles import RULES
from ota.repository.vans import named

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False)
_FAILED, _ASKED_WRONGLY, _FAULTY_PAPERS = 1, 2, 3
_EARLY_S = 24 * 3600
"""A list is made at most a day before its deployment (Metropolitan Police's and South Wales Police's practice)."""
_LINES_SHOWN = 200


CsvOption = Annotated[
    Path | None, typer.Option(help=f"The papers; the folder's own CSV if absent. Columns: {', '.join(PARSE)}.")
]
CohortOption = Annotated[
    Path | None, typer.Option(help=f"Volunteers' pictures, a folder each: at least {MIN_VOLUNTEERS}.")
]


class _Asked(Exception):
    """It was asked for wrongly."""


def _say(text: str) -> None:
    """To whoever sits there; standard output is for results."""
    print(printable(text), file=sys.stderr, flush=True)


def _fail(error: Exception | str, code: int) -> NoReturn:
    _say(f"kerbside-fleet: {error}")
    raise typer.Exit(code)


@app.command()
def build(
    portraits: Annotated[Path, typer.Argument(help="The folder of portraits.")],
    out: Annotated[Path, typer.Option(help="A folder for the list, its key and its records.")],
    deployment: Annotated[str, typer.Option(help="The deployment's opaque reference.")],
    van: Annotated[list[str], typer.Option(help="A registered van; `all` for every one. Others cannot use it.")],
    calibration: CalibrationOption,
    start: Annotated[datetime, typer.Option("--from", help="When the list begins, UTC.", formats=["%Y-%m-%dT%H:%MZ"])],
    hours: Annotated[float, typer.Option(help=f"How long it may be used: at most {MAX_LIST_DAYS * 24}.")] = 12.0,
    max_faces: Annotated[int, typer.Option(help="Most entries; 0: what the calibration bears.", min=0)] = 0,
    min_similarity: MinSimilarityOption = 0.0,
    fleet: FleetOption = None,
    csv: CsvOption = None,
    cohort: CohortOption = None,
    without_cohort: Annotated[bool, typer.Option("--without-cohort", help="Foretell no false alerts.")] = False,
    cache: CacheOption = None,
    forget: Annotated[bool, typer.Option("--forget", help="Delete the cache afterwards.")] = False,
    readmit: ReadmitOption = None,
    allow_refused: AllowRefusedOption = False,
    workers: Annotated[int, typer.Option(help="Cores to use.", min=1, max=64)] = os.cpu_count() or 1,
    as_json_: JsonOption = False,
) -> None:
    """Check portraits and papers, and make the encrypted list, its key and its records.

    Exit code 3: papers with faults, so no list; or a list without the portraits that were refused (--allow-refused: 0).
    """
    now = int(time.time())
    try:
        _refuse_unsaid(cohort, without_cohort)
        vans, counter = _fleet_says(fleet, van)
        calibrated = signed_calibration(calibration, fleet_of(fleet), vans)
        limits = _limits(calibrated, max_faces, min_similarity)
        custom = _custom(deployment, (vans, counter), limits, (start, start + timedelta(hours=hours)))
        _mind_times(custom, now)
        back = _taken_back(fleet, readmit or ())
        papers, release = csv or _papers(portraits), version("kerbside")
        job = Job(papers, portraits, cohort, cache, custom, out, now, release, calibrated, back)
    except (_Asked, CalibrationError) as error:
        _fail(error, _ASKED_WRONGLY)
    parcel = _run(job, workers)
    _mind_cache(job, forget=forget)
    _report(parcel)
    if as_json_:
        print(as_json(_result(parcel)))
    if parcel.records.refused and not allow_refused:
        raise typer.Exit(_FAULTY_PAPERS)


@app.command()
def review(folder: Annotated[Path, typer.Argument(help="What `build` wrote.")]) -> None:
    """Write the contact sheet: every portrait with its papers, figures and warnings, in one page for a browser."""
    try:
        path = write_sheet(folder)
    except (ReviewError, PrivateError) as error:
        _fail(error, _FAILED)
    _say("it holds portraits: destroy it with the list")
    print(path)


@app.command()
def propose(
    folder: Annotated[Path, typer.Argument(help="What `build` wrote, looked over.")],
    fleet: FleetOption = None,
    as_json_: JsonOption = False,
) -> None:
    """Draft the list for its signers; it replaces its deployment's older one. Its key and its records stay here."""
    try:
        kept = open_list(folder).records
    except ReviewError as error:
        _fail(error, _FAILED)
    with explained():
        name = Path(kept.list_file).stem
        made = propose_target(
            fleet_of(fleet), "watchlist", name, folder / kept.list_file, kept.custom, now=int(time.time())
        )
    print(as_json({"draft": str(made), "sha256": kept.list_sha256}) if as_json_ else made)


def _run(job: Job, workers: int) -> Parcel:
    try:
        with bar(Console(stderr=True), "watchlist") as progress:
            backend = OpenVinoBackend()
            return run(job, [open_vision(backend) for _ in range(workers)], progress)
    except PapersError as error:
        for fault in error.faults[:_LINES_SHOWN]:
            _say(str(fault))
        if len(error.faults) > _LINES_SHOWN:
            _say(f"and {len(error.faults) - _LINES_SHOWN} more")
        _fail(error, _FAULTY_PAPERS)
    except (ListError, CohortError, PrivateError, ModelError, CalibrationError) as error:
        _fail(error, _FAILED)


def _fleet_says(fleet: Path | None, vans: list[str]) -> tuple[list[str], int]:
    """The vans' key ids, and the counter of the next list."""
    with explained():
        folder = fleet_of(fleet)
        return sorted(one.key_id for one in named(folder, vans)), next_counter(folder, "watchlist")


def _taken_back(fleet: Path | None, readmit: Iterable[str]) -> Callable[[Iterable[str]], dict[str, str]]:
    """Tells which references the fleet has revoked before."""
    with explained():
        revoked, again = revocations_in(fleet_of(fleet)), frozenset(readmit)
    return lambda refs: taken_back(revoked, (ref for ref in refs if ref not in again))


def _limits(calibrated: Calibrated, max_faces: int, min_similarity: float) -> dict[str, int]:
    bears = calibrated.calibration.max_entries
    longest = min(MAX_ENTRIES, bears)
    if max_faces > longest:
        raise _Asked(f"--max-faces {max_faces}: at most {longest}; the calibration bears {bears}")
    # rounded up: an order for more is never made less
    return {"max_faces": max_faces or longest, "min_similarity_milli": math.ceil(round(min_similarity * 1_000, 6))}


def _custom(
    deployment: str, fleet_says: tuple[list[str], int], limits: dict[str, int], window: tuple[datetime, datetime]
) -> Custom:
    vans, counter = fleet_says
    if not OPAQUE.match(deployment):
        raise _Asked(f"--deployment '{deployment}': {OPAQUE_WORDS}")
    begins, ends = (int(moment.replace(tzinfo=timezone.utc).timestamp()) for moment in window)
    wished = {
        "kind": "watchlist",
        "vans": vans,
        "counter": counter,
        "not_before": begins,
        "not_after": ends,
        "deployment": deployment,
        **limits,
    }
    try:
        return msgspec.convert(wished, Custom)
    except msgspec.ValidationError as error:
        raise _Asked(str(error)) from None


def _refuse_unsaid(cohort: Path | None, without_cohort: bool) -> None:
    if (cohort is None) != without_cohort:
        raise _Asked("either --cohort DIR, or --without-cohort: then nobody knows what the list costs passers-by")


def _mind_times(custom: Custom, now: int) -> None:
    if custom.not_after <= now:
        raise _Asked(f"the list would end at {moment_text(custom.not_after)}: that is over")
    if custom.not_before > now + _EARLY_S:
        _say(f"warning: the list begins at {moment_text(custom.not_before)}, more than a day from now")
    lasts_s = RULES[ROLE[custom.kind]].lifetime_s
    if custom.not_after - custom.not_before > lasts_s:
        _say(
            f"warning: the watchlists role lasts {lasts_s // 3600} h: sign it anew (`renew`), or the list ends with it"
        )


def _mind_cache(job: Job, *, forget: bool) -> None:
    if forget:
        _say("the cache is deleted" if forget_looks(job) else "there was no cache to delete")
    elif job.cache is not None:
        _say(f"{job.cache} holds templates and portraits: delete it with --forget, at the latest when the list ends")


def _papers(portraits: Path) -> Path:
    found = sorted(portraits.glob("*.csv"))
    if len(found) != 1:
        raise _Asked(f"{portraits}: {len(found)} CSV files in it, expected 1; or name one with --csv")
    return found[0]


def _report(parcel: Parcel) -> None:
    kept = parcel.records
    refusals = [
        f"refused: row {one.row}, {one.file}: {finding.words}"
        for one in kept.refused
        for finding in one.findings
        if finding.refused
    ]
    warnings = [f"warning: {entry.file}: {finding.words}" for entry in kept.entries for finding in entry.findings]
    for lines in (refusals, warnings):
        for line in lines[:_LINES_SHOWN]:
            _say(line)
        if len(lines) > _LINES_SHOWN:
            _say(f"and {len(lines) - _LINES_SHOWN} more: see {parcel.manifest}, or the sheet that `review` writes")
    _say(f"{len(kept.entries)} entries, {len(kept.refused)} refused; digest {parcel.sha256}")
    _say(
        f"vans will use it at similarity {kept.threshold:.3f}: at most {kept.false_alerts_per_1000:.2f} false alerts "
        f"among 1,000 passers-by, by calibration {kept.calibration[:16]}"
    )
    if kept.foretold is None:
        _say("built without a cohort: nobody knows what this list costs passers-by")
    else:
        told = kept.foretold
        _say(f"false alerts foretold for 10,000 passers-by: {told.expected:.1f}, at most {told.most:.1f}")
    _say(f"for the signers: {parcel.content} and {parcel.custom}")
    _say(f"for the release, and never to be published: {parcel.key}")


def _result(parcel: Parcel) -> dict[str, str | int | float]:
    kept = parcel.records
    return {
        "list": str(parcel.content),
        "sha256": parcel.sha256,
        "custom": str(parcel.custom),
        "manifest": str(parcel.manifest),
        "entries": len(kept.entries),
        "refused": len(kept.refused),
        "threshold": kept.threshold,
        "false_alerts_per_1000": kept.false_alerts_per_1000,
        "calibration": kept.calibration,
    }
