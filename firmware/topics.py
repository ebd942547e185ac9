"""The MQTT topics of one van, and the rules of each. Knows names, QoS, retain and expiry; not what a payload says."""

# ruff: noqa: FBT003  the columns of the table below have a head
from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from firmware.wire import InChannel, OutChannel

ROOT = "lfr/v1"
COMMAND_EXPIRY_S = 60
"""A command that was not delivered by then is dropped by the broker; the gate refuses it anyhow."""


@dataclass(frozen=True)
class Rules:
    """How messages of one kind travel.

    Attributes:
        pattern: under ``lfr/v1/{van}/``; ``{id}`` and ``{class}`` stand for one level.
        qos: 0 or 1.
        retain: whether the broker keeps the last one for later subscribers.
        to_van: the direction.
    """

    pattern: str
    qos: Literal[0, 1]
    retain: bool
    to_van: bool


RULES: dict[OutChannel | InChannel, Rules] = {
    # channel        pattern           qos  retain  to the van
    "state":  Rules("state",           1,   True,   False),
    "match":  Rules("evt/match",       1,   False,  False),
    "audit":  Rules("evt/audit",       1,   False,  False),
    "health": Rules("evt/health",      0,   False,  False),
    "rsp":    Rules("rsp/{id}",        1,   False,  False),
    "cmd":    Rules("cmd/{class}",     1,   False,  True),
    "ack":    Rules("ack/{id}",        1,   False,  True),
}  # fmt: skip


def topic(van: str, channel: OutChannel | InChannel, tail: str = "") -> str:
    """The full topic; ``tail`` fills the last level of ``rsp``, ``cmd`` and ``ack``. ``+`` makes a filter."""
    pattern = RULES[channel].pattern
    return f"{ROOT}/{van}/{pattern.replace('{id}', tail).replace('{class}', tail)}"
