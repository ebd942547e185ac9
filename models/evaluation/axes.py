"""Scales of plots: where a value lies, and what is written at it. Knows numbers; draws nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from models.evaluation.rounding import wanted

_NORMAL = NormalDist()
_LEAST = 1e-12
"""A share of nothing has no logarithm: it is drawn at the axis's end."""


@dataclass(frozen=True)
class Axis:
    """A scale.

    Attributes:
        words: what is measured, with its unit.
        ticks: values by rising place, and what stands at each; the first and the last are the axis's ends.
        warp: from a value to where it lies, in any unit.
    """

    words: str
    ticks: tuple[tuple[float, str], ...]
    warp: Callable[[float], float]

    def place(self, value: float) -> float:
        """From 0 to 1; what lies beyond an end is drawn at it."""
        first, last = self.warp(self.ticks[0][0]), self.warp(self.ticks[-1][0])
        return min(1.0, max(0.0, (self.warp(value) - first) / (last - first)))


def linear(words: str, values: Iterable[float], unit: str = "") -> Axis:
    """Even steps between values; shares are written in per cent where the unit is ``%``."""
    factor = 100 if unit == "%" else 1
    return Axis(words, tuple((value, f"{factor * value:g}{unit}") for value in values), float)


def upto(words: str, most: float, unit: str = "") -> Axis:
    """From 0 to a round value that is at least ``most``, in five steps at most."""
    least_step = max(most, _LEAST) / 5
    power = 10.0 ** math.floor(math.log10(least_step))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least_step)
    return linear(words, [step * place for place in range(math.ceil(most / step - 1e-9) + 1)], unit)


def decades(words: str, least: int, most: int) -> Axis:
    """Powers of ten, from ``10**least`` to ``10**most``."""
    ticks = tuple((10.0**power, _power(power)) for power in range(least, most + 1))
    return Axis(words, ticks, lambda value: math.log10(max(value, _LEAST)))


def probit(words: str, shares: Sequence[float]) -> Axis:
    """By quantiles of the normal distribution, as a DET curve is drawn (Martin et al., Eurospeech 1997)."""
    ticks = tuple((share, wanted(share)) for share in shares)
    return Axis(words, ticks, lambda share: _NORMAL.inv_cdf(min(1 - _LEAST, max(_LEAST, share))))


def named(words: str, names: Sequence[str]) -> Axis:
    """One place a name, counted from 0, with half a place of air at the ends."""
    air = ((-0.5, ""), *((float(place), name) for place, name in enumerate(names)), (len(names) - 0.5, ""))
    return Axis(words, air, float)


def _power(power: int) -> str:
    return "1" if power == 0 else f"1e{power}"
