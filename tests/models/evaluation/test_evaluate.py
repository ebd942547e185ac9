"""``kerbside-models evaluate``, whole: drawn faces in a folder, figures on standard output, names on the terminal."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from models.calibration import MIN_PEOPLE
from models.cli import app
from models.evaluation.report import Evaluation, EvaluationError, encode, read_evaluation
from models.evaluation.verification import GRID
from models.vision import Vision
from tests.models.evaluation.made import draw


def _run(folder: Path, *words: str, cache: str = "cache") -> Result:
    command = ["evaluate", "--faces", str(folder / "faces"), "--cache", str(folder / cache), "--seeds", "2", *words]
    return CliRunner(env={"COLUMNS": "250"}).invoke(app, command)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four labels of the two drawn faces, so that two of them are doubles, and whatever can be wrong."""
    folder = tmp_path_factory.mktemp("drawn")
    for number in range(3):
        draw(folder / "faces", "Ann", "Ann", number)
        draw(folder / "faces", "Bea", "Bea", number + 3)
    draw(folder / "faces", "Cid", "Ann", 7)
    draw(folder / "faces", "Dan", "Bea", 8)
    Image.fromarray(np.full((120, 120, 3), 110, np.uint8)).save(folder / "faces/Ann/grey.png")
    (folder / "faces/Bea/broken.jpg").write_bytes(b"no picture")
    (folder / "errata.csv").write_text("same,Ann,Cid\ndrop,Dan/Dan_0008.png\n", "utf-8")
    (folder / "groups.csv").write_text("label,group\nAnn,north\nBea,north\nCid,south\nZoe,south\n", "utf-8")
    pairs = "Ann\t0\t1\nBea\t3\t4\nAnn\t0\tBea\t3\nAnn\t1\tBea\t9\nAnn\t0\t2\nAnn\t2\tBea\t5\n"
    (folder / "pairs.txt").write_text(pairs, "utf-8")
    return folder


@pytest.fixture(scope="module")
def answer(drawn: Path) -> Result:
    """Of a first run over the whole of it."""
    return _run(drawn, *_all(drawn), "--doubts", str(drawn / "doubts.json"))


@pytest.fixture(scope="module")
def evaluation(answer: Result) -> Evaluation:
    return read_evaluation(answer.stdout.encode())


def _all(folder: Path) -> tuple[str, ...]:
    files = {"--errata": "errata.csv", "--groups": "groups.csv", "--pairs": "pairs.txt"}
    return ("--json", *(word for option, name in files.items() for word in (option, str(folder / name))))


def test_the_same_set_gives_the_same_bytes_fresh_kept_and_without_what_was_kept(
    drawn: Path, answer: Result, evaluation: Evaluation, vision: Vision
) -> None:
    kept, anew = _run(drawn, *_all(drawn)), _run(drawn, *_all(drawn), cache="another")
    assert (answer.exit_code, kept.exit_code, anew.exit_code) == (0, 0, 0)
    assert answer.stdout == kept.stdout == anew.stdout == encode(evaluation).decode()
    assert (evaluation.model, evaluation.space) == (vision.digest, vision.embedder.space)
    assert evaluation.runner == vision.runner
    assert (evaluation.seeds, evaluation.files) == (2, 10)


def test_raw_labels_come_first_and_reviewed_ones_are_what_a_calibration_takes(evaluation: Evaluation) -> None:
    raw, reviewed = evaluation.raw, evaluation.reviewed
    assert reviewed is not None
    assert (raw.images, raw.people, raw.verification.mated, raw.verification.non_mated) == (8, 4, 6, 22)
    assert (reviewed.images, reviewed.people) == (7, 2)
    assert (reviewed.verification.mated, reviewed.verification.non_mated) == (9, 12)
    assert (evaluation.same, evaluation.dropped) == (1, 1)
    assert (evaluation.images, evaluation.people) == (7, 2)
    assert (evaluation.curve, evaluation.groups) == (reviewed.curve, reviewed.groups)
    plain = msgspec.structs.replace(evaluation, reviewed=None)
    assert (plain.curve, plain.groups, plain.people) == (raw.curve, raw.groups, 4)
    assert [point.threshold for point in plain.curve] == list(GRID)


def test_given_pairs_are_judged_under_the_raw_labels_that_they_name(evaluation: Evaluation) -> None:
    pairs = evaluation.raw.verification.pairs
    assert pairs is not None
    assert (pairs.correct.trials, len(pairs.folds), pairs.absent, pairs.without_face) == (5, 2, 1, 0)
    assert evaluation.reviewed is not None
    assert evaluation.reviewed.verification.pairs is None


def test_every_fault_is_counted_in_the_figures_and_named_beside_them_only(
    drawn: Path, answer: Result, evaluation: Evaluation
) -> None:
    assert {fault.kind: fault.count for fault in evaluation.faults} == {
        "pictures that cannot be read": 1,
        "pictures in which no face was found": 1,
        "labels with one picture: good for non-mated comparisons only": 2,
        "labels of the groups' file that the set does not have": 1,
        "labels without a group, where groups were given": 1,
        "labels that errata make one, with different groups": 1,
        "pairs with a picture that the set does not have": 1,
        "groups with too few people to say anything of them": 2,
    }
    assert evaluation.raw.ungrouped == 1
    assert [(group.name, group.people, group.points) for group in evaluation.raw.groups] == [
        ("north", 2, ()),
        ("south", 1, ()),
    ]
    assert "Ann/grey.png: no face found" in answer.stderr
    assert "Bea/broken.jpg: cannot be read as a picture" in answer.stderr
    assert f"north: 2 people with a face found, at least {MIN_PEOPLE}" in answer.stderr
    assert "Ann" not in answer.stdout
    named = json.loads((drawn / "doubts.json").read_text("utf-8"))
    assert {fault["where"] for fault in named["faults"]} >= {"Zoe", "Dan", "Ann/grey.png", "Bea/broken.jpg"}
    assert (drawn / "doubts.json").stat().st_mode & 0o777 == 0o600


def test_tables_give_each_rate_its_interval_and_its_trials(drawn: Path) -> None:
    answer = _run(drawn, "--errata", str(drawn / "errata.csv"))
    assert answer.exit_code == 0
    assert "labels as they are" in answer.stdout
    assert "reviewed labels: 1 merged, 1 pictures dropped" in answer.stdout
    assert "not shown: the set's labels can show 0.5 at the least" in answer.stdout
    assert answer.stdout.index("labels as they are") < answer.stdout.index("reviewed labels")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--groups", "nowhere.csv"), "nowhere.csv"),
        (("--faces", "nowhere"), "nowhere: no such folder of photographs"),
    ],
)
def test_what_cannot_be_done_exits_1_and_says_why(drawn: Path, words: tuple[str, ...], told: str) -> None:
    answer = _run(drawn, *words)
    assert (answer.exit_code, answer.stdout) == (1, "")
    assert f"kerbside-models: {told}" in answer.stderr


@pytest.mark.parametrize("words", [("--seeds", "0"), ("--precision", "int8")])
def test_what_was_asked_wrongly_exits_2(drawn: Path, words: tuple[str, str]) -> None:
    assert _run(drawn, *words).exit_code == 2


def test_the_reference_arithmetic_is_another_runner_of_the_same_model(drawn: Path, vision: Vision) -> None:
    evaluation = read_evaluation(_run(drawn, "--json", "--precision", "f32").stdout.encode())
    assert evaluation.runner.endswith("f32")
    assert evaluation.model == vision.digest


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"{" + b" " * 2**24 + b"}"])
def test_what_is_no_evaluation_is_refused(content: bytes) -> None:
    with pytest.raises(EvaluationError, match="evaluation: "):
        read_evaluation(content)


def test_an_evaluation_with_a_field_too_many_is_refused(answer: Result) -> None:
    content = json.loads(answer.stdout)
    with pytest.raises(EvaluationError, match="surprise"):
        read_evaluation(json.dumps({**content, "surprise": 1}).encode())
