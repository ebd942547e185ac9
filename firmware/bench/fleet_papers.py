"""What the simulated vans have and will say: keys of their own, sealed events, and when each is said.

Knows the plan, chance from a seed and the real seal; refuses to know connections. Events are sealed here, before
anything is timed: on the road each van does that itself, and a thousand at once would only measure this machine.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pyrage
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pyrage.x25519 import Identity
from securesystemslib.signer import CryptoSigner

from firmware.match.seal import Sealer
from firmware.messages import Counters, MatchEvent, State, Versions

MOST_VANS, MOST_SECONDS, MOST_EVENTS_PER_MINUTE = 5_000, 600, 60.0
MOST_EVENTS = 20_000
"""Sealed events are held in memory: this many take 400 MB."""
AWAY_SHARE = 0.1
"""The vans that have an event to tell while the broker is down."""
CROP_BYTES = 10_000
_TIME = "2026-05-04T09:12:30Z"
_DIGEST = "9c" * 32

Advance = Callable[[str, int, int], None]
"""Told what is under way, how much of it is done, and of how much."""


@dataclass(frozen=True)
class FleetSpec:
    """The fleet.

    Attributes:
        vans: how many.
        seconds: of the steady part.
        events_per_minute: of each van in the steady part.
        autosave_s: how often the broker writes its database.
        seed: of all chance but the keys'.

    Raises:
        ValueError: a figure out of its limits.
    """

    vans: int = 1_000
    seconds: int = 20
    events_per_minute: float = 1.0
    autosave_s: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what this machine could not hold."""
        limits = {
            "vans": (1, MOST_VANS),
            "seconds": (1, MOST_SECONDS),
            "events_per_minute": (0, MOST_EVENTS_PER_MINUTE),
        }
        for name, (least, most) in limits.items():
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name.replace('_', '-')}: expected {least} to {most}, got {getattr(self, name)}")
        if self.steady_events + 2 * self.vans > MOST_EVENTS:
            events = f"{self.steady_events} events in the steady part and up to two more a van"
            raise ValueError(f"events-per-minute: {events}, at most {MOST_EVENTS} can be held")

    @property
    def steady_events(self) -> int:
        """Of all vans together."""
        return round(self.vans * self.seconds * self.events_per_minute / 60)

    @property
    def away(self) -> int:
        """Vans with something to tell while the broker is down."""
        return max(1, round(AWAY_SHARE * self.vans))


@dataclass
class Papers:
    """One van's: its id, its boot, its seal, and its sealed events, by id, in the order in which they are said."""

    van: str
    boot: str
    sealer: Sealer
    events: list[tuple[str, bytes]] = field(default_factory=list)

    def state(self, n: int, uptime_s: float) -> bytes:
        """The signed state number ``n``."""
        state = State(
            v=1, van=self.van, boot=self.boot, n=n, uptime_s=uptime_s, said_utc=_TIME, clock_trusted=True,
            mode="seeing", walled=True, alarms=0, entries=500, threshold=0.46, last_sequence=n,
            counters=Counters(frames=15 * n),
            versions=Versions(kerbside="0.1.0", model=_DIGEST, watchlist=_DIGEST, policy=_DIGEST),
        )  # fmt: skip
        return self.sealer.state(state)


@dataclass(frozen=True)
class Plan:
    """Everything that was made beforehand.

    Attributes:
        papers: of every van.
        steady: when an event is said in the steady part, in seconds from its start, and by the van of which number.
        reading_key: opens what events are encrypted to.
        room: the key that signs receipts.
    """

    papers: tuple[Papers, ...]
    steady: tuple[tuple[float, int], ...]
    reading_key: Identity
    room: CryptoSigner


def prepare(spec: FleetSpec, advance: Advance) -> Plan:
    """Make keys, and seal every event that the bench will need."""
    chance = random.Random(spec.seed)  # noqa: S311
    reading_key = pyrage.x25519.Identity.generate()
    recipients = (reading_key.to_public(),)
    papers = tuple(
        Papers(f"van-{n:04}", f"{n:032x}", Sealer(CryptoSigner(Ed25519PrivateKey.generate()), recipients))
        for n in range(spec.vans)
    )
    steady = sorted((chance.uniform(0, spec.seconds), chance.randrange(spec.vans)) for _ in range(spec.steady_events))
    speakers = [*(n for _, n in steady), *range(spec.vans), *range(spec.away)]
    for done, number in enumerate(speakers):
        van = papers[number]
        event = _event(van, len(van.events), chance.randbytes(CROP_BYTES))
        van.events.append((event.id, van.sealer.match(event)))
        advance("sealing", done + 1, len(speakers))
    return Plan(papers, tuple(steady), reading_key, CryptoSigner(Ed25519PrivateKey.generate()))


def _event(papers: Papers, sequence: int, crop: bytes) -> MatchEvent:
    return MatchEvent(
        id=f"{papers.van}-{sequence:08}", van=papers.van, boot=papers.boot, sequence=sequence, camera="front",
        entry="e-17", category="c", similarity=0.61, threshold=0.46, margin=0.2, observations=4, first_t_ns=1,
        decided_t_ns=2, decided_utc=_TIME, expires_at=_TIME, clock_trusted=True, watchlist_digest=_DIGEST,
        model_digest=_DIGEST, crop_jpeg=crop,
    )  # fmt: skip
