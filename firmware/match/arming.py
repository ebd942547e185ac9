"""Whether this van has a list: what is offered, what two people release, and when it ends. Knows the order in which a
list comes to be and ends to be; refuses to know cameras, networks and whose signatures a command needs.

The agent says what there is, and is not believed about it: a release names a list by its digest. Any doubt ends with no
list. One thread uses this; any may read what it says of itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from firmware.arguments import ReleaseList, RevokeEntry
from firmware.handover import Ask, Beat, Offer
from firmware.log import Log
from firmware.match import offers
from firmware.match.agent_line import AgentLine
from firmware.match.armed import Armed
from firmware.match.intake import Handler, Intake
from firmware.match.offers import NotNow, OfferError, Said
from firmware.match.opener import Opener, UnopenedError
from firmware.match.orders import NOT_KEPT
from firmware.match.release import (
    Fit,
    ReleaseRefused,
    Standing,
    fitting,
    refuse_ended,
    terms_of,
    trusted_now,
    wanted_of,
    why_unfit,
)
from firmware.match.revocations import RevocationsError
from firmware.match.voice import Result
from firmware.match.watchlist import Watchlist, WatchlistError
from firmware.messages import Fitted, Memory, Phase, Updates
from models.calibrated import Calibrated
from ota.content import NO_END, Custom, Kind

NO_AGENT = "no update agent"
NOT_LISTED = "not on the list in use"
BEAT_EVERY_S = 5.0


@dataclass(frozen=True)
class Supplies:
    """Whom it asks.

    Attributes:
        line: to the update agent.
        intake: has what it offers proved and handed on.
        opener: opens a list.
        standing: what it is bound by.
        monotonic_s: seconds that go on while the machine sleeps.
    """

    line: AgentLine
    intake: Intake
    opener: Opener
    standing: Standing
    monotonic_s: Callable[[], float]


class Arming:
    """This van's list, or none.

    Args:
        supplies: whom it asks.
        memory: the best that this system gave when it was asked.
        log: for what a person has to know.

    Attributes:
        fit: what a list has to be; None until the networks are proven.
        calibrated: says at which similarity a list may be used, and how long it may be; None where nothing does.
        calibrated_until: when it ends, as it was signed, in seconds since the epoch.
        calibration_fault: why the one that there was cannot be used, in words.
        armed: the list in use.
    """

    def __init__(self, supplies: Supplies, memory: Memory, log: Log) -> None:
        self.fit: Fit | None = None
        self.calibrated: Calibrated | None = None
        self.calibrated_until = NO_END
        self.calibration_fault = ""
        self.armed: Armed | None = None
        self._supplies = supplies
        self._standing = supplies.standing
        self._memory: Memory = memory
        self._log = log
        self._beat_s = 0.0
        self.handlers.update({"watchlist": offers.of_list, "revocation": self._take_revocation})

    @property
    def handlers(self) -> dict[Kind, Handler]:
        """What is done with a proved offer: see :class:`firmware.match.intake.Intake`."""
        return self._supplies.intake.handlers

    @property
    def watchlist(self) -> Watchlist | None:
        """To be searched."""
        return None if self.armed is None else self.armed.watchlist

    @property
    def release_key(self) -> str:
        """To whom a list's key can be encrypted now; empty for nobody."""
        return self._supplies.opener.release_key

    @property
    def memory(self) -> Memory:
        """Where the list lies, or would."""
        armed = self.armed
        return self._memory if armed is None else armed.memory

    @property
    def updates(self) -> Updates:
        """What the agent reports, and what has become of the list here."""
        report = self._supplies.line.report
        offered = self._supplies.line.offer("watchlist")
        floor = self._standing.clock.floor
        if report is None:
            return Updates(floor=floor, checked=0, fault="never-checked", fitted=())
        others = tuple(one for one in report.fitted if one.kind != "watchlist")
        lists = [one for one in report.fitted if one.kind == "watchlist" and one.phase == "refused"]
        if offered is not None:
            phase = self._phase(offered)
            lists = [Fitted(kind="watchlist", sha256=offered.sha256, counter=offered.counter, phase=phase)]
        return Updates(floor=floor, checked=report.checked, fault=report.fault, fitted=(*others, *lists))

    def _phase(self, offered: Offer) -> Phase:
        armed = self.armed
        if armed is not None and armed.sha256 == offered.sha256:
            return "armed"
        return "refused" if offered.sha256 == self._supplies.intake.unfit else "offered"

    @property
    def alarms(self) -> tuple[str, ...]:
        """What a person has to know, in words."""
        report = self._supplies.line.report
        words = [self._supplies.line.fault, self._standing.revocations.fault, self._uncalibrated()]
        if report is not None and report.fault:
            words.append(f"updates: {report.fault}: {report.words}".rstrip(": "))
        if self.memory == "open":
            words.append("the list lies in memory that is not locked")
        return tuple(filter(None, words))

    def calibrate(self, calibrated: Calibrated, until: int = NO_END) -> None:
        """Arm by this one from now on, ``until`` its end; what is armed stays as it is."""
        self.calibrated, self.calibrated_until, self.calibration_fault = calibrated, until, ""
        entries, digest = calibrated.calibration.max_entries, calibrated.digest
        self._log.info("calibration", digest=digest, model=calibrated.calibration.model, longest_list=entries)

    def _uncalibrated(self) -> str:
        """Why no list can be armed by what there is, if so."""
        if self.calibration_fault or self.fit is None:
            return self.calibration_fault
        return why_unfit(self.calibrated, self.calibrated_until, self.fit.use, self._standing.clock)

    def wake(self, nudge: Callable[[], None]) -> None:
        """Have ``nudge`` called, by another thread, when the agent has said something."""
        self._supplies.line.heard = nudge

    def tend(self) -> None:
        """What time and the agent bring. Calling it often is what makes a list end on time."""
        line = self._supplies.line
        if line.report is not None:
            self._standing.clock.raise_floor(line.report.floor)
        for sha256 in line.take_withdrawn():
            if self.armed is not None and self.armed.sha256 == sha256:
                self._end("withdrawn")
        self._supplies.intake.tend()
        now_s = self._supplies.monotonic_s()
        if now_s - self._beat_s >= BEAT_EVERY_S:
            self._beat_s = now_s
            line.say(Beat())
        if self.armed is not None and self.armed.is_over(now_s):
            self._end("its time is over")
        self._standing.revocations.tend()
        if self.armed is None and not self._standing.orders.wiped:
            self._supplies.opener.tend()

    def release(self, asked: ReleaseList) -> Result:
        """Open the list and have it in use, or say why not."""
        try:
            self.armed = self._released(asked)
        except ReleaseRefused as refusal:
            self._log.alarm("release refused", why=refusal.why, reason=str(refusal))
            return Result("refused", refusal.why, str(refusal))
        self._apply_revocations()
        terms = self.armed.terms
        self._log.info(
            "list released",
            entries=len(self.armed.watchlist),
            memory=self.armed.memory,
            least=terms.least,
            listed=terms.listed,
            calibration=terms.calibration,
        )
        return Result("done")

    def revoke(self, asked: RevokeEntry) -> Result:
        """Use the entry, or the whole list, never again."""
        armed = self.armed
        is_elsewhere = armed is not None and armed.sha256 == asked.list and asked.entry and not armed.lists(asked.entry)
        if not self._revoke(((asked.list, (asked.entry,) if asked.entry else ()),)):
            return Result("done", NOT_KEPT)
        return Result("done", NOT_LISTED if is_elsewhere else "")

    def check(self) -> Result:
        """Have the agent look for updates now."""
        return Result("done") if self._supplies.line.say(Ask()) else Result("failed", NO_AGENT)

    def wipe(self) -> None:
        """No list any more, and no key that one could be released to."""
        self._supplies.opener.renew()
        if self.armed is not None:
            self.armed.wipe()
            self.armed = None

    def close(self) -> None:
        """The same, and no agent."""
        self.wipe()
        self._supplies.line.close()

    def _end(self, why: str) -> None:
        self.wipe()
        self._log.info("list wiped", reason=why)

    def _released(self, asked: ReleaseList) -> Armed:
        now, now_s = trusted_now(self._supplies.line.report, self._standing.clock), self._supplies.monotonic_s()
        fit, offer, signed = self._may_arm(asked)
        calibrated = fitting(self.calibrated, fit.use)
        refuse_ended(self.calibrated_until, now)
        terms_of(calibrated, signed.max_faces, signed)  # before anything is decrypted: it may become as long as that
        wanted = wanted_of(asked, fit, signed, now)
        try:
            with offers.opened(offer) as descriptor:
                opened = self._supplies.opener.open(wanted, descriptor)
        except UnopenedError as error:
            raise ReleaseRefused(error.why, str(error)) from error
        except (OfferError, NotNow) as error:
            raise ReleaseRefused("not offered", str(error)) from error
        lasts_s = min(asked.ttl_s, signed.not_after - now)
        try:  # whoever opened it read bytes from outside, and is not taken at its word for how many entries there are
            terms = terms_of(calibrated, len(opened.head.entries), signed)
        except ReleaseRefused:
            opened.memory.wipe()
            raise
        try:
            return Armed(opened, asked.list, now_s + lasts_s, now_s - now, terms)
        except WatchlistError as error:
            raise ReleaseRefused("damaged", str(error)) from error

    def _may_arm(self, asked: ReleaseList) -> tuple[Fit, Offer, Custom]:
        orders, revocations = self._standing.orders, self._standing.revocations
        if orders.wiped:
            raise ReleaseRefused(f"the van is {orders.mode}")
        if self.fit is None:
            raise ReleaseRefused("the van is starting")
        if self.armed is not None:
            same = self.armed.sha256 == asked.list
            raise ReleaseRefused("armed already" if same else "armed with another list")
        if revocations.fault:
            raise ReleaseRefused("revocations not sound", revocations.fault)
        if revocations.whole(asked.list):
            raise ReleaseRefused("revoked")
        offer = self._supplies.line.offer("watchlist")
        if offer is None or offer.sha256 != asked.list:
            raise ReleaseRefused("not offered", "the update agent offers no such list")
        signed = self._supplies.intake.signed_list(asked.list)
        if signed is None:
            raise ReleaseRefused("not offered", "it is not proved that two people signed it")
        return self.fit, offer, signed

    def _take_revocation(self, offer: Offer) -> Said:
        revocation = offers.revocation(offer)
        kept = self._revoke(tuple((one.list, one.entries) for one in revocation.revoked))
        return Said("taken") if kept else Said("later", self._standing.revocations.fault)

    def _revoke(self, revoked: tuple[tuple[str, tuple[str, ...]], ...]) -> bool:
        """Whether it is kept; it is in force in any case."""
        try:
            self._standing.revocations.add_all(revoked)
        except RevocationsError as error:
            self._log.alarm("revocation not kept", reason=str(error))
            return False
        finally:
            self._apply_revocations()
        return True

    def _apply_revocations(self) -> None:
        armed, revocations = self.armed, self._standing.revocations
        if armed is None:
            return
        if revocations.whole(armed.sha256):
            self._end("revoked")
            return
        for mark in revocations.entries(armed.sha256):
            armed.revoke(mark)
