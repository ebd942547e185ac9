"""What goes out next and what came in, without a socket: rows, answers, state and health; commands and receipts.

Knows order, seconds and who is asked about what; refuses to know how bytes travel. All that comes in is from a process
that is not trusted: the gate believes or does not, and everything that waits here is bounded.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import msgspec

from firmware import wire
from firmware.log import Log
from firmware.match.database import DiskError
from firmware.match.dispatch import Dispatch
from firmware.match.gate import Again, Gate, Order, Refused
from firmware.match.orders import Standing
from firmware.match.outbox import TTL_S, Outbox
from firmware.match.voice import Result, Snapshot, Voice

STATE_EVERY_S = 5.0
TEND_EVERY_S = 5.0
WAITING_MAX = 32
"""Orders that wait to be carried out, and answers that wait to be sent."""
DELETED_MAX = 1_000
"""Rows that one transaction deletes."""
_STATE, _OTHER = -1, 0
"""References of what is no row: link's word on it is not waited for, or only so that states do not pile up."""


@dataclass(frozen=True)
class Desk:
    """Whom the mailbox asks.

    Attributes:
        voice: says things.
        outbox: holds what must not be lost.
        gate: believes or does not.
        watch: tells how the process is doing now, but for what the mailbox itself counts.
        mode: what the van was ordered to be.
    """

    voice: Voice
    outbox: Outbox
    gate: Gate
    watch: Callable[[], Snapshot]
    mode: Callable[[], Standing]


class Mailbox:
    """One van's mailbox; any thread may call it. All times are monotonic seconds.

    Args:
        desk: whom it asks.
        log: for what a person has to know.

    Attributes:
        changed: notified when there may be something to send or to carry out.
    """

    def __init__(self, desk: Desk, log: Log) -> None:
        self.changed = threading.Condition(threading.RLock())
        self._desk = desk
        self._log = log
        self._dispatch = Dispatch(desk.outbox)
        self._orders: deque[Order] = deque()
        self._answers: deque[tuple[str, bytes]] = deque(maxlen=WAITING_MAX)
        self._acked: list[str] = []
        self._linked: wire.Linked | None = None
        self._stale = True  # since the last look at what is to be sent
        self._receipted = 0
        self._expired = 0
        self._commands = 0
        self._fault = ""
        self._said: tuple[object, ...] = ()
        self._state_flies = False
        self._state_at_s = 0.0
        self._tend_at_s = 0.0

    @property
    def connected(self) -> bool:
        """Link says that the broker is there."""
        return self._linked is not None and self._linked.connected

    def wait(self, timeout_s: float) -> None:
        """Until there may be something new, at most ``timeout_s``."""
        with self.changed:
            self.changed.wait(timeout_s)

    def nudge(self) -> None:
        """There may be something new to send."""
        with self.changed:
            self._stale = True
            self.changed.notify_all()

    def link_went(self) -> bool:
        """The socket to link is closed: whatever was under way is sent again. Whether link had been there."""
        with self.changed:
            was, self._linked = self._linked is not None, None
            self._lose()
            return was

    def hear(self, message: wire.FromLink, now_s: float) -> None:
        """Take in one message of link."""
        with self.changed:
            if isinstance(message, wire.Sent):
                self._sent(message, now_s)
            elif isinstance(message, wire.Linked):
                self._link_says(message, now_s)
            elif message.channel == "ack":
                self._acked += self._desk.gate.receipt(message)
            else:
                self._command(message)
            self.nudge()

    def outgoing(self, now_s: float) -> list[wire.FromMatch]:
        """What is to be sent to link now; it counts as sent."""
        with self.changed:
            self._stale = False
            self._forget_receipted()
            self._tend(now_s)
            if not self.connected:
                return []
            out: list[wire.FromMatch] = [
                wire.Publish(ref=_OTHER, channel="rsp", tail=id_, payload=payload) for id_, payload in self._answers
            ]
            self._answers.clear()
            out += self._state_and_health(now_s)
            for row in self._dispatch.due(now_s):
                out.append(wire.Publish(ref=row.seq, channel=row.channel, payload=row.payload, expiry_s=TTL_S))
            return out

    def next_due_s(self, now_s: float) -> float:
        """When :meth:`outgoing` may have something, unless :attr:`changed` is notified before."""
        with self.changed:
            if self._stale:
                return now_s
            state_at_s = self._state_at_s if self.connected and not self._state_flies else float("inf")
            return min(state_at_s, self._tend_at_s, self._dispatch.next_due_s(now_s))

    def stuck(self, now_s: float) -> bool:
        """Nobody answers any more: give the connection up."""
        with self.changed:
            return self._dispatch.stuck(now_s)

    def take_order(self) -> Order | None:
        """The next command to carry out; :meth:`settle` must follow.

        It is held against this moment once more: who is one must not lift what locked the van meanwhile.
        """
        with self.changed:
            while self._orders:
                order = self._orders.popleft()
                why = self._desk.gate.second_thoughts(order, self._desk.mode())
                if why is None:
                    return order
                self.settle(order, Result("refused", why))
            return None

    def settle(self, order: Order, result: Result) -> None:
        """Write down what became of a command, and answer it."""
        with self.changed:
            snapshot = self.snapshot()
            self._commands += 1
            self._desk.voice.audit(order, result, snapshot.mode)
            self._log.info(
                "command", command=order.name, id=order.command.id, outcome=result.outcome, why=result.why,
                by=",".join(sorted(keyid[:8] for keyid in order.by)),
            )  # fmt: skip
            answer = self._desk.voice.answer(order, result, snapshot)
            self._desk.gate.answered(order, answer)
            self._answers.append((order.command.id, answer))
            self._state_at_s = 0.0  # whoever ordered it sees at once what it changed
            self.nudge()

    def snapshot(self) -> Snapshot:
        """How the process is doing, with all that is counted here."""
        snapshot, linked = self._desk.watch(), self._linked
        counters = msgspec.structs.replace(
            snapshot.counters,
            waiting=self._desk.outbox.count(),
            in_memory_only=self._desk.outbox.in_memory_only,
            receipted=self._receipted,
            expired_unreceipted=self._expired,
            commands=self._commands,
            refused=dict(self._desk.gate.refused),
            heard_dropped=linked.overflowed if linked else 0,
        )
        return replace(snapshot, counters=counters, alarms=(*snapshot.alarms, *self.alarms()))

    def alarms(self) -> tuple[str, ...]:
        """What a person has to know now, in words."""
        words = []
        if self._linked is None:
            words.append("link is not there")
        elif not self._linked.connected:
            words.append(f"no broker: {self._linked.reason}")
        outbox = self._desk.outbox
        if outbox.in_memory_only:
            words.append(f"{outbox.in_memory_only} messages are in memory only: {outbox.fault}")
        if outbox.full:
            words.append("matching paused: neither disk nor memory takes more messages")
        if self._fault:
            words.append(self._fault)
        return tuple(words)

    def drained(self) -> bool:
        """Everything that is stored was receipted, or nobody is there to take it."""
        with self.changed:
            return not self.connected or not self._desk.outbox.count()

    def said_all(self) -> bool:
        """The broker has answered everything that it was given; nothing waits to be given."""
        with self.changed:
            return not (self._answers or self._state_flies or self._dispatch.flying)

    def _sent(self, message: wire.Sent, now_s: float) -> None:
        if message.ref == _STATE:
            self._state_flies = False
        else:
            self._dispatch.sent(message.ref, message.code, now_s)

    def _link_says(self, message: wire.Linked, now_s: float) -> None:
        was, self._linked = self.connected, message
        if self.connected and not was:
            self._dispatch.connect(now_s)
            self._state_at_s = 0.0
        elif was and not self.connected:
            self._lose()

    def _lose(self) -> None:
        self._dispatch.disconnect()
        self._state_flies = False

    def _command(self, message: wire.Heard) -> None:
        heard = self._desk.gate.hear(message, self._desk.mode())
        if isinstance(heard, Again):
            if heard.answer is not None:
                self._answers.append((heard.id, heard.answer))
        elif isinstance(heard, Refused):
            if heard.order is not None:
                self.settle(heard.order, Result("refused", heard.why))
        elif len(self._orders) >= WAITING_MAX:
            self.settle(heard, Result("failed", "too many at once"))
        else:
            self._orders.append(heard)

    def _state_and_health(self, now_s: float) -> Sequence[wire.FromMatch]:
        """At every change of what matters, and every few seconds; never two states at a time."""
        if self._state_flies:
            return ()
        snapshot = self.snapshot()
        news = (
            *(snapshot.mode, snapshot.walled, snapshot.alarms, snapshot.entries, snapshot.floors),
            *(snapshot.release_key, snapshot.memory, snapshot.updates),
        )
        if news == self._said and now_s < self._state_at_s:
            return ()
        self._said, self._state_at_s, self._state_flies = news, now_s + STATE_EVERY_S, True
        state = self._desk.voice.state(snapshot)
        signed, health = self._desk.voice.signed(state), self._desk.voice.health(state, snapshot)
        return (
            wire.Publish(ref=_STATE, channel="state", payload=signed),
            wire.Publish(ref=_OTHER, channel="health", payload=health),
        )

    def _forget_receipted(self) -> None:
        while self._acked:
            ids = self._acked[:DELETED_MAX]
            try:
                gone = self._desk.outbox.delete(ids)
            except DiskError as error:
                self._fault = f"receipted messages cannot be deleted: {error}"
                return
            del self._acked[: len(ids)]
            self._dispatch.receipted(gone)
            self._receipted += len(gone)
            self._fault = ""
            self.changed.notify_all()  # somebody may wait for the last of them

    def _tend(self, now_s: float) -> None:
        if now_s < self._tend_at_s:
            return
        self._tend_at_s = now_s + TEND_EVERY_S
        try:
            lost = self._desk.outbox.tend()
        except DiskError as error:
            self._fault = f"the outbox cannot be tended: {error}"
            return
        if lost:
            self._expired += lost
            self._log.alarm("messages deleted without a receipt: their deployment ended 24 hours ago", count=lost)
