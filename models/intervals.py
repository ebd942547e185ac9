"""How sure a counted rate is. Knows counts and clusters; refuses to know what was counted.

A rate without its interval is no evidence. The exact interval (Clopper and Pearson, Biometrika 1934) holds for
independent trials. Comparisons are not: one face is in thousands of them. Where they come in clusters, the interval
over clusters left out one by one (jackknife; ISO/IEC 19795-1 asks for the dependence to be regarded) is computed too,
and the wider counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated

import msgspec
import numpy as np
import numpy.typing as npt

CONFIDENCE = 0.95
"""Of every two-sided interval here."""
_Z = 1.959964
"""Two-sided normal quantile of that."""
_REACH = 10.0
"""Standard deviations from a binomial's mean within which it is summed."""
_SUMMED = 1_000.0
"""Standard deviation of a binomial up to which it is summed; beyond, its normal form is as near as a millionth."""
_SERIES = 16
"""From that count on, Stirling's series for the logarithm of its factorial is exact."""
MOST = 2**53
"""Beyond, a double no longer counts."""
Counts = npt.NDArray[np.int64]


class Rate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``events`` of ``trials``, with the 95 % interval of their rate.

    Attributes:
        events: how many came about, at least 0.
        trials: of how many, at least 1.
        low, high: the interval, in [0, 1].
    """

    events: Annotated[int, msgspec.Meta(ge=0, le=MOST)]
    trials: Annotated[int, msgspec.Meta(ge=1, le=MOST)]
    low: Annotated[float, msgspec.Meta(ge=0, le=1)]
    high: Annotated[float, msgspec.Meta(ge=0, le=1)]

    @property
    def rate(self) -> float:
        """The plain share."""
        return self.events / self.trials


def exact(events: int, trials: int) -> Rate:
    """Of independent trials.

    Raises:
        ValueError: no trials, more events than trials, or more trials than :data:`MOST`.
    """
    if not (0 <= events <= trials and 1 <= trials <= MOST):
        raise ValueError(f"{events} events of {trials} trials")
    tail = (1 - CONFIDENCE) / 2
    low = 0.0 if events == 0 else _solve(lambda share: 1 - _at_most(events - 1, trials, share), tail, rising=True)
    high = 1.0 if events == trials else _solve(lambda share: _at_most(events, trials, share), tail, rising=False)
    return Rate(events, trials, low, high)


def clustered(events: Counts, trials: Counts) -> Rate:
    """Of trials that come in clusters, such as one walker's or one face's.

    Args:
        events: (clusters) of each.
        trials: (clusters) of each.

    Raises:
        ValueError: as :func:`exact`.
    """
    plain = exact(int(events.sum()), int(trials.sum()))
    return _wider(plain, _jackknife_error(events, trials, plain.events, plain.trials))


def paired(events_by_cluster: Counts, trials_by_cluster: Counts, events: int, trials: int, pairs: int) -> Rate:
    """Of comparisons that each belong to two clusters, such as those between all pairs of faces.

    All comparisons of the same two clusters say hardly more than one of them. So the interval is no narrower than that
    of ``pairs`` of all pairs of clusters either, as if each had been compared once.

    Args:
        events_by_cluster: (clusters) events that a cluster takes part in; their sum is twice ``events``.
        trials_by_cluster: (clusters) the same of trials.
        events: in all.
        trials: in all.
        pairs: of clusters between which there is an event.

    Raises:
        ValueError: as :func:`exact`.
    """
    clusters = len(events_by_cluster)
    once = exact(pairs, clusters * (clusters - 1) // 2)
    wide = _wider(exact(events, trials), _jackknife_error(events_by_cluster, trials_by_cluster, events, trials))
    return Rate(events, trials, min(wide.low, once.low), max(wide.high, once.high))


def bears(rate: Rate) -> bool:
    """Whether a rate's upper end is at least that of independent trials: no interval here is ever narrower."""
    if not (0 <= rate.events <= rate.trials and rate.trials >= 1 and 0 <= rate.low <= rate.high <= 1):
        return False
    if rate.events == rate.trials:
        return rate.high == 1
    return _at_most(rate.events, rate.trials, rate.high) <= (1 - CONFIDENCE) / 2 * (1 + 1e-6)


def smallest_shown(trials: int) -> float:
    """The least rate that so many trials without an event can show with 95 %: 3 in ``trials``.

    Hanley and Lippman-Hand, If nothing goes wrong, is everything all right?, JAMA 1983: the rule of three.
    """
    return min(1.0, 3 / max(1, trials))


def _wider(plain: Rate, error: float) -> Rate:
    low, high = plain.rate - _Z * error, plain.rate + _Z * error
    return Rate(plain.events, plain.trials, max(0.0, min(plain.low, low)), min(1.0, max(plain.high, high)))


def _jackknife_error(events: Counts, trials: Counts, all_events: int, all_trials: int) -> float:
    """Standard error of a rate by leaving out each cluster in turn; 0 where too few are left to tell."""
    left = all_trials - trials
    told = left > 0
    count = int(told.sum())
    if count < 2:
        return 0.0
    without = (all_events - events[told]) / left[told]
    return math.sqrt((count - 1) / count * float(((without - without.mean()) ** 2).sum()))


def _at_most(events: int, trials: int, share: float) -> float:
    """How likely at most ``events`` of ``trials`` come about, each with ``share``."""
    if share <= 0:
        return 1.0
    if share >= 1:
        return float(events >= trials)
    mean, deviation = trials * share, math.sqrt(trials * share * (1 - share))
    if deviation > _SUMMED:
        return _normal_at_most(events, mean, deviation, share)
    # Of millions of counts only those near the mean weigh anything: what lies farther off is below 1e-15.
    reach = _REACH * (deviation + 1)
    first, last = max(0, math.floor(mean - reach)), min(events, math.ceil(mean + reach))
    if last < first:
        return 0.0
    start = _log_share(first, trials, share) if first else trials * math.log1p(-share)
    counts = np.arange(first + 1, last + 1, dtype=np.float64)
    steps = np.log((trials - counts + 1) / counts) + (math.log(share) - math.log1p(-share))
    logs = start + np.concatenate([[0.0], np.cumsum(steps)])
    return float(min(1.0, np.exp(logs).sum()))


def _normal_at_most(events: int, mean: float, deviation: float, share: float) -> float:
    """The same by Edgeworth's series: the normal distribution, corrected for the binomial's skewness."""
    far = (events + 0.5 - mean) / deviation
    density = math.exp(-(far**2) / 2) / math.sqrt(2 * math.pi)
    skew = (1 - 2 * share) / deviation
    return min(1.0, max(0.0, math.erfc(-far / math.sqrt(2)) / 2 - skew / 6 * (far**2 - 1) * density))


def _log_share(count: int, trials: int, share: float) -> float:
    """Log of how likely ``count`` of ``trials`` come about, for a count between 0 and all.

    As in Loader, Fast and Accurate Computation of Binomial Probabilities, 2000: factorials of large numbers would
    cancel out to nothing.
    """
    rest, off = trials - count, count - trials * share
    errors = _stirling_error(trials) - _stirling_error(count) - _stirling_error(rest)
    return errors - _far(count, off) - _far(rest, -off) + math.log(trials / (2 * math.pi * count * rest)) / 2


def _far(count: int, off: float) -> float:
    """Deviance of a count that is ``off`` from its mean."""
    return count * math.log1p(off / (count - off)) - off


def _stirling_error(count: int) -> float:
    """Log of a factorial, less Stirling's formula."""
    if count < _SERIES:
        return math.lgamma(count + 1) - (count + 0.5) * math.log(count) + count - math.log(2 * math.pi) / 2
    return 1 / (12 * count) - 1 / (360 * count**3) + 1 / (1260 * count**5)


def _solve(curve: Callable[[float], float], wanted: float, *, rising: bool) -> float:
    """Where a monotonic curve over [0, 1] has this value."""
    low, high = 0.0, 1.0
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if (curve(middle) < wanted) == rising else (low, middle)
    return (low + high) / 2
