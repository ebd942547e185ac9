"""One kind's installation, along the table of :mod:`ota.states`. Knows what each action is; refuses to know why now.

Every action first writes what it is about to make true, or can be done again: the records' commit stands between all
that is verified and all that is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ota.complaints import Complaints
from ota.content import KINDS, Kind
from ota.delivery import Delivery, Unfit
from ota.installer import NotNow
from ota.records import Installed, Records
from ota.states import Action, Event, State, step
from ota.store import Store
from ota.target import Fault, Interrupted, Target, UpdateError
from ota.withdrawn import Withdrawn

Fetch = Callable[[Target], Path]


@dataclass(frozen=True)
class Shelf:
    """Where content and the memory of it lie.

    Attributes:
        deliveries: a kind without one is not taken.
    """

    records: Records
    store: Store
    withdrawn: Withdrawn
    deliveries: Mapping[Kind, Delivery]


@dataclass(frozen=True)
class _Case:
    """What is being done: of which kind, with which target if it is a new one, and in whose words."""

    kind: Kind
    target: Target | None = None
    words: str = ""
    fault: Fault = "refused"


class Installations:
    """All kinds' installations.

    Args:
        shelf: where things lie.
        fetch: brings a target's content into the store; raises UpdateError, Interrupted.
        complaints: told what went wrong.
    """

    def __init__(self, shelf: Shelf, fetch: Fetch, complaints: Complaints) -> None:
        self._shelf = shelf
        self._fetch = fetch
        self._complaints = complaints

    def follow(self, kind: Kind, event: Event, words: str = "", target: Target | None = None) -> Event:
        """Take the event in, and all that follows from it.

        Args:
            kind: whose installation.
            event: see :mod:`ota.states`.
            words: why, for people.
            target: what was found.

        Returns:
            The last event of all that followed.
        """
        case = _Case(kind, target, words)
        state = self._recorded(kind)
        last = event
        following: Event | None = event
        while following is not None:
            last = following
            row = step(state, last)
            state = self._recorded(kind) if row.state == "recorded" else row.state
            following, case = self._try(row.action, state, case)
        return last

    def _recorded(self, kind: Kind) -> State:
        here = self._shelf.records.active(kind)
        if here is None:
            return "idle"
        return "trial" if here.phase == "trial" else "active"

    def _try(self, action: Action, state: State, case: _Case) -> tuple[Event | None, _Case]:
        """Do it; a failure is an event too."""
        try:
            return self._do(action, case), case
        except Interrupted:
            return "interrupted", case
        except Unfit as error:
            return "unfit" if state == "stored" else "refused", replace(case, words=str(error))
        except UpdateError as error:
            return "broken", replace(case, words=str(error), fault=error.fault)
        except (NotNow, OSError) as error:
            return "broken", replace(case, words=f"{case.kind}: {error}", fault="disk")

    def _do(self, action: Action, case: _Case) -> Event | None:
        actions: dict[Action, Callable[[_Case], Event | None]] = {
            "rest": lambda case: None,
            "fetch": self._bring,
            "prepare": self._prepare,
            "commit": self._commit,
            "condemn": self._condemn,
            "start": self._start,
            "settle": self._settle,
            "note": self._note,
            "revert": self._revert,
            "withdraw": self._withdraw,
        }
        return actions[action](case)

    def _bring(self, case: _Case) -> Event:
        self._fetch(_target(case))
        return "fetched"

    def _prepare(self, case: _Case) -> Event:
        self._shelf.deliveries[case.kind].prepare(_target(case))
        return "ready"

    def _commit(self, case: _Case) -> Event:
        self._begin(_target(case))
        return "committed"

    def _condemn(self, case: _Case) -> Event:
        """Committed and refused at once, so that it is not fetched again."""
        self._begin(_target(case))
        return self._revert(case)

    def _begin(self, target: Target) -> None:
        """The commit point. Whatever list was before is taken back first: of lists there are never two."""
        before = self._shelf.records.active(target.kind)
        if target.kind == "watchlist" and before is not None and before.sha256 != target.sha256:
            self._shelf.withdrawn.add(before.sha256)
        self._shelf.withdrawn.drop(target.sha256)
        self._shelf.records.begin(target)
        self._complaints.say("on trial", target.path)

    def _start(self, case: _Case) -> None:
        self._shelf.deliveries[case.kind].start(self._here(case.kind))

    def _settle(self, case: _Case) -> None:
        self._shelf.records.settle(case.kind)
        self._complaints.say("in force", self._here(case.kind).path)

    def _note(self, case: _Case) -> None:
        self._complaints.complain("not now", case.fault, case.words)

    def _revert(self, case: _Case) -> Event:
        here = self._here(case.kind)
        self._complaints.complain("refused", "refused", case.words)
        self._shelf.deliveries[case.kind].leave(here)
        before = self._shelf.records.revert(case.kind, case.words)
        return "emptied" if before is None else "reverted"

    def _withdraw(self, case: _Case) -> None:
        here = self._here(case.kind)
        self._shelf.withdrawn.add(here.sha256)
        self._shelf.records.forget(case.kind)
        self._complaints.say("withdrawn", f"{here.path}: {case.words}")

    def _here(self, kind: Kind) -> Installed:
        here = self._shelf.records.active(kind)
        if here is None:
            raise LookupError(f"no {kind} is recorded")
        return here

    def finish_withdrawals(self) -> None:
        """A list whose withdrawal was written and no more: the withdrawal holds.

        Raises:
            UpdateError: ``disk``.
        """
        here = self._shelf.records.active("watchlist")
        if here is not None and here.sha256 in self._shelf.withdrawn.digests:
            self._shelf.records.forget("watchlist")

    def tidy(self, planned: tuple[Target, ...]) -> None:
        """Remove content that is neither in force, nor what could be gone back to, nor on its way.

        Raises:
            UpdateError: ``disk``.
        """
        records = self._shelf.records
        known = [one for kind in KINDS for one in (records.active(kind), records.previous(kind)) if one is not None]
        wanted = {one.sha256 for one in known} | {target.sha256 for target in planned}
        self._shelf.store.keep_only(wanted)
        for delivery in self._shelf.deliveries.values():
            delivery.keep_only(wanted)


def _target(case: _Case) -> Target:
    if case.target is None:
        raise LookupError(f"no {case.kind} was found")
    return case.target
