"""Who is listed, who walks, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from firmware.bench import BenchError
from firmware.bench.people import Face, Image, Numbers, cast, listing_digest, people_in, yunet_finder
from tests.bench.fake_faces import draw_folder, draw_nobody, find_drawn

NUMBERS = Numbers(walkers=10, listed=3, list_size=8)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_folder(tmp_path_factory.mktemp("faces"), people=20)


def test_listed_walk_on_another_photo_than_their_portrait(faces: Path) -> None:
    chosen = cast(people_in(faces), NUMBERS, seed=0, find=find_drawn)
    listed = [part for part in chosen.parts if part.entry is not None]
    assert len(listed) == 3
    for part in listed:
        assert part.entry == part.photo.parent.name
        assert chosen.portraits[part.entry].parent == part.photo.parent
        assert chosen.portraits[part.entry] != part.photo


def test_strangers_are_not_on_the_list_and_walk_once(faces: Path) -> None:
    chosen = cast(people_in(faces), NUMBERS, seed=0, find=find_drawn)
    strangers = [part.photo.parent.name for part in chosen.parts if part.entry is None]
    assert len(strangers) == len(set(strangers)) == 7
    assert not set(strangers) & set(chosen.portraits)
    assert len(chosen.portraits) == 8


def test_same_seed_same_cast_other_seed_another(faces: Path) -> None:
    people = people_in(faces)
    assert cast(people, NUMBERS, 5, find_drawn) == cast(people, NUMBERS, 5, find_drawn)
    assert cast(people, NUMBERS, 5, find_drawn) != cast(people, NUMBERS, 6, find_drawn)


def test_photo_without_a_face_is_no_portrait_and_does_not_walk(tmp_path: Path) -> None:
    draw_folder(tmp_path, people=12, photos_each=3)
    for folder in tmp_path.iterdir():
        draw_nobody(folder / f"{folder.name}_0001.png")
    chosen = cast(people_in(tmp_path), Numbers(6, 3, 6), 0, find_drawn)
    used = [*chosen.portraits.values(), *(part.photo for part in chosen.parts)]
    assert not [photo for photo in used if photo.stem.endswith("_0001")]


def test_portrait_with_a_second_face_is_not_chosen(faces: Path) -> None:
    def find_two(photo: Image) -> tuple[Face, ...]:
        return (*find_drawn(photo), Face(10, 10, 12, 12, 0.7))

    with pytest.raises(BenchError, match="two usable photographs"):
        cast(people_in(faces), NUMBERS, 0, find_two)


def test_a_bystander_never_walks_in_place_of_the_subject(faces: Path) -> None:
    def find_faint_subject(photo: Image) -> tuple[Face, ...]:
        return (replace(find_drawn(photo)[0], score=0.8), Face(95, 60, 60, 75, 0.95))

    with pytest.raises(BenchError, match="7 people for strangers wanted, 0 found"):
        cast(people_in(faces), Numbers(7, 0, 1), 0, find_faint_subject)


def test_a_face_far_from_the_middle_is_not_the_subject(faces: Path) -> None:
    def find_aside(photo: Image) -> tuple[Face, ...]:
        return (replace(find_drawn(photo)[0], x=100),)

    with pytest.raises(BenchError, match="1 people for strangers wanted, 0 found"):
        cast(people_in(faces), Numbers(1, 0, 1), 0, find_aside)


@pytest.mark.parametrize(
    ("people", "photos_each", "message"),
    [
        pytest.param(5, 1, "3 people with two usable photographs wanted, 0 found", id="one photo each"),
        pytest.param(6, 2, "7 people for strangers wanted, 3 found", id="too few to walk"),
        pytest.param(12, 2, "5 people for the list wanted, 2 found", id="too few for the list"),
    ],
)
def test_too_few_people_is_said_with_numbers(tmp_path: Path, people: int, photos_each: int, message: str) -> None:
    draw_folder(tmp_path, people, photos_each)
    with pytest.raises(BenchError, match=message):
        cast(people_in(tmp_path), NUMBERS, 0, find_drawn)


def test_missing_folder_names_the_option(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"--faces.*KERBSIDE_FACES"):
        people_in(tmp_path / "nowhere")


def test_folder_without_people_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no faces here")
    with pytest.raises(BenchError, match="holds no"):
        people_in(tmp_path)


def test_unreadable_picture_is_named(tmp_path: Path) -> None:
    draw_folder(tmp_path, people=1)
    photo = tmp_path / "Person_000" / "Person_000_0001.png"
    photo.write_bytes(b"not a picture")
    with pytest.raises(BenchError, match=r"Person_000_0001\.png"):
        cast(people_in(tmp_path), Numbers(1, 1, 1), 0, find_drawn)


def test_listing_digest_changes_with_the_folder(tmp_path: Path) -> None:
    draw_folder(tmp_path, people=2)
    before = listing_digest(people_in(tmp_path))
    assert listing_digest(people_in(tmp_path)) == before
    (tmp_path / "Person_001" / "Person_001_0002.png").unlink()
    assert listing_digest(people_in(tmp_path)) != before


@pytest.mark.parametrize(
    ("walkers", "listed", "list_size", "field"),
    [(0, 0, 5, "walkers"), (5, 6, 10, "listed"), (5, -1, 10, "listed"), (5, 3, 2, "list_size"), (5, 0, 0, "list_size")],
)
def test_numbers_that_contradict_each_other(walkers: int, listed: int, list_size: int, field: str) -> None:
    with pytest.raises(ValueError, match=field):
        Numbers(walkers, listed, list_size)


def test_missing_and_broken_weights_are_said(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"flash\.sh setup"):
        yunet_finder(tmp_path / "none.onnx")
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a network")
    with pytest.raises(BenchError, match=r"broken\.onnx"):
        yunet_finder(broken)
