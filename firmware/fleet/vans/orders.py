"""Give one van one of the two orders about a list, with the control room's own session.

Knows the steps: hear the van, compose for its newest state, explain, sign, then write or send. Refuses to know options
and terminals, and what the order says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from securesystemslib.signer import CryptoSigner

from firmware.control import commands, orders
from firmware.control.commands import Wish
from firmware.control.exchange import NoAnswer
from firmware.control.fleet import Sight
from firmware.control.orders import Order
from firmware.control.room import Room
from firmware.control.session import Unavailable
from firmware.messages import Answer, State

STATE_S = 5.0


@dataclass(frozen=True)
class Giving:
    """How an order is given.

    Attributes:
        signers: whose keys are at hand.
        out: only write the signed file, for somebody else's signature.
        timeout_s: how long to wait for the answer.
        explain: told what is about to be signed, before it is.
        new_id: makes ids that never repeat.
    """

    signers: Sequence[CryptoSigner]
    out: Path | None
    timeout_s: float
    explain: Callable[[Order], None]
    new_id: Callable[[], str]


def give(room: Room, van: str, wish_for: Callable[[State], Wish], giving: Giving) -> Answer | None:
    """Order it, and return the van's answer; ``None`` when the order was only written.

    Args:
        room: the console.
        van: who is ordered.
        wish_for: what is wanted of a van in this state.
        giving: how.

    Raises:
        CommandError: the van would refuse it, or signatures are missing.
        NoAnswer, Unavailable: nothing was heard of the van.
    """
    with _broker_named(room), room.exchange(van) as exchange:
        sight = exchange.hear_van(STATE_S)
        ready = _signed(room, sight, wish_for, giving)
        order = orders.explain(ready, sight, room)
        order.check(lone=giving.out is None)
        if giving.out is not None:
            commands.write_file(giving.out, ready, replace=False)
            return None
        return exchange.send(order.command, ready, order.topic_class, giving.timeout_s)


@contextmanager
def _broker_named(room: Room) -> Iterator[None]:
    try:
        yield
    except Unavailable as error:
        raise Unavailable(f"broker {room.file.broker.host}:{room.file.broker.port}: {error}") from error


def _signed(room: Room, sight: Sight, wish_for: Callable[[State], Wish], giving: Giving) -> bytes:
    if sight.state is None:
        raise NoAnswer("no signed state, so no order can be made for it")
    command = orders.compose(wish_for(sight.state), sight, room, giving.new_id())
    ready = commands.sign(command, giving.signers)
    giving.explain(orders.explain(ready, sight, room))
    return ready
