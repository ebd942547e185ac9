"""How hot the machine is, and how far each part is from the temperatures at which it is slowed or switched off.

Knows the kernel's thermal zones and their trips (Documentation/driver-api/thermal/sysfs-api.rst); refuses to know what
is done about it. It reads small files: no root, no daemon, no other process, so it can be asked once a second.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

THERMAL = Path("/sys/class/thermal")
COLDEST_C, HOTTEST_C = -60.0, 200.0
"""No part of a running machine is outside: a reading or a trip that is stands for nothing. Drivers give -274 or -256
for a trip or a sensor that is switched off, and 0 for a trip that was never set."""

CRITICAL_C = 104.5
PASSIVE_BELOW_CRITICAL_C = 9.5
HOT_BELOW_CRITICAL_C = 3.0
"""What a zone counts with for the trips it does not have. 104.5 and 95 are an Orin NX's (tegra234-p3767.dtsi); an AGX
Orin has a passive trip at 99 and no hot one (tegra234-p3701.dtsi), so ours lies between that and the shutdown."""

_MOST_BYTES = 64


class ThermalError(Exception):
    """No temperature can be had; the text says which zones there are and what is wrong with each."""


@dataclass(frozen=True)
class Heat:
    """One look at every zone. Distances are in degrees, the smallest of all zones; below 0 the trip is passed.

    Attributes:
        zone: the hottest zone's type, such as ``tj-thermal``.
        temp_c: its temperature.
        to_passive_c: to the trip at which the kernel starts to slow a part down.
        to_hot_c: to the trip that announces the shutdown.
        to_critical_c: to the trip at which the kernel shuts the machine down.
        passed_over: zones that could not be read, with the reason: parts without power, or without a sensor.
    """

    zone: str
    temp_c: float
    to_passive_c: float
    to_hot_c: float
    to_critical_c: float
    passed_over: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Zone:
    name: str
    temp_c: float
    passive_c: float
    hot_c: float
    critical_c: float


def read_heat(root: Path = THERMAL) -> Heat:
    """Read every thermal zone under ``root``.

    A Jetson lists zones of parts that have no power, or that its module lacks (``cv0-thermal`` on an Orin Nano); they
    answer EAGAIN and are passed over.

    Raises:
        ThermalError: there is no zone, or none can be read.
    """
    folders = sorted(root.glob("thermal_zone*"))
    zones, passed_over = [], []
    for folder in folders:
        try:
            zones.append(_zone(folder))
        except (OSError, ValueError) as error:
            passed_over.append(f"{folder.name}: {error}")
    if not zones:
        raise ThermalError("; ".join(passed_over) or f"{root}: no thermal zone")
    hottest = max(zones, key=lambda zone: zone.temp_c)
    return Heat(
        zone=hottest.name,
        temp_c=hottest.temp_c,
        to_passive_c=min(zone.passive_c - zone.temp_c for zone in zones),
        to_hot_c=min(zone.hot_c - zone.temp_c for zone in zones),
        to_critical_c=min(zone.critical_c - zone.temp_c for zone in zones),
        passed_over=tuple(passed_over),
    )


def _zone(folder: Path) -> _Zone:
    name = _read(folder / "type")
    temp_c = _degrees(folder / "temp")
    if not COLDEST_C <= temp_c <= HOTTEST_C:
        raise ValueError(f"{name}: {temp_c:g} C is no temperature of a running machine")
    trips = _trips(folder)
    critical_c = trips.get("critical", CRITICAL_C)
    if temp_c >= critical_c:  # some desktops' firmware says so at room temperature
        raise ValueError(f"{name}: {temp_c:g} C is at its critical trip of {critical_c:g} C, and the machine runs")
    return _Zone(
        name=name,
        temp_c=temp_c,
        passive_c=trips.get("passive", critical_c - PASSIVE_BELOW_CRITICAL_C),
        hot_c=trips.get("hot", critical_c - HOT_BELOW_CRITICAL_C),
        critical_c=critical_c,
    )


def _trips(folder: Path) -> dict[str, float]:
    """Degrees of the lowest trip of each kind. The ``active`` ones turn on a fan and limit nothing."""
    trips: dict[str, float] = {}
    for path in folder.glob("trip_point_*_type"):
        try:
            kind, temp_c = _read(path), _degrees(path.with_name(path.name.removesuffix("type") + "temp"))
        except (OSError, ValueError):
            continue  # a trip that cannot be read is one that the zone does not have
        if 0 < temp_c <= HOTTEST_C:
            trips[kind] = min(temp_c, trips.get(kind, temp_c))
    return trips


def _degrees(path: Path) -> float:
    return int(_read(path)) / 1000


def _read(path: Path) -> str:
    """A sysfs file's one line.

    ``Path.read_text`` would not do: Python's buffered files turn EAGAIN, which a Tegra's zone answers while its part
    has no power (drivers/thermal/tegra/tegra-bpmp-thermal.c), into None and then into a TypeError.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.read(descriptor, _MOST_BYTES).decode("ascii", "replace").strip()
    finally:
        os.close(descriptor)
