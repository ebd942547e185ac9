"""The rules of decision that are compared: the shipped one, and what it would be without each of its parts.

Knows settings; refuses to know crowds.
"""

from __future__ import annotations

from dataclasses import replace

from firmware.match.pipeline import PipelineSettings, Weights

SHIPPED = "as shipped"
COMPARED_AT = 0.46
"""Cosine of the shipped rule in the comparison; every other rule is compared at it too."""
SWEEP = tuple(round(0.36 + 0.02 * step, 2) for step in range(13))
"""Thresholds at which the shipped rule's rates are measured for a calibration."""


def rules() -> dict[str, PipelineSettings]:
    """Every rule that is compared, by name."""
    shipped = _at(COMPARED_AT)
    decision, selection = shipped.decision, shipped.selection
    one = replace(selection, max_shots=1, max_idle_shots=1, usual_shots=1)
    three = replace(selection, max_shots=3, max_idle_shots=3)
    more = replace(selection, usual_shots=4, max_idle_shots=6)
    return {
        SHIPPED: shipped,
        "one shot": replace(shipped, selection=one, decision=replace(decision, caution=0.0, min_agreeing=1)),
        "3 shots at most": replace(shipped, selection=three),
        "more shots": replace(shipped, selection=more, decision=replace(decision, near=0.08)),
        "plain mean": replace(shipped, weights=Weights(0.0, 0.0, 0.0), decision=replace(decision, full_weight=3.0)),
        "no fullness": replace(shipped, weights=Weights(fullness=0.0), min_fullness=0.0),
        "never mirrored": replace(shipped, decision=replace(decision, mirror_slack=-2.0)),
        "always mirrored": replace(shipped, decision=replace(decision, mirror_slack=2.0)),
        "no crowding": replace(shipped, decision=replace(decision, crowding=0.0)),
        "no margin": replace(shipped, decision=replace(decision, min_margin=0.0)),
        "no agreement": replace(shipped, decision=replace(decision, min_agreeing=1)),
        "3 must agree": replace(shipped, decision=replace(decision, min_agreeing=3)),
        "no caution": replace(shipped, decision=replace(decision, caution=0.0)),
    }


def sweep() -> dict[float, PipelineSettings]:
    """The shipped rule at each threshold."""
    return {threshold: _at(threshold) for threshold in SWEEP}


def _at(threshold: float) -> PipelineSettings:
    """The shipped rule without its cooldown: an entry that several walkers resemble is counted for each of them."""
    shipped = PipelineSettings().at(threshold)
    return replace(shipped, decision=replace(shipped.decision, cooldown_s=0.0))
