"""``kerbside-fleet watchlist`` as an admin uses it: what it says, how it ends, and what it never prints."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from firmware.control.commands import CommandError
from firmware.fleet.lists.cache import FILE
from firmware.fleet.lists.cli import app
from firmware.fleet.vans import lists
from firmware.match.pipeline import PipelineSettings
from models.vision import Vision
from ota.content import Custom
from ota.repository.draft import next_counter
from ota.repository.draft import propose as propose_target
from ota.repository.vans import read_all
from tests.film import empty_street
from tests.fleet.lists.stage import Desk
from tests.fleet.stage import Fleet
from tests.models.made_calibration import made_file

CALIBRATION = "calibration.json"
TOMORROW = f"{datetime.fromtimestamp(time.time(), timezone.utc) + timedelta(hours=20):%Y-%m-%dT%H:%MZ}"


def watchlist(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def build(desk: Desk, out: Path, *more: str | Path, start: str = TOMORROW, cohort: str = "--without-cohort") -> Result:
    common = ("--deployment", "d-1", "--from", start, "--fleet", desk.fleet, "--workers", "1")
    chosen = ("--calibration", desk.fleet.parent / CALIBRATION, *((cohort,) if cohort else ()))
    return watchlist("build", desk.folder, "--out", out, "--van", "van-07", *common, *chosen, *more)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, vision: Vision) -> Fleet:
    fleet = Fleet(tmp_path_factory.mktemp("fleet")).open()
    calibration = fleet.tmp / CALIBRATION
    calibration.write_bytes(made_file(PipelineSettings().use(vision)))
    fleet.publish_calibration(calibration)
    return fleet


@pytest.fixture
def lasting(desk: Desk, fleet: Fleet) -> Desk:
    """Papers that do not expire while the tests live, and a fleet to be signed by."""
    desk.fleet = fleet.path
    for row in desk.rows:
        row["expiry"] = "2099-01-01"
    desk.write()
    return desk


def test_build_and_review(lasting: Desk, tmp_path: Path) -> None:
    made = build(lasting, tmp_path / "out", "--json")
    assert made.exit_code == 0, made.stderr
    told = json.loads(made.stdout)
    assert (told["entries"], told["refused"]) == (2, 0)
    assert Path(told["list"]).is_file()
    shown = watchlist("review", tmp_path / "out")
    assert shown.exit_code == 0, shown.stderr
    assert Path(shown.stdout.strip()).suffix == ".html"
    assert "destroy it with the list" in shown.stderr


def test_nothing_secret_is_printed(lasting: Desk, tmp_path: Path) -> None:
    made = build(lasting, tmp_path / "out", "--json", "--cache", tmp_path / "cache")
    key = next((tmp_path / "out").glob("*.key")).read_text("utf-8").splitlines()[-1]
    assert key.startswith("AGE-SECRET-KEY-1")
    assert key not in made.output
    assert not re.search(r"AGE-SECRET|[A-Za-z0-9+/=]{80,}|(-?0\.\d+[, ]+){4}", made.output)


def test_a_list_is_for_registered_vans_and_its_counter_is_the_next(lasting: Desk, tmp_path: Path) -> None:
    assert build(lasting, tmp_path / "out").exit_code == 0
    custom = json.loads((tmp_path / "out/custom.json").read_text())
    assert custom["vans"] == [one.key_id for one in read_all(lasting.fleet)]
    assert custom["counter"] == next_counter(lasting.fleet, "watchlist")


def test_a_list_that_was_looked_over_becomes_a_draft_for_two_signers(lasting: Desk, tmp_path: Path) -> None:
    assert build(lasting, tmp_path / "out").exit_code == 0
    made = json.loads(watchlist("propose", tmp_path / "out", "--fleet", lasting.fleet, "--json").stdout)
    (drafted,) = Path(made["draft"]).rglob("*.list-*")
    assert hashlib.sha256(drafted.read_bytes()).hexdigest() == made["sha256"]
    assert not [
        path for path in lasting.fleet.rglob("*") if path.suffix in {".key", ".html"} or "manifest" in path.name
    ]


def test_who_was_revoked_does_not_come_back_with_the_next_list_by_mistake(lasting: Desk, tmp_path: Path) -> None:
    content = lists.revocation(None, "ab" * 32, ["pale"])
    (tmp_path / "revoked.json").write_bytes(msgspec.json.encode(content))
    custom = Custom(kind="revocation", vans=(read_all(lasting.fleet)[0].key_id,), counter=1)
    drafted = propose_target(
        lasting.fleet, "revocation", "revoked", tmp_path / "revoked.json", custom, now=int(time.time())
    )
    made = build(lasting, tmp_path / "out")
    assert made.exit_code == 3
    assert "row 2, pale.png: ref: 'pale', which was revoked on list abababababababab" in made.stderr
    assert f"(draft {drafted.name}, unpublished); allowed: others, or --readmit pale" in made.stderr
    again = build(lasting, tmp_path / "out", "--readmit", "pale")
    assert again.exit_code == 0, again.stderr
    shutil.rmtree(drafted)


def test_a_list_that_was_changed_after_it_was_built_is_not_proposed(lasting: Desk, tmp_path: Path) -> None:
    assert build(lasting, tmp_path / "out").exit_code == 0
    (sealed,) = (tmp_path / "out").glob("*.age")
    sealed.write_bytes(sealed.read_bytes() + b"x")
    asked = watchlist("propose", tmp_path / "out", "--fleet", lasting.fleet)
    assert asked.exit_code == 1
    assert "the records say" in asked.stderr


def test_the_cache_is_named_and_can_be_forgotten(lasting: Desk, tmp_path: Path) -> None:
    made = build(lasting, tmp_path / "one", "--cache", tmp_path / "cache")
    assert "cache holds templates and portraits: delete it with --forget" in made.stderr
    assert (tmp_path / "cache" / FILE).exists()
    again = build(lasting, tmp_path / "two", "--cache", tmp_path / "cache", "--forget")
    assert "the cache is deleted" in again.stderr
    assert not (tmp_path / "cache" / FILE).exists()


def test_whoever_has_no_cohort_says_so(lasting: Desk, tmp_path: Path) -> None:
    made = build(lasting, tmp_path / "out", cohort="")
    assert made.exit_code == 2
    assert "either --cohort DIR, or --without-cohort" in made.stderr
    assert not (tmp_path / "out").exists()
    both = build(lasting, tmp_path / "out", "--cohort", tmp_path)
    assert both.exit_code == 2


def test_a_list_says_at_which_similarity_it_will_be_used_and_what_that_costs(lasting: Desk, tmp_path: Path) -> None:
    made = build(lasting, tmp_path / "out", "--json")
    told = json.loads(made.stdout)
    digest = hashlib.sha256(lasting.calibration).hexdigest()
    assert (told["threshold"], told["calibration"]) == (0.46, digest)
    assert told["false_alerts_per_1000"] == pytest.approx(50 / 500), "a short list is judged as one of 50"
    assert "vans will use it at similarity 0.460: at most 0.10 false alerts among 1,000 passers-by" in made.stderr
    kept = json.loads((tmp_path / "out/manifest.json").read_text())
    assert (kept["threshold"], kept["calibration"]) == (0.46, digest)
    custom = json.loads((tmp_path / "out/custom.json").read_text())
    assert (custom["max_faces"], "min_similarity_milli" in custom) == (10_000, False)
    page = Path(watchlist("review", tmp_path / "out").stdout.strip()).read_text("utf-8")
    assert "Used at similarity 0.46 or more: by calibration" in page


def test_the_lists_own_minimum_is_signed_and_in_the_list_and_never_rounded_down(lasting: Desk, tmp_path: Path) -> None:
    made = build(lasting, tmp_path / "out", "--min-similarity", "0.6101", "--json")
    assert json.loads(made.stdout)["threshold"] == 0.611
    assert json.loads((tmp_path / "out/custom.json").read_text())["min_similarity_milli"] == 611
    assert watchlist("review", tmp_path / "out").exit_code == 0, "the list and its records agree"


def test_a_list_is_built_with_the_calibration_that_its_vans_will_have_and_no_other(
    lasting: Desk, vision: Vision, tmp_path: Path
) -> None:
    other = tmp_path / "other.json"
    other.write_bytes(made_file(PipelineSettings().use(vision), {0.3: 9_000}))
    refused = build(lasting, tmp_path / "out", "--calibration", other)
    assert refused.exit_code == 2
    assert "is not the newest that is published for 1 of 1 vans" in refused.stderr
    other.write_bytes(b"{}")
    assert build(lasting, tmp_path / "out", "--calibration", other).exit_code == 2
    assert not (tmp_path / "out").exists()


def test_faulty_papers_end_the_build_with_every_fault(lasting: Desk, tmp_path: Path) -> None:
    lasting.rows[0]["category"] = lasting.rows[1]["source"] = "x"
    lasting.write()
    made = build(lasting, tmp_path / "out")
    assert made.exit_code == 3
    assert re.findall(r"row \d, \w+\.png: \w+: 'x'", made.stderr) == [
        "row 2, pale.png: category: 'x'",
        "row 3, dark.png: source: 'x'",
    ]
    assert "2 faults in the papers; nothing was built" in made.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--hours", "200"), "a list is valid for at most 7 days, not 8.3"),
        (("--max-faces", "10001"), "--max-faces 10001: at most 10000; the calibration bears 50000"),
        (("--calibration", "nowhere.json"), "--calibration nowhere.json: No such file"),
        (("--deployment", "Operation Oak"), "--deployment 'Operation Oak': 1 to 64 letters, digits"),
        (("--van", "van-1"), "van-1: not registered"),
        (("--csv", "nowhere.csv"), "nowhere.csv: file: No such file"),
    ],
)
def test_what_cannot_be_is_refused_before_any_picture_is_read(
    lasting: Desk, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    made = build(lasting, tmp_path / "out", *words)
    assert made.exit_code in {2, 3}
    assert told in made.stderr
    assert not (tmp_path / "out").exists()


def test_a_window_that_is_over_is_refused_and_one_far_away_is_warned_of(lasting: Desk, tmp_path: Path) -> None:
    over = build(lasting, tmp_path / "out", start="2026-01-31T08:00Z")
    assert over.exit_code == 2
    assert "the list would end at 2026-01-31T20:00Z: that is over" in over.stderr
    far = build(lasting, tmp_path / "out", start="2098-01-31T08:00Z")
    assert "more than a day from now" in far.stderr


def test_a_window_that_the_role_does_not_outlast_is_warned_of(lasting: Desk, tmp_path: Path) -> None:
    assert "the watchlists role lasts 48 h" in build(lasting, tmp_path / "long", "--hours", "49").stderr
    assert "the watchlists role" not in build(lasting, tmp_path / "out", "--hours", "48").stderr


def test_folders_are_checked_before_papers_are_read(lasting: Desk, tmp_path: Path) -> None:
    lasting.rows[0]["category"] = "x"
    lasting.write()
    (tmp_path / "cohort/one").mkdir(parents=True)
    (tmp_path / "file").touch()
    few = build(lasting, tmp_path / "out", "--cohort", tmp_path / "cohort", cohort="")
    assert few.exit_code == 1
    assert "0 volunteers, a folder each; at least 100 are needed" in few.stderr
    assert "is no folder" in build(lasting, tmp_path / "file").stderr


def test_a_revocation_of_an_entry_that_the_records_do_not_name_is_refused(lasting: Desk, tmp_path: Path) -> None:
    assert build(lasting, tmp_path / "out").exit_code == 0
    (sealed,) = (tmp_path / "out").glob("*.age")
    assert lists.named(str(sealed), "pale") == hashlib.sha256(sealed.read_bytes()).hexdigest()
    with pytest.raises(CommandError, match="'pail': no entry of"):
        lists.named(str(sealed), "pail")


def test_a_list_without_a_portrait_that_was_refused_is_told_by_the_exit_code(lasting: Desk, tmp_path: Path) -> None:
    lasting.add("blank", Image.fromarray(empty_street()), expiry="2099-01-01")
    made = build(lasting, tmp_path / "out")
    assert made.exit_code == 3
    assert "2 entries, 1 refused" in made.stderr
    assert build(lasting, tmp_path / "again", "--allow-refused").exit_code == 0


def test_two_papers_in_a_folder_have_to_be_told_apart(lasting: Desk, tmp_path: Path) -> None:
    (lasting.folder / "other.csv").touch()
    made = build(lasting, tmp_path / "out")
    assert made.exit_code == 2
    assert "2 CSV files in it, expected 1; or name one with --csv" in made.stderr
    assert build(lasting, tmp_path / "out", "--csv", lasting.papers).exit_code == 0


def test_a_review_of_nothing_says_what_is_missing(tmp_path: Path) -> None:
    shown = watchlist("review", tmp_path)
    assert shown.exit_code == 1
    assert "manifest.json: No such file or directory" in shown.stderr
