"""The application's two folders, and the launcher that starts one of them as a real process."""

from __future__ import annotations

from pathlib import Path

import pytest

from ota.delivery import unpack_software
from ota.disk import Disk
from ota.installer import InstallError
from ota.slots import Slots
from tests.ota.places import SoftwarePlace

ONE, TWO = "1" * 64, "2" * 64


def test_the_folder_to_go_back_to_is_not_overwritten_while_a_trial_runs(tmp_path: Path) -> None:
    place = SoftwarePlace(tmp_path / "van")
    place.installer().install(place.content("one"), ONE)
    place.start()
    with pytest.raises(InstallError, match="still on trial"):
        place.installer().install(place.content("two"), TWO)
    assert place.installer().stage(ONE) == "trial"


@pytest.mark.parametrize("content", [b"", b"{", b'{"slot": "c"}', b"\xff", b'{"slot": "a", "more": 1}'])
def test_a_pointer_that_cannot_be_read_means_the_base(tmp_path: Path, content: bytes) -> None:
    place = SoftwarePlace(tmp_path / "van")
    place.installer().install(place.content("one"), ONE)
    (tmp_path / "van/slots/current").write_bytes(content)
    place.start()
    assert place.running == "base"


class Cut(Exception):
    """The power is gone."""


class CutDisk(Disk):
    """Loses power before one of its steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def sync(self, path: Path) -> None:
        self._count()
        super().sync(path)

    def rename(self, here: Path, there: Path) -> None:
        self._count()
        super().rename(here, there)

    def write(self, path: Path, data: bytes) -> None:
        self._count()
        super().write(path, data[: len(data) // 2] if self.left == 0 else data)

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Cut


def cut_after(steps: int, place: SoftwarePlace, folder: Path, content: Path) -> bool:
    """Install with a disk that dies; whether it lived to the end."""
    try:
        Slots(folder, CutDisk(steps), unpack_software).install(content, TWO)
    except Cut:
        return False
    return True


@pytest.mark.parametrize("steps", range(14))
def test_a_cut_at_any_step_of_an_installation_leaves_the_old_or_the_new(tmp_path: Path, steps: int) -> None:
    place = SoftwarePlace(tmp_path / "van")
    place.installer().install(place.content("one"), ONE)
    place.start()
    place.installer().settle(ONE)
    content = place.content("two")
    cut_after(steps, place, tmp_path / "van/slots", content)
    stage = place.installer().stage(TWO)
    place.start()
    assert place.running == {"absent": "one", "waiting": "two"}[stage]


def test_a_cut_installation_is_done_again_from_its_beginning(tmp_path: Path) -> None:
    place = SoftwarePlace(tmp_path / "van")
    content = place.content("two")
    assert [cut_after(steps, place, tmp_path / "van/slots", content) for steps in range(8)] == [False] * 8
    place.installer().install(content, TWO)
    place.start()
    assert place.running == "two"


def test_a_pointer_that_cannot_be_read_says_so_and_one_that_is_not_there_does_not(tmp_path: Path) -> None:
    place = SoftwarePlace(tmp_path / "van")
    assert place.installer().fault == ""
    (tmp_path / "van/slots/current").write_bytes(b"{")
    assert "current: " in place.installer().fault


def test_only_what_runs_can_prove_itself(tmp_path: Path) -> None:
    place = SoftwarePlace(tmp_path / "van")
    slots = tmp_path / "van/slots"
    place.installer().install(place.content("one"), ONE)
    place.start()
    base = Slots(slots, Disk(), unpack_software, running=tmp_path)
    assert base.stage(ONE) == "waiting"
    base.settle(ONE)
    assert place.installer().pointer.trial
    one = Slots(slots, Disk(), unpack_software, running=slots / "a")
    assert one.stage(ONE) == "trial"
    one.settle(ONE)
    assert one.stage(ONE) == "good"


def test_before_a_trial_was_what_is_gone_back_to_and_else_it_is_what_runs(tmp_path: Path) -> None:
    place = SoftwarePlace(tmp_path / "van")
    assert place.installer().before() is None
    place.installer().install(place.content("one"), ONE)
    place.start()
    assert place.installer().before() is None
    place.installer().settle(ONE)
    assert place.installer().before() == tmp_path / "van/slots/a"
    place.installer().install(place.content("two"), TWO)
    assert place.installer().before() == tmp_path / "van/slots/a"
