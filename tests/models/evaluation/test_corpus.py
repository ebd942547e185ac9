"""Folders as they come: what is wrong with them is named and counted, and nothing is left out in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.evaluation.corpus import Corpus, read_corpus
from models.evaluation.faults import Kind, counted
from models.evaluation.report import EvaluationError


def _file(folder: Path, name: str, content: str = "") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content or name, "utf-8")
    return path


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """Three labels; nobody opens a picture yet, so text will do."""
    folder = tmp_path / "faces"
    for name in ("Ann/Ann_0001.jpg", "Ann/Ann_0002.jpg", "Bea/Bea_0001.jpg", "Cid/Cid_0001.png"):
        _file(folder, name)
    return folder


def _told(corpus: Corpus) -> list[tuple[Kind, str]]:
    return [(fault.kind, fault.where) for fault in corpus.faults]


def test_a_plain_set_has_its_photographs_by_name_and_no_fault(faces: Path) -> None:
    corpus = read_corpus(faces)
    assert [photo.name for photo in corpus.photos] == [
        *("Ann/Ann_0001.jpg", "Ann/Ann_0002.jpg", "Bea/Bea_0001.jpg", "Cid/Cid_0001.png"),
    ]
    assert corpus.faults == ()
    assert corpus.errata is None
    assert corpus.groups is None


def test_whatever_does_not_belong_is_named(faces: Path) -> None:
    _file(faces, "loose.jpg")
    _file(faces, "Ann/notes.txt")
    _file(faces, "Bea/more/Bea_0002.jpg")
    (faces / "Dan").mkdir()
    _file(faces, "Eve/Eve_0001.jpg", "Ann/Ann_0001.jpg")
    corpus = read_corpus(faces)
    assert _told(corpus) == [
        (Kind.BESIDE, "loose.jpg"),
        (Kind.NO_PICTURE, "Ann/notes.txt"),
        (Kind.NESTED, "Bea/more"),
        (Kind.EMPTY, "Dan"),
        (Kind.TWICE, "Ann/Ann_0001.jpg"),
    ]
    assert corpus.faults[-1].words == "also Eve/Eve_0001.jpg"
    assert sum(one.count for one in counted(corpus.faults)) == 5


def test_a_folder_without_labels_is_refused_with_the_number_of_its_files(tmp_path: Path) -> None:
    for number in range(3):
        _file(tmp_path, f"picture{number}.jpg")
    with pytest.raises(EvaluationError, match="no folder with pictures, one for each label, and 3 files beside them"):
        read_corpus(tmp_path)
    with pytest.raises(EvaluationError, match="no such folder"):
        read_corpus(tmp_path / "nowhere")


def test_a_file_that_cannot_be_read_is_refused_by_name(faces: Path) -> None:
    with pytest.raises(EvaluationError, match=r"nowhere\.csv: .*No such file"):
        read_corpus(faces, groups=faces / "nowhere.csv")


@pytest.mark.parametrize("change", ["file", "name", "groups", "pairs", "errata", "label"])
def test_the_digest_covers_files_labels_and_all_that_is_said_of_them(faces: Path, tmp_path: Path, change: str) -> None:
    groups = _file(tmp_path, "groups.csv", "label,group\nAnn,north\n")
    errata = _file(tmp_path, "errata.csv", "same,Ann,Bea\n")
    pairs = _file(tmp_path, "pairs.txt", "Ann\t1\t2\nAnn\t1\tBea\t1\nAnn\t1\t2\nAnn\t1\tBea\t1\n")
    before = read_corpus(faces, pairs, groups, errata).digest
    assert read_corpus(faces, pairs, groups, errata).digest == before
    changes = {
        "file": lambda: _file(faces, "Ann/Ann_0001.jpg", "other"),
        "name": lambda: (faces / "Ann/Ann_0001.jpg").rename(faces / "Ann/Ann_0003.jpg"),
        "label": lambda: (faces / "Cid").rename(faces / "Dan"),
        "groups": lambda: _file(tmp_path, "groups.csv", "label,group\nAnn,south\n"),
        "errata": lambda: _file(tmp_path, "errata.csv", "same,Ann,Cid\n"),
        "pairs": lambda: _file(tmp_path, "pairs.txt", "Ann\t1\t2\nAnn\t1\tBea\t1\nAnn\t1\t2\nAnn\t2\tBea\t1\n"),
    }
    changes[change]()
    assert read_corpus(faces, pairs, groups, errata).digest != before


def test_errata_merge_labels_along_a_chain_and_drop_pictures(faces: Path, tmp_path: Path) -> None:
    errata = _file(tmp_path, "errata.csv", "same,Cid,Bea\n\nsame,Cid,Ann\ndrop,Ann/Ann_0002.jpg\n")
    corpus = read_corpus(faces, errata=errata)
    assert corpus.errata is not None
    assert list(corpus.errata.relabelled(corpus.photos).values()) == ["Ann"] * 3
    assert corpus.errata.dropped == {"Ann/Ann_0002.jpg"}


def test_errata_of_what_is_not_there_are_told(faces: Path, tmp_path: Path) -> None:
    errata = _file(tmp_path, "errata.csv", "same,Ann,Zoe\ndrop,Ann/Ann_0009.jpg\n")
    corpus = read_corpus(faces, errata=errata)
    assert [(fault.kind, fault.where, fault.words) for fault in corpus.faults] == [
        (Kind.ABSENT_ERRATUM, "line 1", "Zoe"),
        (Kind.ABSENT_ERRATUM, "line 2", "Ann/Ann_0009.jpg"),
    ]
    assert corpus.errata is not None
    assert (corpus.errata.same, corpus.errata.dropped) == ((), frozenset())


@pytest.mark.parametrize("line", ["same,Ann", "drop,Ann/Ann_0001.jpg,Bea", "merge,Ann,Bea"])
def test_an_erratum_that_means_nothing_is_refused(faces: Path, tmp_path: Path, line: str) -> None:
    with pytest.raises(EvaluationError, match="errata line 2: expected"):
        read_corpus(faces, errata=_file(tmp_path, "errata.csv", f"same,Ann,Bea\n{line}\n"))


def test_groups_of_absent_labels_and_labels_without_groups_are_told(faces: Path, tmp_path: Path) -> None:
    corpus = read_corpus(faces, groups=_file(tmp_path, "groups.csv", "label,group\nAnn,north\nZoe,south\n"))
    assert corpus.groups == {"Ann": "north"}
    assert _told(corpus) == [(Kind.ABSENT_LABEL, "Zoe"), (Kind.NO_GROUP, "Bea"), (Kind.NO_GROUP, "Cid")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Ann,north\n", "the first line is not label,group"),
        ("", "the first line is not label,group"),
        ("label,group\nAnn\n", "groups line 2: expected LABEL,GROUP"),
        ("label,group\nAnn,<b>\n", "groups line 2: expected LABEL,GROUP with a plain name"),
        ("label,group\nAnn,north\nAnn,south\n", "groups line 3: Ann is in north and in south"),
    ],
)
def test_groups_that_mean_nothing_are_refused(faces: Path, tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "groups.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(EvaluationError, match=words):
        read_corpus(faces, groups=path)
