"""Figures in words, no finer than they are known. Knows rates and their intervals; refuses a rate without one."""

from __future__ import annotations

import math

from models.intervals import Rate

NOTHING = "none"
_SMALL = 1e-3
"""Below, a share is written as a power of ten."""


def share(rate: Rate | None) -> str:
    """Such as ``1.6 % (1.2 to 2.0)``: its last digit is the first that the 95 % interval leaves in doubt."""
    if rate is None:
        return NOTHING
    return in_words(rate.rate, rate.low, rate.high)


def counted(rate: Rate | None) -> str:
    """Such as ``91 of 5,801``."""
    return NOTHING if rate is None else f"{rate.events:,} of {rate.trials:,}"


def in_words(value: float, low: float, high: float) -> str:
    """A share with its interval."""
    if high < _SMALL:
        return f"{value:.1e} ({low:.1e} to {high:.1e})"
    digits = _digits(100 * (high - low) / 2)
    plain, least, most = (f"{100 * one:.{digits}f}" for one in (value, low, high))
    return f"{plain} % ({least} to {most})"


def plain(value: float, low: float, high: float) -> str:
    """A figure that is no share, with its interval."""
    digits = _digits((high - low) / 2)
    return f"{value:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def wanted(rate: float) -> str:
    """A share that was wanted, not measured: ``1e-4``, or ``0.3 %``."""
    if rate < _SMALL:
        mantissa, exponent = f"{rate:.0e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    return f"{100 * rate:g} %"


def _digits(half: float) -> int:
    """After the point, for an interval of so much to either side."""
    return min(6, max(0, -math.floor(math.log10(half)))) if half > 0 else 1
