"""One MQTT 5 line to the broker of the bench: connects, subscribes, and comes back after a loss as a van does.

Knows connection attempts and waiting; refuses to know what is said on the line and who says it.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from firmware.bench.fleet_loop import Loop

HOST = "127.0.0.1"
KEEPALIVE_S = 60
WINDOW = 100
"""The most unacknowledged messages at a time; paho ignores the broker's Receive Maximum, which is the same."""
QUEUE = 5_000
RETRY_MIN_S, RETRY_MAX_S = 0.5, 10.0
AT_ONCE = 64
"""Handshakes under way at a time: Mosquitto listens with room for 100, and paho's TCP connect blocks all others."""


@dataclass
class Door:
    """Lets lines connect, a few at a time, in the order in which they came."""

    loop: Loop
    port: int
    chance: Callable[[], float]
    under_way: set[str] = field(default_factory=set)
    shut: bool = False
    _queue: deque[Line] = field(default_factory=deque)

    def enter(self, line: Line) -> None:
        """Let this line connect when it is its turn."""
        self._queue.append(line)
        self._let_in()

    def left(self, line: Line) -> None:
        """The line is connected, or is not."""
        self.under_way.discard(line.name)
        self.loop.after(0.0, self._let_in)

    def unlock(self) -> None:
        """Let in who came while it was ``shut``."""
        self.shut = False
        self._let_in()

    def _let_in(self) -> None:
        while self._queue and not self.shut and len(self.under_way) < AT_ONCE:
            line = self._queue.popleft()
            self.under_way.add(line.name)
            line.attempt()


class Line:
    """One client's connections, one after the other.

    Args:
        door: where it connects.
        name: its client id.
        topics: what it subscribes to, at QoS 1, each time.
        will: the topic and the payload that the broker publishes for it, retained, when the connection breaks.
    """

    def __init__(
        self,
        door: Door,
        name: str,
        topics: tuple[str, ...],
        will: tuple[str, bytes] | None = None,
        *,
        keeps: bool = False,
    ) -> None:
        self.name = name
        self.up = False
        self.losses = 0
        self._accepted = False
        self.on_up: Callable[[], None] = lambda: None
        self.on_message: Callable[[str, bytes, bool], None] = lambda topic, payload, retained: None
        self._door, self._topics, self._will, self._keeps = door, topics, will, keeps
        self._longest_s = 2 * RETRY_MIN_S
        self._retired = False
        self._client: Client | None = None

    def open(self) -> None:
        """Connect, and again after each loss, until :meth:`close`."""
        self._door.enter(self)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        """Hand one message over at QoS 1; returns False where there is no connection, or the queue is full.

        A kept session delivers before the subscription is confirmed, so an answer may go out from CONNACK on.
        """
        if not self._accepted or self._client is None:
            return False
        return self._client.publish(topic, payload, 1, retain).rc == 0

    def close(self) -> None:
        """Let go of the connection for good, without a goodbye."""
        self._retired = True
        if self._client is not None:
            self._client.disconnect()
            self._client.loop_write()

    def attempt(self) -> None:
        """Connect now. A client of its own for each connection: what counts as sent is not paho's to say."""
        if self._retired:
            self._door.left(self)
            return
        client = Client(CallbackAPIVersion.VERSION2, self.name, protocol=MQTTProtocolVersion.MQTTv5)
        client.max_inflight_messages_set(WINDOW)
        client.max_queued_messages_set(QUEUE)
        if self._will is not None:
            client.will_set(*self._will, qos=1, retain=True)
        client.on_connect, client.on_subscribe = self._connected, self._subscribed
        client.on_disconnect, client.on_message = self._lost, self._heard
        self._door.loop.drive(client)
        self._client = client
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        if self._keeps:
            properties.SessionExpiryInterval = 3600
        try:
            client.connect(HOST, self._door.port, KEEPALIVE_S, clean_start=not self._keeps, properties=properties)
        except OSError:
            self._again()

    def _again(self) -> None:
        """As :class:`firmware.link.patience.Backoff`: by chance, within a bound that doubles."""
        self.up, self._accepted, self._client = False, False, None
        self._door.left(self)
        if not self._retired:
            wait_s = RETRY_MIN_S + self._door.chance() * (self._longest_s - RETRY_MIN_S)
            self._longest_s = min(RETRY_MAX_S, 2 * self._longest_s)
            self._door.loop.after(wait_s, self.open)

    def _connected(
        self, client: Client, _data: object, _flags: object, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if reason.is_failure:
            client.disconnect()
            return
        self._accepted = True
        client.subscribe([(topic, SubscribeOptions(qos=1)) for topic in self._topics])

    def _subscribed(self, *_: object) -> None:
        self.up = True
        self._longest_s = 2 * RETRY_MIN_S
        self._door.left(self)
        self.on_up()

    def _lost(self, client: Client, *_: object) -> None:
        if client is self._client:
            self.losses += 1
            self._again()

    def _heard(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        with contextlib.suppress(UnicodeDecodeError):  # a topic that is no text is nobody's
            self.on_message(message.topic, bytes(message.payload), message.retain)
