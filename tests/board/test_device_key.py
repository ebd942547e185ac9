"""The device's secret: made once, kept to one user, and not trusted when it could be another's."""

from __future__ import annotations

import multiprocessing
import os
import stat
from pathlib import Path

import pytest

from board.device_key import KEY_BYTES, DeviceKeyError, device_key


def test_it_is_made_once_and_is_the_same_for_ever(tmp_path: Path) -> None:
    asked: list[int] = []

    def random(count: int) -> bytes:
        asked.append(count)
        return bytes(range(count))

    path = tmp_path / "state" / "device.key"
    assert device_key(path, random) == bytes(range(32))
    assert device_key(path, random) == bytes(range(32))
    assert asked == [KEY_BYTES]
    assert [entry.name for entry in path.parent.iterdir()] == ["device.key"]


def test_only_this_user_may_read_it(tmp_path: Path) -> None:
    device_key(tmp_path / "state" / "device.key")
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state", tmp_path / "state" / "device.key")]
    assert modes == [0o700, 0o600]


def test_two_devices_have_two_keys(tmp_path: Path) -> None:
    assert device_key(tmp_path / "one") != device_key(tmp_path / "other")


def _digest(path: Path) -> bytes:
    return device_key(path)


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert len(set(pool.map(_digest, [tmp_path / "device.key"] * 8))) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_may_touch_is_refused_and_left(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "device.key"
    kept = device_key(path)
    path.chmod(mode)
    with pytest.raises(DeviceKeyError, match=r"device\.key: -rw-.* of user \d+; must be -rw------- of user \d+"):
        device_key(path)
    assert path.read_bytes() == kept


@pytest.mark.parametrize("size", [0, 16, 33])
def test_a_key_of_another_length_is_refused(tmp_path: Path, size: int) -> None:
    path = tmp_path / "device.key"
    path.write_bytes(bytes(size))
    path.chmod(0o600)
    with pytest.raises(DeviceKeyError, match=rf"device\.key: holds {size} bytes, a key has 32"):
        device_key(path)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    device_key(tmp_path / "elsewhere")
    (tmp_path / "device.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DeviceKeyError, match=r"device\.key: Too many levels of symbolic links"):
        device_key(tmp_path / "device.key")


def test_a_pipe_is_no_key_and_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "device.key", 0o600)
    with pytest.raises(DeviceKeyError, match="must be -rw-------"):
        device_key(tmp_path / "device.key")


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DeviceKeyError, match=r"device\.key: "):
        device_key(tmp_path / "file" / "device.key")
