"""How much to look when the machine cannot look at everything. Knows limits, levels and time; measures nothing.

First the frame rate goes, then the detector's size, and from the hot trip on nothing is looked at: the kernel is about
to shut the machine down, and a half-looked-at street is worth less than an orderly end. Of all rows in force the most
severe wins. Going down is immediate; coming back takes until a row's value has been calm for :data:`QUIET_S`.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, replace
from typing import Literal

from board.power_mode import PowerMode
from board.thermal import Heat

QUIET_S = 30.0
"""How long a value must stay at or under its row's ``leave``, without a break, before the row is left."""
FULL_POWER_W = 25
"""The power mode that the budget of four cameras with 15 frames a second is stated for."""


@dataclass(frozen=True)
class Load:
    """What the machine bears now.

    Attributes:
        heat: of the hottest parts; None when it cannot be read.
        age_s: of the oldest frame when it was taken to be looked at, since its capture, since the last update.
        power: NVIDIA's power mode.
        fallback: the networks run on the fallback runner, not on the one that this machine is made for.
    """

    heat: Heat | None
    age_s: float
    power: PowerMode
    fallback: bool


@dataclass(frozen=True)
class Level:
    """How much is looked at.

    Attributes:
        name: in words.
        most_fps: frames a second that are looked at, at most, of each camera; infinity for every frame, 0 for none.
        canvas: the detector to use.
        reasons: what holds it here, in words; empty for :data:`EVERY`.
    """

    name: str
    most_fps: float
    canvas: Literal["full", "small"]
    reasons: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """For an alarm in the status: the level and why."""
        return f"{self.name}: {'; '.join(self.reasons)}" if self.reasons else self.name


EVERY = Level("looking at every frame", math.inf, "full")
TEN = Level("looking at 10 frames a second", 10, "full")
EIGHT = Level("looking at 8 frames a second", 8, "full")
SMALL = Level("looking at 8 frames a second, with the small detector", 8, "small")
NOTHING = Level("looking at nothing", 0, "small")
LEVELS = (EVERY, TEN, EIGHT, SMALL, NOTHING)
"""From the mildest to the most severe."""


class What(enum.Enum):
    """What a row is about; each is worse the larger it is. Facts are 1 where they hold and 0 where they do not."""

    PASSIVE_C = "degrees over the nearest passive trip"
    HOT_C = "degrees over the nearest hot trip"
    CRITICAL_C = "degrees over the nearest critical trip"
    NO_HEAT = "the temperature can no longer be read"
    AGE_S = "age of the oldest frame"
    SHORT_W = "watts under the full power mode"
    NO_MODE = "the power mode cannot be told"
    FALLBACK = "on the fallback runner"


@dataclass(frozen=True)
class Row:
    """A level is in force from ``what`` >= ``enter`` on, until it has been <= ``leave`` for :data:`QUIET_S`."""

    what: What
    enter: float
    leave: float
    level: Level


# fmt: off
ROWS = (
    #   what               enter  leave  level
    Row(What.PASSIVE_C,    -10.0, -13.0, TEN),
    Row(What.PASSIVE_C,     -5.0,  -8.0, EIGHT),
    Row(What.PASSIVE_C,      0.0,  -3.0, SMALL),
    Row(What.HOT_C,          0.0,  -5.0, NOTHING),
    Row(What.CRITICAL_C,    -2.0,  -7.0, NOTHING),
    Row(What.NO_HEAT,        1.0,   0.0, EIGHT),
    Row(What.AGE_S,          0.5,   0.3, TEN),
    Row(What.AGE_S,          1.0,   0.6, EIGHT),
    Row(What.AGE_S,          2.0,   1.2, SMALL),
    Row(What.SHORT_W,        1.0,   0.0, TEN),      # 15 W
    Row(What.SHORT_W,       15.0,  14.0, EIGHT),    # 10 W
    Row(What.SHORT_W,       18.0,  17.0, SMALL),    # 7 W
    Row(What.NO_MODE,        1.0,   0.0, TEN),
    Row(What.FALLBACK,       1.0,   0.0, EIGHT),
)
# fmt: on
"""The whole policy. A passive trip is at 95 C on an Orin NX, so its first row is 85 C."""


class Shedder:
    """Holds which rows are in force. One thread at a time."""

    def __init__(self) -> None:
        self._in_force: dict[Row, int | None] = {}
        """Each with the time since when it is calm, in ns; None while it is not."""
        self._had_heat = False

    def update(self, load: Load, t_ns: int) -> Level:
        """The level for ``load`` at the monotonic time ``t_ns``; call it about once a second, and on every change."""
        values = _values(load, lost_heat=self._had_heat and load.heat is None)
        self._had_heat = self._had_heat or load.heat is not None
        for row in ROWS:
            self._weigh(row, values[row.what], t_ns)
        worst = max((row.level for row in self._in_force), key=LEVELS.index, default=EVERY)
        return replace(worst, reasons=self._reasons(worst, load))

    def _weigh(self, row: Row, value: float | None, t_ns: int) -> None:
        """Put a row in force, keep it, or leave it. A value that is not there (None) proves nothing calm."""
        if value is not None and value >= row.enter:
            self._in_force[row] = None
        elif row in self._in_force:
            since_ns = self._in_force[row]
            if value is None or value > row.leave:
                self._in_force[row] = None
            elif since_ns is None:
                self._in_force[row] = t_ns
            elif t_ns - since_ns >= QUIET_S * 1e9:
                del self._in_force[row]

    def _reasons(self, level: Level, load: Load) -> tuple[str, ...]:
        """What holds the level, each said once; what is calm already is said to be waiting."""
        said = _said(load)
        waiting = f" (calm, but not for {QUIET_S:.0f} s yet)"
        holding = [row for row in ROWS if row in self._in_force and row.level is level]
        return tuple({said[row.what] + waiting * (self._in_force[row] is not None): row for row in holding})


class Pacer:
    """Chooses the frames of each camera that are looked at, by the frames' own time: the same frames in every replay.

    A schedule and not a least gap: of a camera with 15 frames a second a gap of a tenth of a second would let 7.5
    through, not 10. A frame that comes late does not move the next one's time, so that a camera that wavers is not
    slowed twice; at most one frame can be owed.
    """

    def __init__(self) -> None:
        self._next_ns: dict[str, int] = {}

    def due(self, camera: str, t_ns: int, level: Level) -> bool:
        """Whether this frame is to be looked at; the caller counts it as dropped when not. Frames come in order."""
        if level.most_fps <= 0:
            return False
        period_ns = round(1e9 / level.most_fps)
        next_ns = self._next_ns.get(camera, t_ns)
        if t_ns < next_ns - period_ns:  # a clock of before: the source was opened anew
            next_ns = t_ns
        if t_ns < next_ns:
            return False
        self._next_ns[camera] = max(next_ns, t_ns - period_ns) + period_ns
        return True


def _values(load: Load, *, lost_heat: bool) -> dict[What, float | None]:
    heat = load.heat
    return {
        What.PASSIVE_C: None if heat is None else -heat.to_passive_c,
        What.HOT_C: None if heat is None else -heat.to_hot_c,
        What.CRITICAL_C: None if heat is None else -heat.to_critical_c,
        What.NO_HEAT: float(lost_heat),
        What.AGE_S: load.age_s,
        What.SHORT_W: 0.0 if load.power.watts is None else float(FULL_POWER_W - load.power.watts),
        What.NO_MODE: float(bool(load.power.fault)),
        What.FALLBACK: float(load.fallback),
    }


def _said(load: Load) -> dict[What, str]:
    heat = load.heat
    hottest = "it cannot be read now" if heat is None else f"{heat.zone} at {heat.temp_c:.0f} C"
    return {
        What.PASSIVE_C: f"near the temperature that slows the machine, {hottest}",
        What.HOT_C: f"about to shut down from heat, {hottest}",
        What.CRITICAL_C: f"about to shut down from heat, {hottest}",
        What.NO_HEAT: "the temperature can no longer be read",
        What.AGE_S: f"frames taken {load.age_s:.1f} s old",
        What.SHORT_W: f"power mode {load.power.name}",
        What.NO_MODE: f"the power mode cannot be told, {load.power.fault}",
        What.FALLBACK: "the networks run on the fallback runner",
    }
