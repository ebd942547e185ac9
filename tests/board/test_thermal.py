"""Heat is read from the kernel's thermal zones; what has no power or no sense is passed over, and said."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from board.thermal import (
    CRITICAL_C,
    HOT_BELOW_CRITICAL_C,
    PASSIVE_BELOW_CRITICAL_C,
    ThermalError,
    read_heat,
)

ORIN_NX = (("critical", 104500), ("hot", 99000), ("passive", 95000), ("active", 80000), ("active", 50000))
"""The trips of cpu-thermal in Linux's tegra234-p3767.dtsi, in its order."""
AGX_ORIN = (("critical", 104500), ("passive", 99000))
"""Those of tegra234-p3701.dtsi, as NVIDIA posted it: no hot trip."""


def zone(root: Path, number: int, kind: str, temp: str | int, trips: tuple[tuple[str, str | int], ...] = ()) -> Path:
    """A thermal zone as sysfs shows it: a file a fact, degrees in thousandths, a newline behind each."""
    folder = root / f"thermal_zone{number}"
    folder.mkdir()
    for name, value in (("type", kind), ("temp", temp), ("mode", "enabled"), ("policy", "step_wise")):
        (folder / name).write_text(f"{value}\n")
    for index, (trip, temperature) in enumerate(trips):
        (folder / f"trip_point_{index}_type").write_text(f"{trip}\n")
        (folder / f"trip_point_{index}_temp").write_text(f"{temperature}\n")
        (folder / f"trip_point_{index}_hyst").write_text("1000\n")
    return folder


@contextmanager
def without_power(folder: Path) -> Iterator[None]:
    """Let a zone answer EAGAIN, as one of a Tegra part without power does: the kernel's own errno, from an empty pipe.

    Linux, drivers/thermal/tegra/tegra-bpmp-thermal.c: -BPMP_EFAULT becomes -EAGAIN.
    """
    (folder / "temp").unlink()
    os.mkfifo(folder / "temp")
    writer = os.open(folder / "temp", os.O_RDWR)
    try:
        yield
    finally:
        os.close(writer)


def test_the_hottest_zone_is_named_and_every_distance_is_the_smallest(tmp_path: Path) -> None:
    zone(tmp_path, 0, "cpu-thermal", 71250, ORIN_NX)
    zone(tmp_path, 1, "gpu-thermal", 74500, AGX_ORIN)
    zone(tmp_path, 2, "board-thermal", 60000, (("passive", 65000), ("hot", 75000), ("critical", 80000)))
    heat = read_heat(tmp_path)
    assert (heat.zone, heat.temp_c) == ("gpu-thermal", 74.5)
    assert (heat.to_passive_c, heat.to_hot_c, heat.to_critical_c) == (5.0, 15.0, 20.0)
    assert heat.passed_over == ()


def test_a_passed_trip_is_a_distance_below_0(tmp_path: Path) -> None:
    zone(tmp_path, 0, "cpu-thermal", 100000, ORIN_NX)
    heat = read_heat(tmp_path)
    assert (heat.to_passive_c, heat.to_hot_c, heat.to_critical_c) == (-5.0, -1.0, 4.5)


def test_the_lowest_of_several_trips_counts_and_a_fans_does_not(tmp_path: Path) -> None:
    zone(tmp_path, 0, "cpu-thermal", 70000, (("passive", 97000), ("passive", 85000), ("passive", 99000), *ORIN_NX[3:]))
    assert read_heat(tmp_path).to_passive_c == 15.0


def test_a_zone_without_trips_counts_with_the_named_ones(tmp_path: Path) -> None:
    zone(tmp_path, 0, "tj-thermal", 40000)
    heat = read_heat(tmp_path)
    assert heat.to_critical_c == CRITICAL_C - 40
    assert heat.to_hot_c == CRITICAL_C - HOT_BELOW_CRITICAL_C - 40
    assert heat.to_passive_c == CRITICAL_C - PASSIVE_BELOW_CRITICAL_C - 40


@pytest.mark.parametrize(("critical", "critical_c"), [(104500, 104.5), (92000, 92.0)])
def test_a_zone_without_a_hot_trip_is_hot_shortly_before_its_shutdown(
    tmp_path: Path, critical: int, critical_c: float
) -> None:
    zone(tmp_path, 0, "cpu-thermal", 80000, (("critical", critical), ("passive", 87000)))
    heat = read_heat(tmp_path)
    assert heat.to_passive_c < heat.to_hot_c == critical_c - HOT_BELOW_CRITICAL_C - 80 < heat.to_critical_c


@pytest.mark.parametrize("temperature", [-274000, 0, 3000000, "", "hot"])
def test_a_trip_that_is_switched_off_is_no_trip(tmp_path: Path, temperature: str | int) -> None:
    zone(tmp_path, 0, "x86_pkg_temp", 50000, (("passive", temperature), ("critical", 100000)))
    heat = read_heat(tmp_path)
    assert (heat.to_passive_c, heat.to_critical_c) == (100 - PASSIVE_BELOW_CRITICAL_C - 50, 50.0)


def test_a_trip_without_its_temperature_is_no_trip(tmp_path: Path) -> None:
    folder = zone(tmp_path, 0, "cpu-thermal", 50000, AGX_ORIN)
    (folder / "trip_point_0_temp").unlink()
    assert read_heat(tmp_path).to_critical_c == CRITICAL_C - 50


def test_a_part_without_power_is_passed_over(tmp_path: Path) -> None:
    zone(tmp_path, 0, "cpu-thermal", 50000, ORIN_NX)
    with without_power(zone(tmp_path, 2, "cv0-thermal", 0, ORIN_NX)):
        heat = read_heat(tmp_path)
    assert heat.zone == "cpu-thermal"
    assert heat.passed_over == ("thermal_zone2: [Errno 11] Resource temporarily unavailable",)


@pytest.mark.parametrize("nonsense", ["", "n/a", "-274000", "-256000", "2147483647"])
def test_nonsense_is_passed_over(tmp_path: Path, nonsense: str) -> None:
    zone(tmp_path, 0, "cpu-thermal", 50000)
    zone(tmp_path, 1, "broken-thermal", nonsense)
    heat = read_heat(tmp_path)
    assert (heat.zone, heat.temp_c) == ("cpu-thermal", 50.0)
    assert [words.split(":")[0] for words in heat.passed_over] == ["thermal_zone1"]


def test_a_zone_that_cannot_be_read_at_all_is_passed_over(tmp_path: Path) -> None:
    zone(tmp_path, 0, "cpu-thermal", 50000)
    (tmp_path / "thermal_zone1").mkdir()
    folder = zone(tmp_path, 2, "gpu-thermal", 90000)
    (folder / "temp").unlink()
    (folder / "temp").mkdir()
    assert read_heat(tmp_path).temp_c == 50.0
    assert len(read_heat(tmp_path).passed_over) == 2


def test_cold_is_no_nonsense(tmp_path: Path) -> None:
    zone(tmp_path, 0, "cpu-thermal", -12500)
    assert read_heat(tmp_path).temp_c == -12.5


def test_a_machine_all_of_whose_zones_fail_says_so(tmp_path: Path) -> None:
    zone(tmp_path, 0, "gpu-thermal", "-256000")
    with (
        without_power(zone(tmp_path, 1, "cv0-thermal", 0)),
        pytest.raises(ThermalError, match=r"zone0: gpu-thermal: -256 C is no .*; thermal_zone1: .* unavailable"),
    ):
        read_heat(tmp_path)


@pytest.mark.parametrize("folder", ["", "missing"])
def test_a_machine_without_zones_says_so(tmp_path: Path, folder: str) -> None:
    with pytest.raises(ThermalError, match="no thermal zone"):
        read_heat(tmp_path / folder)


def test_reading_leaves_no_file_open(tmp_path: Path) -> None:
    zone(tmp_path, 0, "cpu-thermal", 50000, ORIN_NX)
    zone(tmp_path, 1, "broken-thermal", "n/a")
    gc.collect()  # what earlier tests of this process left for Python to close
    open_before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        read_heat(tmp_path)
    assert len(list(Path("/proc/self/fd").iterdir())) == open_before


def test_a_zone_at_its_critical_trip_on_a_machine_that_runs_is_nonsense_and_passed_over(tmp_path: Path) -> None:
    zone(tmp_path, 0, "acpitz", 27800, (("critical", 20800),))
    zone(tmp_path, 1, "x86_pkg_temp", 55000)
    heat = read_heat(tmp_path)
    assert (heat.zone, heat.to_critical_c) == ("x86_pkg_temp", CRITICAL_C - 55)
    assert heat.passed_over == (
        "thermal_zone0: acpitz: 27.8 C is at its critical trip of 20.8 C, and the machine runs",
    )
