"""The agent's standing in the words of the handover. Knows both vocabularies; decides nothing."""

from __future__ import annotations

from pathlib import Path

from firmware.agent.conversation import Bulletin
from firmware.handover import MAX_WHY, Offer, Report, Withdrawn
from firmware.messages import Fitted
from ota.agent import Offered, Standing


def bulletin_of(standing: Standing, metadata: Path) -> Bulletin:
    """All that match is to know; ``metadata`` is the folder of what was verified."""
    report = Report(
        floor=standing.floor,
        checked=standing.checked,
        fault=standing.fault or ("" if standing.checked else "never-checked"),
        words=standing.words[:MAX_WHY],
        fitted=tuple(
            Fitted(kind=one.kind, sha256=one.sha256, counter=one.custom.counter, phase=one.phase)
            for one in standing.installed
        ),
    )
    return Bulletin(report, tuple(_offer(one, metadata) for one in standing.offers), _taken_back(standing))


def _taken_back(standing: Standing) -> tuple[Withdrawn, ...]:
    return tuple(Withdrawn(sha256=sha256) for sha256 in standing.withdrawn)


def _offer(offered: Offered, metadata: Path) -> Offer:
    one = offered.installed
    return Offer(
        kind=one.kind,
        sha256=one.sha256,
        path=str(offered.path),
        metadata=str(metadata),
        counter=one.custom.counter,
        not_before=one.custom.not_before,
        not_after=one.custom.not_after,
    )
