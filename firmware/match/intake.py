"""What becomes of an offer: proved, handed to whoever takes its kind, remembered, answered. Knows that order.

Refuses to know what any kind is for. Nothing that is not signed reaches a handler; what cannot be told now is asked for
again later, so that a full disk or a missing file costs nothing but time.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from board.clock import Clock, ClockError
from firmware.handover import MAX_WHY, Offer, Verdict
from firmware.log import Log
from firmware.match.agent_line import AgentLine
from firmware.match.kept import KeptError
from firmware.match.offers import NotNow, OfferError, Said
from firmware.match.proofs import Proofs
from ota.content import Custom, Kind

Handler = Callable[[Offer], Said]


class Intake:
    """One thread uses it.

    Args:
        line: to the update agent.
        proofs: tell what was signed.
        clock: says what date it is, if anybody knows.
        log: for what a person has to know.

    Attributes:
        handlers: what is done with a proved offer, by its kind; its counter and times are the signed ones. A kind
            without one is answered "later". May raise OfferError (refused), NotNow, KeptError and OSError (later).
        unfit: the newest offered list, where it may not be released.
    """

    def __init__(self, line: AgentLine, proofs: Proofs, clock: Clock, log: Log) -> None:
        self.handlers: dict[Kind, Handler] = {}
        self.unfit = ""
        self._line = line
        self._proofs = proofs
        self._clock = clock
        self._log = log
        self._listed: tuple[str, Custom] | None = None

    def tend(self) -> None:
        """Answer what was offered since the last call."""
        for offer in self._line.take_offers():
            self._answer(offer)

    def signed_list(self, sha256: str) -> Custom | None:
        """What two people signed of the list that may be released; None of any other."""
        return self._listed[1] if self._listed is not None and self._listed[0] == sha256 else None

    def _answer(self, offer: Offer) -> None:
        said = self._judged(offer)
        if offer.kind == "watchlist":
            self.unfit = "" if said.answer == "taken" else offer.sha256
        verdict = Verdict(kind=offer.kind, sha256=offer.sha256, answer=said.answer, why=said.why[:MAX_WHY])
        self._log.info("offered", kind=offer.kind, sha256=offer.sha256, answer=said.answer, why=said.why)
        self._line.say(verdict)

    def _judged(self, offer: Offer) -> Said:
        if offer.kind == "watchlist":
            self._listed = None
        handler = self.handlers.get(offer.kind)
        if handler is None:
            return Said("later", "nothing here takes it yet")
        try:
            evidence = self._proofs.prove(offer, self._now())
            said = handler(_as_signed(offer, evidence.custom))
            if said.answer == "taken":
                self._proofs.took(offer, evidence)
                if offer.kind == "watchlist":
                    self._listed = offer.sha256, evidence.custom
        except OfferError as error:
            return Said("refused", str(error))
        except (NotNow, KeptError, OSError) as error:
            return Said("later", str(error))
        return said

    def _now(self) -> int | None:
        try:
            return self._clock.now()
        except ClockError:
            return None


def _as_signed(offer: Offer, custom: Custom) -> Offer:
    """What the agent says of it is not believed, now that it is known what the signers say."""
    return msgspec.structs.replace(
        offer, counter=custom.counter, not_before=custom.not_before, not_after=custom.not_after
    )
