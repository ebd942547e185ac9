"""The van's line to the broker: connected while a match process wants it, and again after every loss.

Knows the way from nothing to a granted subscription, the last will and the back-off; refuses to know sockets, the
match process and what a message says.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import msgspec

from firmware.link.connection import (
    Acked,
    Address,
    Arrived,
    Connected,
    Connection,
    Lost,
    Message,
    Subscribed,
    Unavailable,
)
from firmware.link.patience import RETRY_MAX_S, Backoff
from firmware.log import Log
from firmware.topics import topic
from firmware.wire import Publish

WINDOW = 64
"""Most messages that the broker has not answered; a broker may ask for fewer."""
ANSWER_TIMEOUT_S = 5.0
GOODBYE_S = 1.0
_REFUSED = 0x80


class _Hint(msgspec.Struct, frozen=True):
    """What the broker says of a van that is gone. Unsigned: a hint, never evidence."""

    online: bool
    boot: str


class _Dial:
    """One connection attempt in a thread of its own: names are looked up and handshakes done without holding up match.

    ``result`` is set when it is over. An attempt that nobody asks for closes with its last use.
    """

    def __init__(self, address: Address, will: Message, boot: str) -> None:
        self.boot = boot
        self.result: Connection | Unavailable | None = None
        self._address = address
        self._will = will
        threading.Thread(target=self._run, name="dial", daemon=True).start()

    def _run(self) -> None:
        try:
            # One more place than the window is for the goodbye.
            self.result = Connection(self._address, self._will, WINDOW + 1)
        except Unavailable as error:
            self.result = error


class Line:
    """Whoever owns it calls :meth:`turn` again and again. Times are monotonic seconds.

    Args:
        address: the broker.
        van: its id, for the topics.
        chance: a number in [0, 1) at each call, for the back-off.
        log: told of every connection, loss and refusal.

    Attributes:
        up: whether the broker has answered CONNECT and granted the subscriptions.
        reason: why not, in words.
        connections: how many there were.
        window: the most messages that may be unanswered now.
    """

    def __init__(self, address: Address, van: str, chance: Callable[[], float], log: Log) -> None:
        self.up = False
        self.reason = "not asked for"
        self.connections = 0
        self.window = WINDOW
        self._address = address
        self._van = van
        self._log = log
        self._backoff = Backoff(chance)
        self._boot: str | None = None
        self._dial: _Dial | None = None
        self._connection: Connection | None = None
        self._retry_at_s = 0.0
        self._deadline_s = 0.0
        self._steady_at_s = 0.0
        self._packet_maximum = 0
        self._subscription = 0

    @property
    def connection(self) -> Connection | None:
        """For ``select``."""
        return self._connection

    @property
    def dialling(self) -> bool:
        """Whether an attempt is under way, of which ``select`` knows nothing."""
        return self._dial is not None

    def serve(self, boot: str | None) -> None:
        """Be there for the match process of epoch ``boot``, or for none. What was under way is forgotten."""
        if self._connection is not None:
            if self.up:
                self._connection.leave(self._hint(self._boot or ""), GOODBYE_S)
            self._connection.drop()
        self._boot = boot
        self._connection, self.up = None, False
        self.reason = "not asked for" if boot is None else "connecting"

    def turn(self, now_s: float) -> list[Acked | Arrived]:
        """Go on, without waiting; returns what the broker said that match may want to know."""
        if self._connection is None:
            self._approach(now_s)
        if self._connection is None:
            return []
        told: list[Acked | Arrived] = []
        for happening in self._connection.turn():
            if self._connection is None:
                break  # lost once already
            if isinstance(happening, (Acked, Arrived)):
                told.append(happening)
                if isinstance(happening, Acked) and happening.code < _REFUSED:
                    self._backoff.reset()
            elif isinstance(happening, Lost):
                self.lose(happening.reason, now_s)
            elif isinstance(happening, Connected):
                self._subscribe(happening, now_s)
            else:
                self._settle(happening, now_s)
        self._check_time(now_s)
        return told

    def takes(self, message: Publish) -> bool:
        """Whether the broker said that it accepts a message so large; it would end the connection otherwise."""
        # The rest of a PUBLISH packet: header, topic, message id and expiry.
        return len(message.payload) + 256 <= self._packet_maximum

    def publish(self, message: Message) -> int:
        """Give one message to the connection; returns the id of its :class:`Acked`. Only while :attr:`up`.

        Raises:
            Unavailable: the connection is of no more use; :meth:`lose` it.
        """
        if self._connection is None:
            raise Unavailable(self.reason)
        return self._connection.publish(message)

    def lose(self, reason: str, now_s: float) -> None:
        """Give this attempt or connection up, and try again later."""
        if self._connection is not None:
            self._connection.drop()
        self._connection, self.up = None, False
        self.reason = reason
        retry_s = self._backoff.grow()
        self._retry_at_s = now_s + retry_s
        self._log.info("broker_unavailable", reason=reason, retry_s=round(retry_s, 2))

    def _approach(self, now_s: float) -> None:
        if self._dial is None:
            if self._boot is not None and now_s >= self._retry_at_s:
                self._dial = _Dial(self._address, self._hint(self._boot), self._boot)
            return
        result, boot = self._dial.result, self._dial.boot
        if result is None:
            return
        self._dial = None  # and with it a connection whose will speaks for another match process
        if boot != self._boot:
            return
        if isinstance(result, Unavailable):
            self.lose(str(result), now_s)
            return
        self._connection = result
        self._subscription = 0
        self._deadline_s = now_s + ANSWER_TIMEOUT_S

    def _check_time(self, now_s: float) -> None:
        if self.up and now_s >= self._steady_at_s:
            self._backoff.reset()
        if self._connection is not None and not self.up and now_s >= self._deadline_s:
            self.lose("no answer to SUBSCRIBE" if self._subscription else "no answer to CONNECT", now_s)

    def _subscribe(self, answer: Connected, now_s: float) -> None:
        if self._connection is None or self._subscription:
            return  # a second CONNACK
        if answer.refusal:
            self.lose(answer.refusal, now_s)
            return
        # One of the broker's places is for the goodbye.
        self.window = max(1, min(WINDOW, answer.receive_maximum - 1))
        self._packet_maximum = answer.packet_maximum
        self._subscription = self._connection.subscribe([topic(self._van, "cmd", "+"), topic(self._van, "ack", "+")])
        self._deadline_s = now_s + ANSWER_TIMEOUT_S

    def _settle(self, answer: Subscribed, now_s: float) -> None:
        if self.up or answer.mid != self._subscription:
            return
        if answer.refusal:
            self._log.alarm("subscription_refused", reason=answer.refusal)
            self.lose(f"subscription refused: {answer.refusal}", now_s)
            return
        self.up, self.reason = True, ""
        self.connections += 1
        self._steady_at_s = now_s + RETRY_MAX_S
        self._log.info("broker_connected", host=self._address.host, port=self._address.port)

    def _hint(self, boot: str) -> Message:
        payload = msgspec.json.encode(_Hint(online=False, boot=boot))
        return Message(topic(self._van, "state"), payload, qos=1, retain=True)
