"""What a van says on which topic, besides its events: presence, state and counters.

Knows topic names and the JSON on them; refuses to know when anything is said.
"""

from __future__ import annotations

import msgspec

from firmware.wire import Status

OFFLINE = b'{"online":false}'


class Topics:
    """The topics of one van; its id is the certificate's name too, so a broker can bind the two."""

    def __init__(self, van: str) -> None:
        self.match = f"lfr/v1/{van}/evt/match"
        self.health = f"lfr/v1/{van}/evt/health"
        self.state = f"lfr/v1/{van}/state"


class Idle(msgspec.Struct, frozen=True):
    """The van is online and nothing is known of its match process, so nothing is claimed."""

    online: bool = True
    match_connected: bool = False


class Working(Status, frozen=True, kw_only=True, tag=False):
    """The van is online and this is what its match process last said."""

    online: bool = True
    match_connected: bool = True


class Counters(msgspec.Struct):
    """What ``link`` did since it started. Each field is written by one thread only.

    ``unsent_expired`` counts events lost to their time limit; ``not_stored`` those that ``match`` has to keep.
    """

    delivered: int = 0
    refused: int = 0
    unsent_expired: int = 0
    connections: int = 0
    stored: int = 0
    not_stored: int = 0
    duplicates: int = 0
    peers_dropped: int = 0


class Health(msgspec.Struct, frozen=True):
    """The counters, and how many events wait for delivery."""

    pending: int
    counters: Counters


def state_payload(status: Status | None) -> bytes:
    """The retained JSON on the state topic: one flat object, ``online`` in it, whether or not match is there."""
    if status is None:
        return msgspec.json.encode(Idle())
    return msgspec.json.encode(Working(**msgspec.structs.asdict(status)))


def health_payload(pending: int, counters: Counters) -> bytes:
    """The JSON on the health topic."""
    return msgspec.json.encode(Health(pending, counters))
