"""What the agent says to match next. Knows what was said in this connection; refuses to know sockets and updates.

A connection begins with everything. Afterwards match hears what is news, how it stands every five seconds, and again
what it wanted to be asked later.
"""

from __future__ import annotations

from dataclasses import dataclass

from firmware.handover import FromAgent, Offer, Report, Withdrawn

REPORT_EVERY_S = 5.0
LATER_S = 30.0
"""A match that said "later" is asked again after this."""


@dataclass(frozen=True)
class Bulletin:
    """All that match is to know now."""

    report: Report
    offers: tuple[Offer, ...] = ()
    withdrawn: tuple[Withdrawn, ...] = ()


class Conversation:
    """One connection. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._offered: set[Offer] = set()
        self._withdrawn: set[Withdrawn] = set()
        self._report: Report | None = None
        self._reported_s = 0.0
        self._again_s: dict[str, float] = {}

    def next(self, bulletin: Bulletin, now_s: float) -> list[FromAgent]:
        """What is to be said now; taken as said."""
        said: list[FromAgent] = [one for one in bulletin.withdrawn if one not in self._withdrawn]
        self._withdrawn = set(bulletin.withdrawn)
        if bulletin.report != self._report or now_s - self._reported_s >= REPORT_EVERY_S:
            self._report, self._reported_s = bulletin.report, now_s
            said.append(bulletin.report)
        # What is offered no more and then again (after another one was refused) is news.
        still = {offer for offer in self._offered if offer in bulletin.offers and not self._is_due(offer, now_s)}
        said += [offer for offer in bulletin.offers if offer not in still]
        self._offered = set(bulletin.offers)
        return said

    def ask_again(self, sha256: str, now_s: float) -> None:
        """Match said: later."""
        self._again_s[sha256] = now_s + LATER_S

    def _is_due(self, offer: Offer, now_s: float) -> bool:
        if now_s < self._again_s.get(offer.sha256, now_s + 1):
            return False
        del self._again_s[offer.sha256]
        return True
