"""How the match process is doing, in one place that any thread may ask. Knows whom to ask; changes nothing."""

from __future__ import annotations

from collections.abc import Callable

from firmware.match.arming import Arming
from firmware.match.commands import Commands
from firmware.match.looking import Look
from firmware.match.orders import StandingOrders
from firmware.match.outbox import Outbox
from firmware.match.threshold import Floors
from firmware.match.voice import Snapshot
from firmware.match.wall import WALLED
from firmware.messages import Counters, Mode

STUCK_S = 30.0
"""Enrolment of a list takes less."""


class Status:
    """The process at any moment.

    Args:
        clock: monotonic seconds.
        wall: what :func:`firmware.match.wall.raise_wall` achieved.
        orders: what the van was ordered to be.
        outbox: full means that nothing may be looked at.
        commands: what they found wrong.

    Attributes:
        look: the part that looks; kept after its end for its counters.
        arming: gets this van its list, where that is an update agent.
        configured: the least similarity that the configuration asks for.
        standing: what a person has to know of this machine while nothing is looked at.
        ended: the process is about to end.
    """

    def __init__(
        self, clock: Callable[[], float], wall: str, orders: StandingOrders, outbox: Outbox, commands: Commands
    ) -> None:
        self.orders = orders
        self._clock = clock
        self._beat_s = clock()
        self.look: Look | None = None
        self.arming: Arming | None = None
        self.configured = 0.0
        self.standing: tuple[str, ...] = ()
        self.ended = False
        self._wall = wall
        self._outbox = outbox
        self._commands = commands

    def beat(self) -> None:
        """The loop that looks and carries out is alive."""
        self._beat_s = self._clock()

    def may_look(self) -> bool:
        """Whether frames may be looked at now."""
        return self.orders.mode == "seeing" and not self._outbox.full and not self._commands.start_anew

    def snapshot(self) -> Snapshot:
        """All of it, but for what the mailbox counts."""
        look, arming, gone = self.look, self.arming, self.orders.wiped or self.ended or self._unarmed()
        return Snapshot(
            mode=self._mode(),
            walled=self._wall == WALLED,
            wall=self._wall,
            alarms=self._alarms(),
            entries=0 if look is None or gone else look.entries,
            floors=self._floors(),
            counters=Counters() if look is None else look.counters(),
            cameras={} if look is None or gone else look.cameras,
            release_key="" if arming is None or self.orders.wiped or self.ended else arming.release_key,
            memory="open" if arming is None else arming.memory,
            self_test_ago_s=None if look is None or gone else look.vigil.passed_ago_s,
            updates=None if arming is None else arming.updates,
        )

    def _floors(self) -> Floors:
        look = self.look
        if look is not None and self._commands.looking is look:
            return look.floors
        return Floors(ordered=self.orders.threshold, configured=self.configured)

    def _mode(self) -> Mode:
        if self.ended:
            return "ended"
        if self.orders.mode != "seeing":
            return self.orders.mode
        if self._unarmed():
            return "unarmed"
        return "paused" if self.look is None or self.look.idle or self._outbox.full else "seeing"

    def _unarmed(self) -> bool:
        return self.arming is not None and self.arming.armed is None

    def _alarms(self) -> tuple[str, ...]:
        seen = self.standing if self.look is None or self._unarmed() else self.look.alarms()
        lists = () if self.arming is None else self.arming.alarms
        wall = () if self._wall == WALLED else (self._wall,)
        silent_s = self._clock() - self._beat_s
        stuck = (f"nobody has looked or obeyed for {silent_s:.0f} s",) if silent_s > STUCK_S else ()
        lively = () if self.ended else (*seen, *lists)
        return (*wall, *stuck, *lively, *filter(None, (self.orders.fault, self._commands.fault)))
