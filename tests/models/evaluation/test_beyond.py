"""What lies beyond good photographs, put together: drawn faces from the command to page and text, and LFW in small."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from models.cli import app
from models.evaluation import beyond, detector
from models.evaluation.beyond import Further, Subject, look_further
from models.evaluation.corpus import Corpus, read_corpus
from models.evaluation.errata import Errata
from models.evaluation.evaluate import Asked, Findings, judge, under
from models.evaluation.report import Draw, EvaluationError, Identification, OperatingPoint, SearchPoint, read_evaluation
from models.evaluation.templates import Measured, measure
from models.intervals import exact
from models.vision import Vision
from tests.models.evaluation.made import draw
from tests.models.test_lfw import LFW, PAIRS


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    for number in range(3):
        draw(folder / "faces", "Ann", "Ann", number)
        draw(folder / "faces", "Bea", "Bea", number + 3)
    return folder


@pytest.fixture(scope="module")
def answer(drawn: Path) -> Result:
    words = ["--faces", str(drawn / "faces"), "--cache", str(drawn / "cache"), "--seeds", "1", "--strata", "--json"]
    files = ["--html", str(drawn / "page.html"), "--markdown", str(drawn / "text.md")]
    return CliRunner().invoke(app, ["evaluate", *words, *files])


def test_the_command_writes_page_and_text_and_names_nobody_in_them(drawn: Path, answer: Result) -> None:
    assert answer.exit_code == 0, answer.output
    page, text = ((drawn / name).read_text("utf-8") for name in ("page.html", "text.md"))
    evaluation = read_evaluation(answer.stdout.encode())
    assert evaluation.evaluation in text
    assert evaluation.model in page
    assert "kerbside-models evaluate --faces DIR --seeds 1 --strata --markdown FILE" in text
    assert [name for name in ("Ann", "Bea", str(drawn)) if name in page + text + answer.stdout] == []


def test_a_small_set_bears_recall_and_times_but_no_strata(answer: Result) -> None:
    found = read_evaluation(answer.stdout.encode()).conditions
    assert found is not None
    assert found.strata is None
    assert found.detector is not None
    assert found.speed is not None
    assert found.speed.entries == 6
    assert {one.recall.trials for one in found.detector.recalls} == {6}


@pytest.fixture(scope="module")
def corpus(drawn: Path) -> Corpus:
    return read_corpus(drawn / "faces")


@pytest.fixture(scope="module")
def seen(corpus: Corpus, vision: Vision) -> Measured:
    return measure(corpus.photos, vision)


@pytest.fixture(scope="module")
def findings(corpus: Corpus, seen: Measured, vision: Vision) -> Findings:
    return judge(corpus, seen, vision, Asked(seeds=1))


def _subject(findings: Findings, point: OperatingPoint, *lists: Identification) -> Subject:
    """The set, as if it had shown these rates."""
    raw = findings.evaluation.raw
    verification = msgspec.structs.replace(raw.verification, points=(point,))
    judged = msgspec.structs.replace(raw, verification=verification, identification=lists)
    return Subject.of(under(Errata(), findings.measured), findings.measured, judged)


SHOWN = OperatingPoint(1e-3, 0.4, exact(1, 1_000), exact(1, 100))


def _list(entries: int, threshold: float) -> Identification:
    draws = (Draw(0, threshold, exact(1, 300), exact(90, 100)),)
    points = (
        SearchPoint(3e-3, draws=draws),
        SearchPoint(1e-2, draws=(msgspec.structs.replace(draws[0], threshold=0.1),)),
    )
    return Identification(entries, 1, False, 1, 1, 1, 1, 0.01, 1.0, points)  # noqa: FBT003 a struct's field


def test_quality_is_judged_at_the_threshold_that_the_set_shows_and_costs_no_network(
    findings: Findings, vision: Vision
) -> None:
    found = look_further(_subject(findings, SHOWN), vision, Further())
    assert found.quality is not None
    assert (found.quality.threshold, found.quality.comparisons, found.quality.labels) == (0.4, 6, 2)
    assert (found.strata, found.detector, found.speed, found.peers) == (None, None, None, None)


def test_strata_are_judged_at_the_threshold_of_the_list_nearest_to_theirs(findings: Findings) -> None:
    lists = [_list(100, 0.3), _list(500, 0.6), _list(5_000, 0.7)]
    assert beyond._searched(_subject(findings, SHOWN, *lists).judged) == pytest.approx(0.6)
    assert beyond._searched(_subject(findings, SHOWN).judged) is None


def test_without_a_threshold_of_searches_there_are_no_strata(findings: Findings, vision: Vision) -> None:
    assert beyond._strata(_subject(findings, SHOWN), vision, lambda what, done, of: None) is None


def test_without_a_threshold_nothing_is_judged(findings: Findings, vision: Vision) -> None:
    found = look_further(_subject(findings, OperatingPoint(1e-3, mark="not shown")), vision, Further())
    assert found.quality is None


def test_a_photograph_that_is_gone_is_named(findings: Findings, tmp_path: Path) -> None:
    subject = _subject(findings, SHOWN)
    photo = subject.one.photos[0]
    content = photo.path.read_bytes()
    photo.path.rename(tmp_path / "away.png")
    with pytest.raises(EvaluationError, match=f"{photo.file}: No such file"):
        subject.photo(0)
    photo.path.write_bytes(b"no picture")
    with pytest.raises(EvaluationError, match="it was readable a moment ago"):
        subject.photo(0)
    photo.path.write_bytes(content)


@pytest.mark.skipif(not PAIRS.is_file(), reason="no LFW with its pairs.txt (KERBSIDE_FACES)")
def test_faces_of_lfw_are_found_when_large_and_lost_when_tiny(
    tmp_path: Path, vision: Vision, findings: Findings
) -> None:
    labels = sorted(LFW.iterdir())
    for place in np.random.default_rng(5).permutation(len(labels))[:6]:
        (tmp_path / labels[place].name).symlink_to(labels[place])
    looked = measure(read_corpus(tmp_path).photos, vision)
    subject = Subject.of(under(Errata(), looked), looked, findings.evaluation.judged)
    shown = [subject.photo(number) for number in subject.chosen(6, np.random.default_rng(0))]
    recalls = detector.measure(shown, vision, np.random.default_rng(0)).recalls
    full = {one.width_px: one.recall.events for one in recalls if one.canvas == "full"}
    assert (full[8], full[120]) == (0, 6)
