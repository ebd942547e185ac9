"""The update agent: what this van is to have now, fetched, verified and installed. Old or new, never mixed.

Knows when each step is due: what is over ends, trials are judged, channels are asked, targets are fetched one by one.
Refuses to know threads, sockets and wall clocks. One :meth:`Agent.step` does one thing; it can be killed between any
two bytes and started again, because the records are written before anything is acted upon.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from board.clock import Clock, ClockError
from ota.choice import Van, choose, is_signed
from ota.complaints import Complaints
from ota.content import KINDS, ROLE, Kind
from ota.installer import NotNow
from ota.records import Installed
from ota.target import Fault, Interrupted, Skipped, Target, UpdateError
from ota.timer import Timer
from ota.transaction import Installations, Shelf
from ota.trusted import Trusted

Answer = Literal["taken", "later", "refused"]


@dataclass(frozen=True)
class Channel:
    """A repository, and whether it can be tried now: a stick is not always there."""

    name: str
    present: Callable[[], bool]
    trusted: Trusted


@dataclass(frozen=True)
class Surroundings:
    """What time it is, what is to be told, and whether something waits that a long fetch must not hold up.

    Attributes:
        note: told an event and its words.
    """

    clock: Clock
    timer: Timer
    note: Callable[[str, str], None]
    urgent: Callable[[], bool] = lambda: False


@dataclass(frozen=True)
class Offered:
    """What the match process is to be offered, and where it lies."""

    installed: Installed
    path: Path


@dataclass(frozen=True)
class Standing:
    """How it stands with updates.

    Attributes:
        floor, checked: seconds since the epoch.
        fault, words: why the van has not what it could have; no fault and words: something waits for its time.
        offers: what is in force or on trial, and match's to use.
        withdrawn: lists that nobody may use any more.
        installed: all that is in force or on trial.
        refusals: since the start.
    """

    floor: int
    checked: int
    fault: Fault | Literal[""]
    words: str
    offers: tuple[Offered, ...]
    withdrawn: tuple[str, ...]
    installed: tuple[Installed, ...]
    refusals: int


class Agent:
    """One van's agent; one thread uses it.

    Args:
        key_id: of the van's key: who it is for the signers.
        channels: the repositories, the usual one first.
        shelf: where content and the memory of it lie.
        around: clock, timer, and who is told.

    Raises:
        UpdateError: ``disk``.
    """

    def __init__(self, key_id: str, channels: Sequence[Channel], shelf: Shelf, around: Surroundings) -> None:
        self._van = Van(key_id, tuple(shelf.deliveries))
        self._channels = channels
        self._shelf = shelf
        self._around = around
        self._complaints = Complaints(around.note)
        self._installations = Installations(shelf, self._fetch, self._complaints)
        self._plan: tuple[Target, ...] = ()
        self._answered: tuple[Channel, ...] = ()
        self._seen: frozenset[str] = frozenset()
        self._start_again()

    def standing(self) -> Standing:
        """How it stands now.

        Raises:
            UpdateError: ``disk``.
        """
        shelf = self._shelf
        installed = tuple(one for kind in KINDS if (one := shelf.records.active(kind)))
        paths = [(one, shelf.deliveries[one.kind].offer(one)) for one in installed if one.kind in shelf.deliveries]
        return Standing(
            floor=self._around.clock.floor,
            checked=shelf.records.checked,
            fault=self._complaints.fault,
            words=self._complaints.words,
            offers=tuple(Offered(one, path) for one, path in paths if path is not None),
            withdrawn=shelf.withdrawn.digests,
            installed=installed,
            refusals=self._complaints.count,
        )

    @property
    def busy(self) -> bool:
        """Whether the next :meth:`step` has something to do already."""
        return bool(self._plan) or self._around.timer.due

    def ask(self) -> None:
        """Somebody wants it to look for updates now."""
        self._around.timer.at_once()

    def answer(self, kind: Kind, sha256: str, answer: Answer, why: str = "") -> None:
        """What the match process says to an offer; a word on what is offered no more says nothing.

        Raises:
            UpdateError: ``disk``.
        """
        here = self._shelf.records.active(kind)
        delivery = self._shelf.deliveries.get(kind)
        if here is None or here.sha256 != sha256 or delivery is None:
            return
        if delivery.offer(here) is not None:  # on software and OS image match has no say
            self._installations.follow(kind, answer, f"{here.path}: {why}")

    def step(self) -> None:
        """Do the next thing that is due, if there is one.

        Raises:
            UpdateError: ``disk``; the records cannot be read or written.
        """
        self._installations.finish_withdrawals()
        time_is_told = self._end_what_is_over()
        self._judge()
        self._notice_channels()
        if self._around.timer.due:
            self._check()
        elif self._plan and time_is_told:
            self._install(self._plan[0])

    def _end_what_is_over(self) -> bool:
        """A list ends with its time, network or not; returns whether the time can be told.

        Where it cannot, nothing ends and nothing is installed: a clock that is wrong for a moment takes no list away
        for good. Match arms none while it hears of that, and one that is armed ends by the seconds that this van runs.
        """
        here = self._shelf.records.active("watchlist")
        try:
            now = self._around.clock.now()
        except ClockError as error:
            self._complaints.complain("clock", "clock", str(error))
            return False
        if here is not None and now >= here.custom.not_after:
            self._installations.follow("watchlist", "gone", "its time is over")
        return True

    def _judge(self) -> None:
        """Trials on which match has no say."""
        for kind, delivery in self._shelf.deliveries.items():
            here = self._shelf.records.active(kind)
            if here is None:
                continue
            try:
                event = delivery.judge(here)
            except (NotNow, OSError) as error:
                self._complaints.complain("not now", "disk", f"{kind}: {error}")
                continue
            if event is not None:
                self._installations.follow(kind, event, f"{here.path}: did not prove itself")

    def _notice_channels(self) -> None:
        """A stick was put in: look at it now."""
        present = frozenset(channel.name for channel in self._channels if channel.present())
        if present - self._seen:
            self._around.timer.at_once()
        self._seen = present

    def _check(self) -> None:
        """Ask every channel that is there, choose, and plan."""
        self._complaints.clear()
        self._plan = ()
        try:
            found = self._ask_channels()
        except Interrupted:
            return  # and it is still due
        if not self._answered:
            self._complaints.complain("check failed", "unreachable", "no channel answered")
            self._around.timer.failed()
            return
        self._complaints.clear()  # one of two channels is enough
        self._around.timer.succeeded()
        try:
            now = self._around.clock.now()
        except ClockError as error:
            self._complaints.complain("clock", "clock", str(error))
            return
        self._weigh(found, now)
        self._start_again()
        self._installations.tidy(self._plan)

    def _ask_channels(self) -> tuple[Target, ...]:
        """What was found by the last that answered: it knows the most, since none may go back behind another."""
        found: tuple[Target, ...] = ()
        self._answered = ()
        for channel in self._channels:
            if not channel.present():
                continue
            try:
                found = channel.trusted.check()
            except UpdateError as error:
                self._complaints.complain("check failed", error.fault, f"{channel.name}: {error}")
            else:
                self._answered = (channel, *self._answered)
        return found

    def _weigh(self, found: tuple[Target, ...], now: int) -> None:
        skipped = self._answered[0].trusted.skipped
        choice = choose(found, self._van, now, self._shelf.records)
        for refusal in (*skipped, *choice.refusals):
            self._complaints.complain("refused", refusal.fault, refusal.words)
        for words in choice.waits:
            self._complaints.wait(words)
        self._take_back(found, skipped)
        self._plan = choice.wanted

    def _take_back(self, found: tuple[Target, ...], skipped: tuple[Skipped, ...]) -> None:
        """A list that is not signed for this van any more is none. Silence of its whole role says nothing of it."""
        here = self._shelf.records.active("watchlist")
        silent = ROLE["watchlist"] in {one.name for one in skipped}
        if here is not None and not silent and not is_signed(here, found, self._van.key_id):
            self._installations.follow("watchlist", "gone", "is not signed for this van any more")

    def _start_again(self) -> None:
        """What is in force or on trial is started, if that did not succeed before."""
        for kind in self._shelf.deliveries:
            self._installations.follow(kind, "restarted")

    def _install(self, target: Target) -> None:
        came_to = self._installations.follow(target.kind, "found", target=target)
        if came_to == "interrupted":
            return
        if came_to == "broken":
            self._around.timer.failed()
        self._plan = self._plan[1:]
        self._installations.tidy(self._plan)

    def _fetch(self, target: Target) -> Path:
        """From the first channel that has it, of those that answered."""
        error = UpdateError("unreachable", f"{target.path}: no channel answered")
        for channel in self._answered:
            try:
                return channel.trusted.fetch(target, self._progress)
            except UpdateError as fault:
                error = fault
        raise error

    def _progress(self, _here: int, _length: int) -> None:
        if self._around.urgent() or self._around.timer.due:
            raise Interrupted
