"""Which similarity counts, and on whose word. Knows floors and takes the highest; refuses to lower one."""

from __future__ import annotations

import math
from dataclasses import dataclass

from firmware.messages import Binding


@dataclass(frozen=True)
class Floors:
    """The least similarity, a cosine, that each of four asks for; 0 asks for nothing.

    Attributes:
        calibration: for the worst-served group and a list of this length.
        listed: those who signed the list.
        ordered: an operator, since the last deployment.
        configured: this van's configuration.

    Raises:
        ValueError: one that is no cosine.
    """

    calibration: float = 0.0
    listed: float = 0.0
    ordered: float = 0.0
    configured: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what would be no floor."""
        _refuse_no_cosine(self, "calibration", "listed", "ordered", "configured")

    @property
    def threshold(self) -> float:
        """The one in force: the highest."""
        return max(self.calibration, self.listed, self.ordered, self.configured)

    @property
    def binding(self) -> Binding:
        """Whose it is; of equals the first."""
        floors: tuple[tuple[Binding, float], ...] = (
            ("nothing", 0.0),
            ("calibration", self.calibration),
            ("list", self.listed),
            ("order", self.ordered),
            ("configuration", self.configured),
        )
        return next(word for word, floor in floors if floor == self.threshold)


@dataclass(frozen=True)
class Terms:
    """On which a list is used, from its arming to its end.

    Attributes:
        calibration: digest of the one that bears the list.
        least: what it asks for, for the list's length as it was armed: taking entries back does not lower it.
        listed: what the list's signers ask for.

    Raises:
        ValueError: one that is no cosine.
    """

    calibration: str
    least: float
    listed: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what would be no floor."""
        _refuse_no_cosine(self, "least", "listed")

    def floors(self, ordered: float, configured: float) -> Floors:
        """With what else is asked for here."""
        return Floors(self.least, self.listed, ordered, configured)


def _refuse_no_cosine(terms: Floors | Terms, *names: str) -> None:
    for name in names:
        floor: float = getattr(terms, name)
        if not (math.isfinite(floor) and -1 <= floor <= 1):
            raise ValueError(f"{name}: {floor} is no cosine, allowed: -1 to 1")
