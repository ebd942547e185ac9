"""Guess how rare false matches are beyond what the set shows. Knows the theory of extremes; never speaks unasked.

What lies above a high threshold follows a generalized Pareto distribution (Pickands, Annals of Statistics 1975), fitted
by probability-weighted moments (Hosking and Wallis, Technometrics 1987). The error is a bootstrap over labels: a
comparison counts as often as both of its labels were drawn. Wrong labels lie in this very tail: fit reviewed ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.evaluation.labelled import FINE, Labelled, non_mated_above, non_mated_histogram, threshold_of
from models.evaluation.report import EvaluationError, TailFit, TailPoint

WANTED_FMR = (1e-5, 1e-6, 1e-7, 1e-8)
"""The first can be held against what was measured."""
FITTED_FMR = 1e-4
"""The tail begins where the false match rate is this."""
FEWEST = 100
"""Comparisons that a tail is fitted to."""
_RESAMPLES = 200
F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Tail:
    """Shape and scale of the distribution, and the share of comparisons that lie in it."""

    shape: float
    scale: float
    share: float


def fit_tail(one: Labelled, rng: np.random.Generator) -> TailFit:
    """The fit and what it extrapolates.

    Args:
        one: at least two labels.
        rng: draws labels for the bootstrap.

    Raises:
        EvaluationError: too few comparisons lie in the tail.
    """
    histogram = non_mated_histogram(one)
    above, total = np.cumsum(histogram[::-1])[::-1], int(histogram.sum())
    start = int(np.argmax(np.append(above, 0) <= FITTED_FMR * total))
    top = non_mated_above(one, start)
    if len(top) < FEWEST:
        raise EvaluationError(f"tail: {len(top)} comparisons above FMR {FITTED_FMR}, at least {FEWEST} are fitted")
    excess = (top.steps.astype(np.float64) + 0.5 - start) / FINE
    first, second = one.labels[top.one], one.labels[top.other]
    fit = _fit(excess, np.ones(len(excess)), float(total))
    drawn = list[_Tail]()
    for _ in range(_RESAMPLES):
        times = np.bincount(rng.integers(0, one.people, one.people), minlength=one.people)
        sizes = times * one.sizes
        trials = (float(sizes.sum()) ** 2 - float((sizes.astype(np.float64) ** 2).sum())) / 2
        drawn.append(_fit(excess, (times[first] * times[second]).astype(np.float64), trials))
    low_start = threshold_of(start)
    return TailFit(
        above=low_start,
        comparisons=len(top),
        shape=fit.shape,
        shape_error=float(np.std([tail.shape for tail in drawn])),
        scale=fit.scale,
        scale_error=float(np.std([tail.scale for tail in drawn])),
        misfit=_misfit(excess, fit),
        points=tuple(_point(wanted, low_start, fit, drawn) for wanted in WANTED_FMR),
    )


def _fit(excess: F64, weights: F64, trials: float) -> _Tail:
    """By the first two probability-weighted moments; an exponential has shape 0."""
    order = np.argsort(excess, kind="stable")
    values, weighed = excess[order], weights[order]
    total = float(weighed.sum())
    if total == 0:
        return _Tail(0.0, 0.0, 0.0)
    # Of a value, the share of the others that lie above it.
    over = 1 - (np.cumsum(weighed) - weighed / 2) / total
    mean, moment = float((values * weighed).sum()) / total, float((values * over * weighed).sum()) / total
    ratio = mean / max(1e-12, mean - 2 * moment)
    return _Tail(shape=2 - ratio, scale=2 * moment * ratio, share=total / trials)


def _threshold(wanted: float, start: float, tail: _Tail) -> float:
    if tail.share <= 0:
        return start
    times = max(1.0, tail.share / wanted)
    grown = math.log(times) if abs(tail.shape) < 1e-6 else (times**tail.shape - 1) / tail.shape
    return start + tail.scale * grown


def _point(wanted: float, start: float, fit: _Tail, drawn: list[_Tail]) -> TailPoint:
    low, high = np.percentile([_threshold(wanted, start, tail) for tail in drawn], [2.5, 97.5])
    middle = _threshold(wanted, start, fit)
    return TailPoint(wanted, middle, min(float(low), middle), max(float(high), middle))


def _misfit(excess: F64, fit: _Tail) -> float:
    values = np.sort(excess)
    if abs(fit.shape) < 1e-6:
        over = np.exp(-values / fit.scale)
    else:
        over = np.maximum(0, 1 + fit.shape * values / fit.scale) ** (-1 / fit.shape)
    below, count = 1 - over, len(values)
    places = np.arange(count)
    return float(np.maximum(np.abs((places + 1) / count - below), np.abs(places / count - below)).max())
