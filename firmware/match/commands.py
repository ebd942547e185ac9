"""Carry out what the gate let through. Knows what each command does to this van; refuses to know who may give it.

To narrow takes effect at once and for good; to widen again after a wipe takes a new start, and so an enrolment.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from firmware.arguments import RaiseThreshold, ReleaseList, RevokeEntry
from firmware.match.gate import Order
from firmware.match.orders import NOT_KEPT, WIPED, OrdersError, Standing, StandingOrders
from firmware.match.voice import Result
from firmware.policy.table import CommandName
from models.manifest import ModelError

HISTORY_MAX = 200
_NO_AGENT = Result("failed", "no update agent")


class Looking(Protocol):
    """The part of this process that looks at frames, while it has a list."""

    @property
    def threshold(self) -> float:
        """The least similarity in force, a cosine."""

    def rest(self) -> None:
        """Overwrite every template of a passer-by."""

    def wipe(self) -> None:
        """Overwrite these and the list."""

    def raise_threshold(self, threshold: float) -> None:
        """Ask for at least this similarity."""

    def self_test(self) -> None:
        """Run the self-test, whole; raises :class:`models.manifest.ModelError` where it fails."""

    def go_on_testing(self) -> None:
        """Take a step of the self-test that is due; raises as :meth:`self_test`."""


class Lists(Protocol):
    """Whatever gets this van its list, where that is an update agent."""

    def release(self, asked: ReleaseList) -> Result:
        """Have a list in use."""

    def revoke(self, asked: RevokeEntry) -> Result:
        """Use an entry or a list never again."""

    def check(self) -> Result:
        """Look for updates."""

    def wipe(self) -> None:
        """Overwrite the list, and take no key for another before there is a new release key."""


class NoLists:
    """A van without an update agent."""

    def release(self, asked: ReleaseList) -> Result:  # noqa: ARG002
        """There is none."""
        return _NO_AGENT

    def revoke(self, asked: RevokeEntry) -> Result:  # noqa: ARG002
        """There is none."""
        return _NO_AGENT

    def check(self) -> Result:
        """There is none."""
        return _NO_AGENT

    def wipe(self) -> None:
        """Nothing to overwrite."""


@dataclass(frozen=True)
class Machinery:
    """What commands reach besides the look.

    Attributes:
        uptime_s: monotonic seconds since this boot's start.
        end_deployment: from now on what was not receipted has its time limit; raises nothing.
        reboot: asks for a restart of the machine; False where nobody would hear it, OSError where it cannot be asked.
        lists: gets this van its list.
    """

    uptime_s: Callable[[], float]
    end_deployment: Callable[[], None]
    reboot: Callable[[], bool]
    lists: Lists = NoLists()


class Commands:
    """One thread carries out; it is the one that looks.

    Args:
        orders: what outlives a restart.
        machinery: what is reached.

    Attributes:
        looking: the part that looks; None in a van without a list.
        start_anew: this process has to end and to be started again.
        fault: what a command found wrong, in words.
    """

    def __init__(self, orders: StandingOrders, machinery: Machinery) -> None:
        self.looking: Looking | None = None
        self.start_anew = False
        self.fault = ""
        self._orders = orders
        self._machinery = machinery
        self._history: deque[str] = deque(maxlen=HISTORY_MAX)
        self._table: dict[CommandName, Callable[[Order], Result]] = {
            "status": lambda order: Result("done"),
            "report": lambda order: Result(
                "done", text="\n".join(self._history) or "nothing was ordered since this start"
            ),
            "pause": lambda order: self._narrow("paused"),
            "stop": lambda order: self._narrow("stopped"),
            "purge": lambda order: self._narrow("purged"),
            "lock": lambda order: self._narrow("locked"),
            "resume": self._resume,
            "raise-threshold": self._raise_threshold,
            "selftest": self._self_test,
            "reboot": self._reboot,
            "update.check": lambda order: self._machinery.lists.check(),
            "watchlist.release": self._release,
            "watchlist.revoke": self._revoke,
        }

    def begin_anew(self) -> None:
        """End this process, to be started again."""
        self.start_anew = True

    def carry_out(self, order: Order) -> Result:
        """Do it, and say what became of it."""
        result = self._table[order.name](order)
        by = ", ".join(sorted(keyid[:8] for keyid in order.by))
        what = f"{order.name} by {by} ({order.command.reason}): {result.outcome} {result.why}".rstrip()
        self._history.append(f"{self._machinery.uptime_s():.0f} s: {what}")
        return result

    def _narrow(self, mode: Standing) -> Result:
        if self.looking is not None:  # first of all: nothing below may come between an order and what it is for
            if mode in WIPED:
                self.looking.wipe()
            else:
                self.looking.rest()
        if mode in WIPED:
            self._machinery.lists.wipe()
        try:
            self._orders.narrow(mode)
        except OrdersError:
            result = Result("done", NOT_KEPT)
        else:
            result = Result("done")
        if self._orders.wiped:
            self._machinery.end_deployment()
        return result

    def _resume(self, order: Order) -> Result:
        was_wiped = self._orders.wiped
        if self.fault and not was_wiped and self._self_test(order).outcome != "done":
            return Result("refused", "self-test failed")
        try:
            self._orders.widen()
        except OrdersError:
            return Result("failed", "cannot be kept")
        self.start_anew = self.start_anew or was_wiped
        return Result("done", "starts anew" if was_wiped else "")

    def _raise_threshold(self, order: Order) -> Result:
        wanted = order.arguments.threshold if isinstance(order.arguments, RaiseThreshold) else 0.0
        in_force = max(self._orders.threshold, self.looking.threshold if self.looking else 0.0)
        if wanted <= in_force:
            return Result("refused", "not above the threshold in force")
        if self.looking is not None:
            self.looking.raise_threshold(wanted)
        try:
            self._orders.raise_threshold(wanted)
        except OrdersError:
            return Result("done", NOT_KEPT)
        return Result("done")

    def _release(self, order: Order) -> Result:
        if self.fault:
            return Result("refused", "self-test failed")
        asked = order.arguments
        return self._machinery.lists.release(asked) if isinstance(asked, ReleaseList) else _NO_AGENT

    def _revoke(self, order: Order) -> Result:
        asked = order.arguments
        return self._machinery.lists.revoke(asked) if isinstance(asked, RevokeEntry) else _NO_AGENT

    def prove(self) -> bool:
        """Before the first frame: whether what looks passes its self-test. Where it fails the van looks at nothing."""
        return self.looking is not None and self._tested(self.looking.self_test).outcome == "done"

    def go_on_testing(self) -> None:
        """Between two frames: a step of the self-test that is due. Where it fails the van looks at nothing."""
        if self.looking is not None and self._orders.mode == "seeing":
            self._tested(self.looking.go_on_testing)

    def _self_test(self, _order: Order) -> Result:
        if self.looking is None:
            return Result("failed", "nothing is loaded")
        return self._tested(self.looking.self_test)

    def _tested(self, test: Callable[[], None]) -> Result:
        try:
            test()
        except ModelError as error:
            self.fault = f"self-test failed: {error}"
            self._narrow("paused")
            return Result("failed", "golden vectors not reproduced", str(error))
        self.fault = ""
        return Result("done")

    def _reboot(self, _order: Order) -> Result:
        if not self._orders.kept:
            return Result("refused", "standing orders are not kept")
        try:
            asked = self._machinery.reboot()
        except OSError:
            return Result("failed", "cannot be asked for")
        self.start_anew = True
        return Result("done", "" if asked else "only the processes start anew here")
