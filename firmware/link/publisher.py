"""Bring every outbox row to the broker at least once, and keep the van's presence, state and counters there up to date.

Knows order, window and what counts as delivered; refuses to know paho, sockets and what an event says.
"""

from __future__ import annotations

import threading
import time

from firmware.link.connection import Acked, Address, Connected, Connection, Inbox, Lost, Message, Unavailable
from firmware.link.outbox import Outbox, OutboxError, Pending
from firmware.link.patience import RETRY_MAX_S, Backoff, Hold
from firmware.link.topics import OFFLINE, Counters, Topics, health_payload, state_payload
from firmware.log import Log
from firmware.wire import Status

WINDOW = 16
TICK_S = 5.0
UNHEARD_MAX_S = 4.0  # an alert is of use for a minute, and a subscriber may come back at any time
CONNACK_TIMEOUT_S = 5.0
GOODBYE_S = 1.0
REFUSED_MAX = 256
_REFUSED = 0x80
_NOBODY_SUBSCRIBED = 0x10


def counts_as_delivered(ack: Acked) -> bool:
    """Whether the outbox may let go of the row: THE place where a receipt signed by the control room will decide.

    Until then a broker's PUBACK decides. One that says that nobody subscribed has kept nothing, so it does not count.
    """
    return ack.code < _REFUSED and ack.code != _NOBODY_SUBSCRIBED


class Publisher:
    """One thread runs :meth:`run`; any thread may call :meth:`wake`, :meth:`report` and :meth:`stop`.

    Args:
        address: the broker.
        topics: the van's topics.
        outbox: where undelivered events are.
        counters: ``delivered``, ``refused``, ``unsent_expired`` and ``connections`` are counted here.
        log: told of every connection, loss, refusal and expiry.
    """

    def __init__(self, address: Address, topics: Topics, outbox: Outbox, counters: Counters, log: Log) -> None:
        self._address = address
        self._topics = topics
        self._outbox = outbox
        self._counters = counters
        self._log = log
        self._status: Status | None = None
        self._stopping = threading.Event()
        self._leave_by = float("inf")
        self._reconnects = Backoff()
        self._unheard = Hold(UNHEARD_MAX_S)  # nobody subscribed
        self._declined = Hold(RETRY_MAX_S)  # refused for another reason
        self._unmarked: set[int] = set()  # delivered, but the disk refused to note it
        self._forget_connection()

    def wake(self) -> None:
        """Say that the outbox has a new row."""
        self._inbox.wake()

    def report(self, status: Status | None) -> None:
        """Say what the match process is doing; ``None`` when it is not connected."""
        self._status = status
        self._inbox.wake()

    def stop(self, drain_s: float) -> None:
        """Make :meth:`run` return: at once without a connection, else when all is delivered or after ``drain_s``."""
        self._leave_by = time.monotonic() + drain_s
        self._stopping.set()
        self._inbox.wake()

    def run(self) -> None:
        """Connect, publish, and connect again after every loss, until :meth:`stop`."""
        while not self._stopping.is_set():
            self._housekeep()
            self._forget_connection()
            reason = self._connect_and_serve()
            if not self._stopping.is_set():
                wait_s = self._reconnects.grow()
                self._log.info("broker_unavailable", reason=reason, retry_s=wait_s)
                self._stopping.wait(wait_s)

    def _forget_connection(self) -> None:
        """Back to knowing only the outbox: message ids, and what was said, belong to one connection."""
        self._inbox = Inbox()
        self._window = WINDOW
        self._in_flight: dict[int, tuple[int, float]] = {}  # message id -> row, when it was sent
        self._unheard.forget()
        self._declined.forget()
        self._state_mid: int | None = None
        self._said_state = b""
        self._report_at = 0.0

    def _connect_and_serve(self) -> str:
        """One connection from start to end; returns why it ended, in words for the log."""
        will = Message(self._topics.state, OFFLINE, retain=True)
        try:
            connection = Connection(self._address, will, WINDOW + 1, self._inbox)
        except Unavailable as error:
            return str(error)
        answer = self._inbox.next(CONNACK_TIMEOUT_S)
        while not isinstance(answer, (Connected, Lost, type(None))):
            answer = self._inbox.next(CONNACK_TIMEOUT_S)
        if not isinstance(answer, Connected) or answer.refused:
            connection.drop()
            return "no answer to CONNECT" if answer is None else answer.reason
        self._counters.connections += 1
        self._log.info("broker_connected", host=self._address.host, port=self._address.port)
        # One of the broker's places is for the state message.
        self._window = max(1, min(WINDOW, answer.receive_maximum - 1))
        return self._serve(connection)

    def _serve(self, connection: Connection) -> str:
        steady_at = time.monotonic() + RETRY_MAX_S
        while not self._may_leave():
            self._say_state_and_health(connection)
            self._fill_window(connection)
            happening = self._inbox.next(self._wait_s())
            if isinstance(happening, Lost):
                connection.drop()
                if time.monotonic() >= steady_at:
                    self._reconnects.reset()
                return happening.reason
            if isinstance(happening, Acked):
                self._settle(happening)
        self._say_goodbye(connection)
        return "leaving"

    def _wait_s(self) -> float:
        """How long nothing can become due."""
        now = time.monotonic()
        retries = (hold.next_due() for hold in (self._unheard, self._declined))
        # A row that is due already waits for room in the window, so for an acknowledgement.
        return min(self._report_at, self._leave_by, *(at for at in retries if at > now)) - now

    def _may_leave(self) -> bool:
        if not self._stopping.is_set():
            return False
        return time.monotonic() >= self._leave_by or not (self._in_flight or self._outbox.count())

    def _fill_window(self, connection: Connection) -> None:
        room = self._window - len(self._in_flight)
        if room <= 0:
            return
        now = time.monotonic()
        for row in self._next_rows(room, now):
            expiry_s = max(1, int(row.expires_in_s))
            mid = connection.publish(Message(self._topics.match, row.payload, expiry_s=expiry_s))
            self._in_flight[mid] = row.seq, now

    def _next_rows(self, room: int, now: float) -> list[Pending]:
        """Rows never refused, at once, so that refused ones hold up nobody; then the refused ones that are due."""
        under_way = {*self._unmarked, *(seq for seq, _ in self._in_flight.values())}
        held = self._unheard.rows | self._declined.rows
        # A broker that refused so many refuses everything: the rest of a long queue need not be sent to learn that.
        rows = self._outbox.pending(room, under_way | held) if len(held) < REFUSED_MAX else []
        due = self._unheard.due(now) | self._declined.due(now)
        room -= len(rows)
        if not due or not room:
            return rows
        again = self._outbox.pending(room, under_way | (held - due) | {row.seq for row in rows})
        # Where not even the room was filled, what is due and was not found has expired.
        tried = {row.seq for row in again} if len(again) == room else due
        self._unheard.release(tried)
        self._declined.release(tried)
        return rows + again

    def _settle(self, ack: Acked) -> None:
        if ack.mid == self._state_mid:
            self._state_mid = None
            if ack.code >= _REFUSED:
                self._log.alarm("state_refused", reason=ack.reason)
            return
        if ack.mid not in self._in_flight:
            return  # paho tells of a QoS 0 message as soon as it is written
        seq, sent = self._in_flight.pop(ack.mid)
        if counts_as_delivered(ack):
            self._counters.delivered += 1
            self._reconnects.reset()
            self._unheard.reset()
            self._declined.reset()
            self._unmarked.add(seq)
            self._mark_delivered()
            if not self._in_flight:
                self._report_at = 0.0
        else:
            hold = self._unheard if ack.code == _NOBODY_SUBSCRIBED else self._declined
            wait_s = hold.refuse(seq, sent, time.monotonic())
            self._counters.refused += 1
            self._log.alarm("event_refused", row=seq, reason=ack.reason, code=ack.code, retry_s=wait_s)

    def _mark_delivered(self) -> None:
        for seq in sorted(self._unmarked):
            try:
                self._outbox.mark_delivered(seq)
            except OutboxError as error:
                self._log.alarm("outbox_unwritable", error=str(error), waiting=len(self._unmarked))
                return
            self._unmarked.discard(seq)
            self._log.info("event_delivered", row=seq)

    def _say_state_and_health(self, connection: Connection) -> None:
        """State when it changed; both after a delivery and every ``TICK_S``: an old will may overtake a new state."""
        due = time.monotonic() >= self._report_at
        state = state_payload(self._status)
        if (due or state != self._said_state) and self._state_mid is None:
            self._state_mid = connection.publish(Message(self._topics.state, state, retain=True))
            self._said_state = state
        if due:
            self._report_at = time.monotonic() + TICK_S
            self._housekeep()
            health = health_payload(self._outbox.count(), self._counters)
            connection.publish(Message(self._topics.health, health, qos=0))

    def _housekeep(self) -> None:
        self._mark_delivered()
        try:
            lost = self._outbox.expire()
        except OutboxError as error:
            self._log.alarm("outbox_unwritable", error=str(error))
            return
        if lost:
            self._counters.unsent_expired += lost
            self._log.alarm("events_expired_unsent", count=lost)

    def _say_goodbye(self, connection: Connection) -> None:
        last = connection.publish(Message(self._topics.state, OFFLINE, retain=True))
        give_up_at = time.monotonic() + GOODBYE_S
        while time.monotonic() < give_up_at:
            happening = self._inbox.next(give_up_at - time.monotonic())
            if isinstance(happening, Lost):
                break
            if isinstance(happening, Acked):
                self._settle(happening)
                if happening.mid == last:
                    break
        connection.leave()
