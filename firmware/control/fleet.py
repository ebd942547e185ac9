"""The newest signed state of each van, and how sure that is.

Knows how states are ordered and what an unsigned hint is worth; refuses to know MQTT, keys and clocks: a message comes
with the moment at which it was heard. A broker may keep an old state and show it again; whoever has seen a newer one
is not deceived, and who has not can see the age that the state itself tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import msgspec

from firmware.control.seen import Order, Seen, moment
from firmware.control.unseal import Malformed, Unsealer
from firmware.messages import Details, Hint, State

FROZEN_AFTER_S = 120
"""A van says its state far more often; whose newest state is older is perhaps kept from us."""
CLOCKS_AGREE_S = 5


@dataclass(frozen=True)
class Sight:
    """One van as the console knows it.

    Attributes:
        state: its newest verified state; ``None`` when there was none.
        heard_s: monotonic seconds of the console when that came.
        retained: the broker had kept it; how old it was then only the state itself can tell.
        hinted: after that state somebody, unsigned, said that the van is offline.
        details: what its last encrypted report said, when we could open it.
        disbelieved: messages on its topics that were not believed.
        replayed: believed ones that were older than what had been seen.
    """

    state: State | None = None
    heard_s: float = 0.0
    retained: bool = False
    hinted: bool = False
    details: Details | None = None
    disbelieved: int = 0
    replayed: int = 0

    def age_s(self, now_s: float, now_unix: float) -> float | None:
        """Seconds since the state was said; ``None`` when that cannot be told.

        Args:
            now_s: monotonic seconds.
            now_unix: seconds since the epoch.
        """
        if self.state is None:
            return None
        ages = [] if self.retained else [now_s - self.heard_s]
        said = moment(self.state.said_utc) if self.state.clock_trusted else None
        ages += [now_unix - said.timestamp()] if said is not None else []
        return max(ages, default=None)

    def frozen(self, now_s: float, now_unix: float) -> str:
        """Why this may not be the van's newest state, in words; empty when nothing speaks for that."""
        age_s = self.age_s(now_s, now_unix)
        if self.state is None:
            return ""
        if age_s is None:
            return "age not known"
        if age_s < -CLOCKS_AGREE_S:
            return "said in the future: clocks differ"
        return f"frozen? nothing newer for {age_s:.0f} s" if age_s > FROZEN_AFTER_S else ""

    def uptime_s(self, now_s: float, now_unix: float) -> float:
        """The van's uptime now, as far as it can be told: rather too low, and too high by at most ``FROZEN_AFTER_S``,
        whatever a clock says, so that a command made by it ends in time.

        Raises:
            ValueError: there is no state.
        """
        if self.state is None:
            raise ValueError("no state, no uptime")
        kept_s = min(self.age_s(now_s, now_unix) or 0.0, FROZEN_AFTER_S) if self.retained else 0.0
        return self.state.uptime_s + max(now_s - self.heard_s, kept_s)


@dataclass
class Fleet:
    """What was seen of every van. ``remembered`` is from an earlier time; :meth:`memory` is for a later one."""

    unsealer: Unsealer
    remembered: Mapping[str, Seen] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Every known van is in sight, though nothing of it was heard."""
        self._seen = dict(self.remembered)
        self.vans: dict[str, Sight] = {van: Sight() for van in self.unsealer.vans}

    def memory(self) -> dict[str, Seen]:
        """What to remember: the newest of each van."""
        return dict(self._seen)

    def hear_state(self, van: str, payload: bytes, *, retained: bool, now_s: float) -> Order | Literal["hint"]:
        """Take in a message of the topic ``state``.

        Raises:
            NotSigned: neither a hint nor signed by the van; what was known stays.
            Malformed: signed, but no state.
        """
        hint = _hint(payload)
        if hint is not None:
            return self._hear_hint(van, hint)
        state = self.unsealer.state(van, payload)
        return self._place(van, state, Sight(state, now_s, retained))

    def hear_health(self, van: str, payload: bytes, *, now_s: float) -> Order:
        """Take in a message of ``evt/health``: a state with words.

        Raises:
            UnsealError: not believed, or not for us.
        """
        health = self.unsealer.health(van, payload)
        order = self._place(van, health.state, Sight(health.state, now_s, retained=False))
        if order != "older":
            self.vans[van] = replace(self.vans[van], details=health.details)
        return order

    def disbelieve(self, van: str) -> None:
        """Count a message of this van's topics that nobody should act on."""
        if van in self.vans:
            self.vans[van] = replace(self.vans[van], disbelieved=self.vans[van].disbelieved + 1)

    def _hear_hint(self, van: str, hint: Hint) -> Literal["hint"]:
        known = self.vans.get(van)
        if known is None:
            raise Malformed(f"a hint of van '{van}', which is not known here")
        # A will that was overtaken by the van's next birth speaks of a boot that is over: Sparkplug calls it bdSeq.
        if known.state is None or known.state.boot == hint.boot:
            self.vans[van] = replace(known, hinted=True)
        return "hint"

    def _place(self, van: str, state: State, sight: Sight) -> Order:
        known, before = self.vans[van], self._seen.get(van)
        order: Order = "newer" if before is None else before.order(state)
        if order == "older":
            self.vans[van] = replace(known, replayed=known.replayed + 1)
        elif order == "newer" or known.state is None:
            # A hint that came before a state we knew already may be about that state; a newer state refutes it.
            hinted = known.hinted and order == "same"
            same_boot = known.state is not None and known.state.boot == state.boot
            self.vans[van] = replace(
                sight,
                hinted=hinted,
                details=known.details if same_boot else None,
                disbelieved=known.disbelieved,
                replayed=known.replayed,
            )
            self._seen[van] = Seen.first(state) if before is None else before.after(state)
        return order


def _hint(payload: bytes) -> Hint | None:
    try:
        return msgspec.json.decode(payload, type=Hint)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
