"""The power mode is read from nvpmodel's own files, whatever state they are in."""

from __future__ import annotations

from pathlib import Path

import pytest

from board.power_mode import NONE, PowerMode, read_power_mode

ORIN_NX_SUPER = """\
# FORMAT:
# < POWER_MODEL ID=id_num NAME=mode_name >
< PARAM TYPE=FILE NAME=CPU_ONLINE >
CORE_0 /sys/devices/system/cpu/cpu0/online

< POWER_MODEL ID=0 NAME=MAXN_SUPER >
CPU_ONLINE CORE_0 1
GPU MAX_FREQ -1

< POWER_MODEL ID=1 NAME=10W >
GPU MAX_FREQ 612000000
  < POWER_MODEL ID=2 NAME=15W >
< POWER_MODEL ID=3 NAME=25W >
< POWER_MODEL ID=4 NAME=40W >
< POWER_MODEL ID=5 NAME=MODE_15W_6CORE >
< POWER_MODEL ID=6 NAME=25W_2CORE >
< POWER_MODEL ID=7 NAME=MAXN >
< POWER_MODEL ID=8 NAME=X15WATCH >
# < POWER_MODEL ID=3 NAME=7W >

< PM_CONFIG DEFAULT=3 >
"""
"""In the form of nvpmodel_p3767_0000_super.conf of Jetson Linux 36, with names that other modules' files use."""


def _read(folder: Path, status: str | None, config: str | None = ORIN_NX_SUPER) -> PowerMode:
    for name, text in (("status", status), ("nvpmodel.conf", config)):
        _ = text is None or (folder / name).write_text(text)
    return read_power_mode(folder / "status", folder / "nvpmodel.conf")


@pytest.mark.parametrize(
    ("status", "mode"),
    [
        pytest.param("pmode:0000\n", PowerMode("MAXN_SUPER"), id="all that the module can"),
        pytest.param("pmode:0001", PowerMode("10W", 10), id="no newline"),
        pytest.param("pmode:0002\n", PowerMode("15W", 15), id="an indented line of the configuration"),
        pytest.param("pmode:0003\n", PowerMode("25W", 25), id="not the one that is commented out"),
        pytest.param("pmode:0005 fmode:quiet\n", PowerMode("MODE_15W_6CORE", 15), id="with a fan mode"),
        pytest.param("pmode:0006\n", PowerMode("25W_2CORE", 25), id="watts first"),
        pytest.param("pmode:0007\n", PowerMode("MAXN"), id="no watts"),
        pytest.param("pmode:0008\n", PowerMode("X15WATCH"), id="no watts but what looks like it"),
    ],
)
def test_a_mode_is_called_as_nvpmodel_calls_it(tmp_path: Path, status: str, mode: PowerMode) -> None:
    assert _read(tmp_path, status) == mode


def test_before_anyone_chose_the_default_holds(tmp_path: Path) -> None:
    assert _read(tmp_path, None) == PowerMode("25W", 25)


def test_a_host_has_none(tmp_path: Path) -> None:
    assert _read(tmp_path, None, None) == PowerMode(NONE)


@pytest.mark.parametrize(
    ("status", "config", "fault"),
    [
        pytest.param("mode 2\n", ORIN_NX_SUPER, "status: no mode in 'mode 2", id="another status"),
        pytest.param("\x00" * 9, ORIN_NX_SUPER, "status: no mode in", id="a status of zeros after a power cut"),
        pytest.param("", ORIN_NX_SUPER, "status: no mode in ''", id="an empty status after a power cut"),
        pytest.param("pmode:0042", ORIN_NX_SUPER, "nvpmodel.conf: has no mode 42", id="a mode that is not there"),
        pytest.param("pmode:0002", None, "nvpmodel.conf: has no mode 2", id="no configuration"),
        pytest.param(None, "< POWER_MODEL ID=0 NAME=15W >", "nvpmodel.conf: no default mode", id="no default"),
    ],
)
def test_what_cannot_be_understood_is_said_in_words(
    tmp_path: Path, status: str | None, config: str | None, fault: str
) -> None:
    mode = _read(tmp_path, status, config)
    assert fault in mode.fault
    assert (mode.name, mode.watts) == ("not to be told", None)


def test_what_cannot_be_read_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "status").mkdir()
    mode = read_power_mode(tmp_path / "status", tmp_path / "nvpmodel.conf")
    assert mode.fault == f"{tmp_path / 'status'}: Is a directory"
