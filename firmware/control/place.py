"""Where a message stands: van, channel and tail out of its topic. Knows the topic tree; believes nothing of it."""

from __future__ import annotations

from dataclasses import dataclass

from firmware.topics import ROOT, RULES, topic
from firmware.wire import InChannel, OutChannel

_FIXED: dict[str, OutChannel] = {RULES[channel].pattern: channel for channel in ("state", "match", "audit", "health")}
_ANSWER = RULES["rsp"].pattern.removesuffix("{id}")


@dataclass(frozen=True)
class Place:
    """``tail`` is the id of an answer's topic, else empty."""

    van: str
    channel: OutChannel
    tail: str = ""


def place_of(name: str) -> Place | None:
    """The place that a topic names; ``None`` when a van has no such topic to speak on."""
    if not name.startswith(f"{ROOT}/"):
        return None
    van, _, rest = name.removeprefix(f"{ROOT}/").partition("/")
    if rest in _FIXED:
        return Place(van, _FIXED[rest])
    tail = rest.removeprefix(_ANSWER)
    return Place(van, "rsp", tail) if rest.startswith(_ANSWER) and tail and "/" not in tail else None


def filters(channels: tuple[OutChannel | InChannel, ...], van: str | None) -> tuple[str, ...]:
    """Topic filters of these channels, of one van or of all."""
    return tuple(topic(van or "+", channel, "+") for channel in channels)
