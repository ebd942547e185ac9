"""The TUF roles of a fleet: how many must sign, how long it holds, and what each may name. Refuses to know who signs.

One table, and nothing in a fleet's folder can go below it.
"""

from __future__ import annotations

from dataclasses import dataclass

from ota.content import FOLDER, ROLES, Kind, kinds_of

MINUTE_S = 60
HOUR_S = 60 * MINUTE_S
DAY_S = 24 * HOUR_S
REFRESH_SNAPSHOT_S = 3 * DAY_S
"""A snapshot with less left is signed anew together with the timestamp."""


@dataclass(frozen=True)
class Rule:
    """What holds for a role in every fleet.

    Attributes:
        least: fewest signatures, each of another holder.
        lifetime_s: from its signing to its expiry.
        online: a machine signs it, without a person.
        kinds: what a delegated role names.
        terminating: what this role does not name, no later role can name in its stead.
    """

    least: int
    lifetime_s: int
    online: bool = False
    kinds: tuple[Kind, ...] = ()
    terminating: bool = False

    @property
    def warn_s(self) -> int:
        """With less left than this, ``expiring`` speaks: a quarter of the lifetime, at most 30 days."""
        return min(self.lifetime_s // 4, 30 * DAY_S)

    @property
    def paths(self) -> list[str]:
        """What a delegated role may name."""
        return [f"{FOLDER[kind]}/*" for kind in self.kinds]


RULES: dict[str, Rule] = {
    "root": Rule(2, 365 * DAY_S),
    "targets": Rule(2, 365 * DAY_S),
    "watchlists": Rule(2, 48 * HOUR_S, kinds=kinds_of("watchlists"), terminating=True),
    "revocations": Rule(1, 90 * DAY_S, kinds=kinds_of("revocations")),
    "models": Rule(2, 90 * DAY_S, kinds=kinds_of("models")),
    "policies": Rule(2, 90 * DAY_S, kinds=kinds_of("policies")),
    "software": Rule(2, 90 * DAY_S, kinds=kinds_of("software")),
    "os": Rule(2, 90 * DAY_S, kinds=kinds_of("os")),
    "snapshot": Rule(1, 7 * DAY_S, online=True),
    # A van's time floor takes a timestamp's expiry less 24 h as proof of the time: never sign a longer one. The minutes
    # less are how slow a van's clock may be without its saying, right after a publishing, that it was set back.
    "timestamp": Rule(1, 24 * HOUR_S - 10 * MINUTE_S, online=True),
}
DELEGATED: tuple[str, ...] = ROLES
OFFLINE: tuple[str, ...] = tuple(role for role, rule in RULES.items() if not rule.online)
ONLINE: tuple[str, ...] = tuple(role for role, rule in RULES.items() if rule.online)
