"""Carry messages between one match process and the broker; keep nothing that the loss of either would miss.

Knows what is under way, what may come in and when who is told; refuses to know what a payload says: it is sealed
before it comes here, and what comes from the broker is believed by nobody before the match process has checked it.
"""

from __future__ import annotations

import re
import select
import threading
from collections import Counter, deque
from collections.abc import Callable

from firmware.framing import WireError
from firmware.link.connection import Arrived, Connection, Message, Unavailable
from firmware.link.door import Door, Gone, Peer
from firmware.link.line import Line
from firmware.listener import Refused
from firmware.log import Log
from firmware.topics import RULES, topic
from firmware.wire import MAX_REASON, MAX_TAIL, FromMatch, Heard, InChannel, Linked, Publish, Sent

UNANSWERED_MAX = 128
"""``Publish`` that match sends without waiting for ``Sent``. It keeps to half of it."""
UNREAD_MAX_BYTES = 1024 * 1024
"""What match has not read; beyond it nothing more is heard of the broker, and nothing more read from match."""
UNWRITTEN_MAX = 128
"""Packets that the broker has not read; beyond it messages that may get lost get lost."""
LIMIT_BYTES: dict[InChannel, int] = {"cmd": 16 * 1024, "ack": 8 * 1024}
LINKED_EVERY_S = 5.0
LOG_EVERY_S = 1.0
POLL_S = 0.2
_DIAL_POLL_S = 0.02
_QUOTA_EXCEEDED = 0x97
_PACKET_TOO_LARGE = 0x95


class Relay:
    """The link process's one loop.

    Args:
        van: its id, for the topics.
        door: where match comes in; closed when :meth:`run` ends.
        line: to the broker.
        clock: monotonic seconds.
        log: told of every peer and of everything dropped; never of a payload.
    """

    def __init__(self, van: str, door: Door, line: Line, clock: Callable[[], float], log: Log) -> None:
        self._van = van
        self._door = door
        self._line = line
        self._clock = clock
        self._log = log
        self._peer: Peer | None = None
        self._boot: str | None = None
        self._waiting: deque[Publish] = deque()
        self._under_way: dict[int, int] = {}  # message id -> ref
        self._peers_dropped = 0
        self._overflowed = 0
        self._unlogged: Counter[str] = Counter()
        self._log_at_s = 0.0
        self._told: tuple[bool, int, str] | None = None
        self._tell_at_s = 0.0
        self._heads: dict[str, InChannel] = {topic(van, channel): channel for channel in LIMIT_BYTES}
        self._tail = re.compile(rf"[A-Za-z0-9._-]{{1,{MAX_TAIL}}}")

    def run(self, over: threading.Event) -> None:
        """Serve until ``over`` is set; then say goodbye."""
        while not over.is_set():
            self._step()
        self._part()
        self._door.close()

    def _step(self) -> None:
        door_calls, peer_calls = self._wait()
        now_s = self._clock()
        if door_calls:
            self._accept(now_s)
        try:
            if peer_calls and self._peer is not None:
                self._take(self._peer.receive(now_s), now_s)
            self._listen(now_s)
            if self._line.connection is not None:
                self._line.connection.flush()
            self._tell(now_s)
            if self._peer is not None:
                self._peer.flush(now_s)
                self._peer.check(now_s)
        except Gone:
            self._part()
        except WireError as error:
            self._drop_peer(str(error))
            self._part()
        self._log_drops(now_s)

    def _wait(self) -> tuple[bool, bool]:
        """Until something can be read or written; whether somebody knocks, and whether match can be read."""
        peer, connection = self._peer, self._line.connection
        readers: list[Door | Peer | Connection] = [self._door]
        writers: list[Peer | Connection] = []
        timeout_s = _DIAL_POLL_S if self._line.dialling else POLL_S
        if peer is not None:
            # What match is not told for want of room is not asked for either.
            readers += [peer] if peer.unread_bytes < UNREAD_MAX_BYTES else []
            writers += [peer] if peer.unread_bytes else []
        if connection is not None and connection.fileno() >= 0:
            readers += [connection]
            writers += [connection] if connection.wants_write else []
        if connection is not None and (connection.unfinished or connection.fileno() < 0):
            timeout_s = 0.0
        readable, _, _ = select.select(readers, writers, [], timeout_s)
        return self._door in readable, peer is not None and peer in readable

    def _accept(self, now_s: float) -> None:
        try:
            peer = self._door.admit(now_s)
        except Refused as error:
            self._drop_peer(str(error))
            return
        if peer is not None:
            self._part()
            self._peer = peer
            self._log.info("match_connected")

    def _drop_peer(self, reason: str) -> None:
        self._peers_dropped += 1
        self._log.alarm("peer_dropped", reason=reason, count=self._peers_dropped)

    def _part(self) -> None:
        """Match is gone, or given up: so is its connection to the broker."""
        if self._peer is None:
            return
        self._peer.close()
        self._peer, self._boot, self._told = None, None, None
        self._log.info("match_gone")
        self._line.serve(None)
        self._forget()

    def _forget(self) -> None:
        self._waiting.clear()
        self._under_way.clear()

    def _take(self, messages: list[FromMatch], now_s: float) -> None:
        for message in messages:
            if isinstance(message, Publish):
                self._publish(message, now_s)
            elif self._boot is None:
                self._boot = message.boot
                self._line.serve(message.boot)
            else:
                raise WireError("said twice who it is")

    def _publish(self, message: Publish, now_s: float) -> None:
        rules = RULES[message.channel]
        if self._boot is None:
            raise WireError("did not say who it is first")
        if bool(message.tail) != ("{" in rules.pattern):
            raise WireError(f"channel {message.channel} with the tail '{message.tail}'")
        if not self._line.up:
            return  # match knows from Linked, and will send it again
        if not self._line.takes(message):
            self._say(Sent(message.ref, _PACKET_TOO_LARGE), now_s)
        elif rules.qos == 0:
            self._say(Sent(message.ref, self._let_go(message, now_s)), now_s)
        elif len(self._waiting) + len(self._under_way) < UNANSWERED_MAX:
            self._waiting.append(message)
        else:
            raise WireError(f"sent more than {UNANSWERED_MAX} messages without waiting for answers")

    def _let_go(self, message: Publish, now_s: float) -> int:
        """Publish what may get lost; returns the reason code."""
        connection = self._line.connection
        if connection is not None and connection.unwritten >= UNWRITTEN_MAX:
            return _QUOTA_EXCEEDED
        self._hand_over(message, now_s)
        return 0

    def _hand_over(self, message: Publish, now_s: float) -> int:
        """Publish; returns the message id, 0 when that lost the connection."""
        rules = RULES[message.channel]
        name = topic(self._van, message.channel, message.tail)
        try:
            return self._line.publish(Message(name, message.payload, rules.qos, rules.retain, message.expiry_s))
        except Unavailable as error:
            self._line.lose(str(error), now_s)
            self._forget()
            return 0

    def _listen(self, now_s: float) -> None:
        """What the broker says, and what may be said to it next."""
        was_up = self._line.up
        for told in self._line.turn(now_s):
            if isinstance(told, Arrived):
                self._hear(told, now_s)
            elif (ref := self._under_way.pop(told.mid, None)) is not None:
                self._say(Sent(ref, told.code), now_s)
        if was_up and not self._line.up:
            self._forget()
        while self._waiting and len(self._under_way) < self._line.window:
            message = self._waiting.popleft()
            if mid := self._hand_over(message, now_s):
                self._under_way[mid] = message.ref

    def _hear(self, arrived: Arrived, now_s: float) -> None:
        head, _, tail = arrived.topic.rpartition("/")
        channel = self._heads.get(f"{head}/")
        if channel is None:
            self._drop("topic")
        elif not self._tail.fullmatch(tail):
            self._drop("tail")
        elif len(arrived.payload) > LIMIT_BYTES[channel]:
            self._drop("size")
        elif self._peer is not None and self._peer.unread_bytes >= UNREAD_MAX_BYTES:
            self._drop("match is slow")
        else:
            self._say(Heard(channel=channel, tail=tail, payload=arrived.payload, retained=arrived.retained), now_s)

    def _drop(self, reason: str) -> None:
        self._overflowed += 1
        self._unlogged[reason] += 1

    def _log_drops(self, now_s: float) -> None:
        if self._unlogged and now_s >= self._log_at_s:
            self._log_at_s, self._tell_at_s = now_s + LOG_EVERY_S, now_s
            self._log.alarm("heard_dropped", count=self._unlogged.total(), reason=", ".join(sorted(self._unlogged)))
            self._unlogged.clear()

    def _tell(self, now_s: float) -> None:
        """How it stands: when that changed, and now and then."""
        line = self._line
        linked = Linked(
            connected=line.up,
            connections=line.connections,
            overflowed=self._overflowed,
            reason=line.reason[:MAX_REASON],
        )
        changed = (linked.connected, linked.connections, linked.reason) != self._told
        if self._boot is not None and (changed or now_s >= self._tell_at_s):
            self._told = linked.connected, linked.connections, linked.reason
            self._tell_at_s = now_s + LINKED_EVERY_S
            self._say(linked, now_s)

    def _say(self, message: Sent | Heard | Linked, now_s: float) -> None:
        if self._peer is not None:
            self._peer.say(message, now_s)
