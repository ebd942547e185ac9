"""The launcher as a real process, in front of a tiny application that stands in slots as the real one does."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ota.archive import pack
from ota.delivery import unpack_software
from ota.disk import Disk
from ota.installer import MAX_STARTS
from ota.slots import Slots
from tests.source import ROOT

ONE, TWO = "1" * 64, "2" * 64
QUICK = "import sys; from ota.launcher import main; sys.exit(main(sys.argv[1:], pause_s=0.0))"
APPLICATION = """
import os, signal, sys, time
from pathlib import Path
diary = Path(sys.argv[1])
with diary.open("a") as file:
    file.write("WORDS\\n")
DOES
"""
CRASHES = "sys.exit(1)"
ENDS = "sys.exit(0)"
WAITS = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); print('up', flush=True); time.sleep(60)"
SETTLES = """
from ota.slots import Slots
from ota.disk import Disk
Slots(Path(sys.argv[2]), Disk(), None, Path.cwd()).settle(sys.argv[3])
sys.exit(4 if len(diary.read_text().splitlines()) < 6 else 0)
"""
"""Of one that is healthy and then is told to start anew some times more."""


class Host:
    """A machine with slots; the base ends at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.slots = folder / "slots"
        self.diary = folder / "diary"
        self.base = write(folder / "base", "base", ENDS)

    def install(self, sha256: str, words: str, does: str) -> None:
        archive = self.folder / f"{words}.tar.zst"
        archive.write_bytes(pack(write(self.folder / words, words, does)))
        Slots(self.slots, Disk(), unpack_software).install(archive, sha256)

    def settle(self, sha256: str) -> None:
        slots = Slots(self.slots, Disk(), unpack_software)
        slots.start()
        slots.settle(sha256)

    def launch(self, *arguments: str, full: bool = False) -> subprocess.Popen[str]:
        """``full``: not a byte can be written to a file."""
        command = [sys.executable, "-c", QUICK, str(self.slots), "--", "app", str(self.diary), *arguments]
        pipe = subprocess.PIPE
        fill = fill_disk if full else None
        path = {"PYTHONPATH": f"{self.base}:{ROOT}"}
        return subprocess.Popen(
            command,
            cwd=self.base,
            env=path,
            stdout=pipe,
            stderr=pipe,
            text=True,
            preexec_fn=fill,  # noqa: PLW1509
        )

    def run(self, *arguments: str, full: bool = False) -> tuple[int, str]:
        """To its end: exit code and standard error."""
        with self.launch(*arguments, full=full) as process:
            _, said = process.communicate(timeout=60)
        return process.returncode, said

    @property
    def ran(self) -> list[str]:
        return self.diary.read_text().split() if self.diary.exists() else []


def write(folder: Path, words: str, does: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "app.py").write_text(APPLICATION.replace("WORDS", words).replace("DOES", does))
    return folder


def fill_disk() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "host")


def test_a_good_version_proves_itself_and_stays(host: Host) -> None:
    host.install(ONE, "one", SETTLES)
    assert host.run(str(host.slots), ONE) == (0, "ota.launcher: app ended with 4\n" * 5)
    assert host.ran == ["one"] * 6
    assert Slots(host.slots, Disk(), unpack_software).stage(ONE) == "good"


def test_a_version_that_crashes_gives_way_to_the_one_before_after_three_starts(host: Host) -> None:
    host.install(ONE, "one", ENDS)
    host.settle(ONE)
    host.install(TWO, "two", CRASHES)
    assert host.run()[0] == 0
    assert host.ran == ["two"] * MAX_STARTS + ["one"]
    assert Slots(host.slots, Disk(), unpack_software).stage(TWO) == "failed"


def test_on_a_full_disk_what_was_before_a_trial_starts_and_the_trial_is_not_counted(host: Host) -> None:
    host.install(ONE, "one", "sys.exit(0)")
    host.settle(ONE)
    host.install(TWO, "two", CRASHES)
    (host.slots / "a/app.py").write_text("print('one')")  # nothing can be written to a diary either
    with host.launch(full=True) as process:
        out, said = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "one\n")
    assert "a trial cannot be counted, so what was before it starts" in said
    assert Slots(host.slots, Disk(), unpack_software).pointer.starts == 0


def test_where_no_folder_can_be_made_the_base_starts(host: Host) -> None:
    host.slots.write_text("a file")
    code, said = host.run()
    assert (code, host.ran) == (0, ["base"])
    assert "the base starts" in said


@pytest.mark.parametrize("content", [b"{", b"\xff", b""])
def test_a_pointer_that_cannot_be_read_starts_the_base_and_says_so(host: Host, content: bytes) -> None:
    host.install(ONE, "one", ENDS)
    (host.slots / "current").write_bytes(content)
    code, said = host.run()
    assert (code, host.ran) == (0, ["base"])
    assert said.startswith(f"ota.launcher: {host.slots}/current: ")
    assert said.endswith("the base starts\n")


def test_a_slot_that_is_gone_starts_the_base_and_says_so(host: Host) -> None:
    host.install(ONE, "one", ENDS)
    host.settle(ONE)
    (host.slots / "a").rename(host.slots / "lost")
    code, said = host.run()
    assert (code, host.ran, said) == (0, ["base"], f"ota.launcher: {host.slots}/a: not there; the base starts\n")


@pytest.mark.parametrize("code", [0, 2])
def test_an_application_that_has_ended_for_good_is_not_started_again(host: Host, code: int) -> None:
    host.install(ONE, "one", f"sys.exit({code})")
    assert host.run() == (code, "")
    assert host.ran == ["one"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_handed_on_and_nothing_starts_after_it(host: Host, number: signal.Signals) -> None:
    host.install(ONE, "one", WAITS.replace("SIGTERM", number.name))
    with host.launch() as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.send_signal(number)
        assert process.wait(60) == 7
    assert host.ran == ["one"]


def test_children_of_the_application_come_from_its_slot_too(host: Host) -> None:
    host.install(ONE, "one", "import subprocess; sys.exit(subprocess.call([sys.executable, '-m', 'child']))")
    (host.slots / "a/child.py").write_text("print('child of one')")
    with host.launch() as process:
        assert process.communicate(timeout=60)[0] == "child of one\n"


def test_as_a_command_it_does_the_same(host: Host) -> None:
    host.install(ONE, "one", ENDS)
    command = [sys.executable, "-m", "ota.launcher", str(host.slots), "--", "app", str(host.diary)]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0
    assert host.ran == ["one"]


@pytest.mark.parametrize("arguments", [[], ["slots"], ["slots", "-m", "x"], ["slots", "--"]])
def test_a_wrong_command_line_is_explained(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "ota.launcher", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "usage: python -m ota.launcher SLOTS -- MODULE ARGS\n")
