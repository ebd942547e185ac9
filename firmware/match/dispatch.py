"""Which rows of the outbox go to the broker now, and when again: in order, at least once, until a receipt.

Knows sequence and seconds; refuses to know sockets, keys and MQTT beyond a reason code. Everything is sent once as soon
as the broker takes it, since an alert is of use for a minute. What was sent and not receipted is sent again, a few rows
at a time and ever more rarely; as soon as receipts come, at full pace.
"""

from __future__ import annotations

from collections import OrderedDict

from firmware.match.outbox import Outbox, Row

WINDOW = 64
"""Most rows that the broker has not answered."""
PROBE = 8
"""Rows that are tried again while no receipt comes."""
RESEND_S, RESEND_MAX_S = 5.0, 60.0
UNHEARD_S = 2.0
"""Nobody had subscribed (MQTT 5, reason 0x10), and may do so at any time."""
ORDERLY_S = 2.0
"""So long after a new connection what was sent before goes first, and is waited for, before anything new is sent."""
UNANSWERED_MAX_S = 30.0
_NOBODY_SUBSCRIBED = 0x10


class Dispatch:
    """One van's deliveries. All times are monotonic seconds; callers hold one lock.

    Args:
        outbox: where the rows are.
    """

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._connected = False
        self._cursor = 0
        self._flying: dict[int, float] = {}  # seq -> when it was sent
        self._unreceipted: OrderedDict[int, float] = OrderedDict()  # seq -> when to send it again
        self._wait_s = RESEND_S
        self._probe_at_s = 0.0
        self._orderly_until_s = 0.0

    @property
    def flying(self) -> int:
        """Rows that the broker has not answered yet."""
        return len(self._flying)

    def connect(self, now_s: float) -> None:
        """The broker is there. What it was given before may be lost: the oldest of it is tried first."""
        self._connected = True
        self._orderly_until_s = now_s + ORDERLY_S
        self._wait_s = RESEND_S
        self._probe_at_s = now_s
        for seq in self._unreceipted:
            self._unreceipted[seq] = now_s

    def disconnect(self) -> None:
        """The broker is gone, with whatever it had not answered."""
        self._connected = False
        if self._flying:
            self._cursor = min(self._cursor, min(self._flying) - 1)
            self._flying.clear()
            for seq in [seq for seq in self._unreceipted if seq > self._cursor]:
                del self._unreceipted[seq]

    def stuck(self, now_s: float) -> bool:
        """The broker neither answers nor goes away: leave it and connect anew."""
        return bool(self._flying) and now_s - min(self._flying.values()) > UNANSWERED_MAX_S

    def due(self, now_s: float) -> list[Row]:
        """The rows to send now, in order; they count as sent."""
        room = WINDOW - len(self._flying)
        if not self._connected or room <= 0:
            return []
        again = self._again(room, now_s)
        older_first = self._overdue(now_s) and now_s < self._orderly_until_s
        fresh = [] if older_first else self._outbox.after(self._cursor, room - len(again))
        if fresh:
            self._cursor = fresh[-1].seq
        rows = again + fresh
        self._flying.update((row.seq, now_s) for row in rows)
        return rows

    def sent(self, seq: int, code: int, now_s: float) -> None:
        """The broker answered; whatever it says, only a receipt deletes the row."""
        if self._flying.pop(seq, None) is not None:
            self._unreceipted[seq] = now_s + (UNHEARD_S if code == _NOBODY_SUBSCRIBED else self._wait_s)

    def receipted(self, seqs: list[int]) -> None:
        """These rows are gone: somebody listens, so what is overdue need not wait."""
        for seq in seqs:
            self._flying.pop(seq, None)
            self._unreceipted.pop(seq, None)
        if seqs:
            self._wait_s = RESEND_S
            self._probe_at_s = 0.0

    def next_due_s(self, now_s: float) -> float:
        """When :meth:`due` may have more to send, unless something happens before."""
        if not self._connected or len(self._flying) >= WINDOW or not self._unreceipted:
            return float("inf")
        again = max(self._probe_at_s, next(iter(self._unreceipted.values())))
        return min(again, self._orderly_until_s) if self._orderly_until_s > now_s else again

    def _overdue(self, now_s: float) -> bool:
        return bool(self._unreceipted) and next(iter(self._unreceipted.values())) <= now_s

    def _again(self, room: int, now_s: float) -> list[Row]:
        """The oldest overdue rows: a few, and then none for a while, unless receipts come."""
        if not self._overdue(now_s) or now_s < self._probe_at_s:
            return []
        probing = self._probe_at_s > 0.0
        seqs: list[int] = []
        for seq, at_s in self._unreceipted.items():
            if at_s > now_s or len(seqs) >= (min(PROBE, room) if probing else room):
                break
            seqs.append(seq)
        for seq in seqs:
            del self._unreceipted[seq]
        self._probe_at_s = now_s + self._wait_s
        self._wait_s = min(2 * self._wait_s, RESEND_MAX_S)
        return self._outbox.rows(seqs)
