"""What an evaluation found beyond comparisons of good photographs. Knows which reports there are; not what they say."""

from __future__ import annotations

import msgspec

from models.evaluation.detector import DetectorReport
from models.evaluation.discard import QualityReport
from models.evaluation.peer import PeersReport
from models.evaluation.speed import SpeedReport
from models.evaluation.strata import StrataReport


class Conditions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Reports; one is none where it was not asked for, or where the set bears none.

    Attributes:
        seed: of everything that was drawn.
        strata: probes of falling quality.
        detector: faces of falling size.
        speed: of each stage.
        quality: which figure of quality foretells errors.
        peers: others on the same files.
    """

    seed: int
    strata: StrataReport | None = None
    detector: DetectorReport | None = None
    speed: SpeedReport | None = None
    quality: QualityReport | None = None
    peers: PeersReport | None = None
