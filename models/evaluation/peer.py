"""What other people's face recognition has to answer, and what is told of it. Knows rates; not who they are.

Their figures are those of :mod:`models.evaluation.report` that a reader compares.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from models.faces import F32
from models.intervals import Rate
from models.portrait import Pixels


@dataclass(frozen=True)
class Peer:
    """Somebody's pipeline.

    Attributes:
        name: with its version.
        template: of the most prominent face of a picture (H, W, 3) u8 RGB, (d) f32 of unit length; none without a face.
    """

    name: str
    template: Callable[[Pixels], F32 | None]


class PeerPoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What reaching a rate costs.

    Attributes:
        wanted: false match rate.
        fnmr: at the threshold for it; none where the set cannot show it.
        mark: what the reader must know of it, as in :class:`models.evaluation.report.OperatingPoint`.
    """

    wanted: float
    fnmr: Rate | None
    mark: str = ""


class PeerSearch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """As :class:`models.evaluation.report.SearchPoint`, without its draws."""

    wanted: float
    tpir: float
    low: float
    high: float


class PeerFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one of them does on the set.

    Attributes:
        name: with its version.
        found: photographs in which it found a face; the other rates are of those.
        pairs: given pairs told apart; a photograph without a face counts as "not the same".
        points: comparisons of all with all.
        searches: of a list of :attr:`PeersReport.entries`.
        det: FMR and FNMR, by rising FMR.
    """

    name: str
    found: Rate
    pairs: Rate | None
    points: tuple[PeerPoint, ...]
    searches: tuple[PeerSearch, ...]
    det: tuple[tuple[float, float], ...]


class PeersReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that are installed.

    Attributes:
        entries: of the list that is searched, one portrait each; 0 where the set bears none.
        peers: Kerbside first.
        absent: who is not, and why.
    """

    entries: int
    peers: tuple[PeerFigures, ...]
    absent: tuple[str, ...]
