"""Other people's pipelines on the same files: what is measured is the same, whoever made the template."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.built import FILES
from models.evaluation import peers
from models.evaluation.pairs import Pair
from models.evaluation.peer import Peer, PeersReport
from models.evaluation.peers import NEEDED, OWN, Installed, Task, look_for_peers
from models.evaluation.photos import Photo
from models.faces import F32
from tests.models.stage import Pixels

LABELS, IMAGES = 12, 3


def _photo(folder: Path, label: int, image: int) -> Photo:
    """A picture of one grey; the label's number is in it, and the image's."""
    path = folder / f"{label:02d}" / f"{image}.png"
    path.parent.mkdir(exist_ok=True)
    Image.new("RGB", (8, 8), (label, image, 0)).save(path)
    return Photo(path.parent.name, path.name, path, "")


@pytest.fixture
def task(tmp_path: Path) -> Task:
    photos = [_photo(tmp_path, label, image) for label in range(LABELS) for image in range(IMAGES)]
    names = [photo.name for photo in photos]
    same = [Pair(names[IMAGES * place], names[IMAGES * place + 1], same=True, fold=place % 2) for place in range(10)]
    other = [Pair(names[IMAGES * place], names[IMAGES * place + 4], same=False, fold=place % 2) for place in range(10)]
    return Task({photo: photo.label for photo in photos}, [*same, *other], absent=0, seeds=1)


def _template(image: Pixels) -> F32 | None:
    """Knows each label, but sees no face in anybody's first image."""
    label, number = int(image[0, 0, 0]), int(image[0, 0, 1])
    return None if number == 0 else np.eye(LABELS, dtype=np.float32)[label]


def _measured(task: Task) -> PeersReport:
    own = {photo: np.eye(LABELS, dtype=np.float32)[int(label)] for photo, label in task.labels.items()}
    return peers.measure(
        task, own, Installed((Peer("half blind", _template),), ("x is not installed",)), lambda what, done, of: None
    )


def test_kerbside_comes_first_and_all_are_asked_the_same(task: Task) -> None:
    report = _measured(task)
    assert [one.name for one in report.peers] == [OWN, "half blind"]
    assert [one.found.trials for one in report.peers] == [LABELS * IMAGES] * 2
    assert {tuple(point.wanted for point in one.points) for one in report.peers} == {(1e-3, 1e-4, 1e-5, 1e-6)}


def test_a_face_that_a_peer_does_not_find_is_counted_and_its_pairs_are_not_the_same(task: Task) -> None:
    own, blind = _measured(task).peers
    assert (own.found.events, blind.found.events) == (LABELS * IMAGES, LABELS * (IMAGES - 1))
    assert own.pairs is not None
    assert blind.pairs is not None
    assert (own.pairs.events, blind.pairs.events) == (20, 10)


def test_a_picture_that_cannot_be_read_is_one_without_a_face(task: Task) -> None:
    next(photo for photo in task.labels if photo.file == "1.png").path.write_bytes(b"no picture")
    assert _measured(task).peers[1].found.events == LABELS * (IMAGES - 1) - 1


def test_a_small_set_bears_no_list(task: Task) -> None:
    report = _measured(task)
    assert report.entries == 0
    assert [one.searches for one in report.peers] == [(), ()]


def test_who_is_not_installed_is_named(task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _measured(task).absent == ("x is not installed",)
    (tmp_path / "quits_at_once.py").write_text("raise SystemExit", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    found = look_for_peers(needed={"one": "nowhere_to_be_found", "other": "quits_at_once"})
    assert found == Installed((), ("one is not installed", "other gave up when it was imported"))


@pytest.mark.parametrize(("package", "module"), NEEDED.items())
def test_a_peer_finds_one_template_a_face_and_none_in_an_empty_picture(
    package: str, module: str, picture: Pixels
) -> None:
    pytest.importorskip(package, reason=f"no {package}")
    peer: Peer = importlib.import_module(module).open_peer(FILES)
    template = peer.template(picture)
    assert template is not None
    assert float(np.linalg.norm(template)) == pytest.approx(1, abs=1e-5)
    assert peer.template(np.zeros_like(picture)) is None
