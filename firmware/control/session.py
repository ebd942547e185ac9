"""The console's MQTT 5 session: subscriptions that survive a lost connection, messages out of one bounded queue.

Knows paho and its threads; refuses to know what a message says and whom to believe. Paho's callbacks only put into the
queue, and wait while it is full, so that the broker waits too; whoever calls :meth:`Session.next` also connects,
subscribes and connects again. Each connection has a client of its own and is thrown away with it, as its
acknowledgements are.

A session that the broker keeps (``keep_s``) hands a message out and acknowledges it only when told to: what was not
acknowledged is delivered again to the next connection.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from firmware.bounded_client import BoundedClient
from firmware.wire import MAX_PAYLOAD_BYTES

CONNECT_TIMEOUT_S = 5.0
KEEPALIVE_S = 20
LINGER_S = 2.0
RETRY_MIN_S, RETRY_MAX_S = 0.5, 10.0
WINDOW = 200
"""Messages that the broker may send without an acknowledgement; under load Mosquitto 2.0.11 sends some more."""
WAITING_MAX = 2 * WINDOW
_ROOM_S = 0.1
_PACKET_BYTES = MAX_PAYLOAD_BYTES + 16 * 1024
_REFUSED = 0x80


class Unavailable(Exception):
    """No connection to the broker now; try again later."""


@dataclass(frozen=True)
class Address:
    """Where the broker is and under which name we come; without ``tls`` the connection is plain text."""

    host: str
    port: int
    client_id: str
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True)
class Received:
    """One message as it came; nobody believes it yet. ``connection`` and ``mid`` are for its acknowledgement."""

    topic: str
    payload: bytes
    retained: bool
    connection: int = 0
    mid: int = 0


@dataclass(frozen=True)
class _Answered:
    """The broker answered CONNECT, SUBSCRIBE or PUBLISH (``what``)."""

    what: str
    refused: bool
    reason: str


@dataclass(frozen=True)
class _Lost:
    reason: str


_Happening = tuple[int, Received | _Answered | _Lost]


class _Client(BoundedClient):
    """Paho's client, which tells also when a packet that no broker should send ended its thread."""

    fault: Callable[[str], None]
    largest_packet_bytes = _PACKET_BYTES

    def loop_forever(self, timeout: float = 1.0, retry_first_connection: bool = False) -> MQTTErrorCode:  # noqa: FBT001, FBT002  as paho has it
        try:
            return super().loop_forever(timeout, retry_first_connection)
        except Exception as error:  # noqa: BLE001  the top of a thread: it ends the connection
            self.fault(f"{type(error).__name__}: {error}")
            return MQTTErrorCode.MQTT_ERR_PROTOCOL


class Session:
    """Subscriptions at one broker.

    Args:
        address: the broker.
        filters: topic filters, each with QoS 1.
        keep_s: how long the broker keeps the session while nobody is connected; 0 for a session of the moment, whose
            messages count as taken when they are handed out.
        clock: monotonic seconds.
        jitter: a number in [0, 1), new at each call, so that a fleet of consoles does not come back in one moment.

    Attributes:
        ready: connected, and every subscription was granted.
        reason: why not, in words.
        connections: how many there were.
        unreadable: messages dropped because they were too large, or their topic was no text.
        refused_publishing: the broker's last refusal of something published, in words; empty when there was none.
    """

    def __init__(
        self,
        address: Address,
        filters: tuple[str, ...],
        clock: Callable[[], float],
        jitter: Callable[[], float],
        keep_s: int = 0,
    ) -> None:
        self.ready = False
        self.reason = "not connected yet"
        self.connections = 0
        self.unreadable = 0
        self.refused_publishing = ""
        self._address = address
        self._filters = filters
        self._keep_s = keep_s
        self._clock = clock
        self._jitter = jitter
        self._queue: queue.SimpleQueue[_Happening] = queue.SimpleQueue()
        self._room = threading.Semaphore(WAITING_MAX)
        self._over = threading.Event()
        self._client: _Client | None = None
        self._retry_s = RETRY_MIN_S
        self._due_s = 0.0

    def next(self, timeout_s: float) -> Received | None:
        """The oldest message, or ``None`` when there was none for ``timeout_s``; connects when there is need to."""
        give_up_s = self._clock() + timeout_s
        while True:
            self._tend()
            wait_s = min(give_up_s, self._due_s) - self._clock()
            try:
                number, happening = self._queue.get(timeout=max(0.0, wait_s))
            except queue.Empty:
                if self._clock() >= give_up_s:
                    return None
                continue
            if isinstance(happening, Received):
                self._room.release()
                if not self._keep_s:
                    self.done(happening)
                return happening
            if number == self.connections and self._client is not None:
                self._take(happening)

    def done(self, message: Received) -> None:
        """Acknowledge: the broker forgets the message. On a later connection than its own this does nothing."""
        if self._client is not None and message.connection == self.connections and message.mid:
            self._client.ack(message.mid, 1)

    def publish(self, topic: str, payload: bytes, expiry_s: int | None = None) -> None:
        """Hand one message (QoS 1, not retained) to the network.

        Raises:
            Unavailable: there is no connection, or too much waits for it.
        """
        # Connected, not ready: a kept session delivers before SUBACK, and what is delivered wants its receipt.
        if self._client is None or not self._client.is_connected():
            raise Unavailable(f"broker {self._address.host}:{self._address.port}: {self.reason}")
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        if expiry_s is not None:
            properties.MessageExpiryInterval = expiry_s
        sent = self._client.publish(topic, payload, 1, retain=False, properties=properties)
        if sent.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise Unavailable(f"broker {self._address.host}:{self._address.port}: {sent.rc.name}")

    def close(self) -> None:
        """Say goodbye and end the network thread; the broker keeps a session that it was asked to keep."""
        if self._client is not None:
            self._client.disconnect()
            self._linger()
        self._drop("closed")

    def _linger(self) -> None:
        """Let what was handed to the network go out; it ends with our goodbye."""
        give_up_s = self._clock() + LINGER_S
        happening: object = None
        while not isinstance(happening, _Lost) and self._clock() < give_up_s:
            with contextlib.suppress(queue.Empty):
                happening = self._queue.get(timeout=max(0.0, give_up_s - self._clock()))[1]

    def _tend(self) -> None:
        """Connect when it is time to; give up on a broker that does not answer in time."""
        if self._clock() < self._due_s:
            return
        if self._client is not None:
            self._lose("no answer in time")
            return
        self.connections += 1
        client = self._new_client(self.connections)
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.ReceiveMaximum = WINDOW
        properties.MaximumPacketSize = _PACKET_BYTES
        properties.SessionExpiryInterval = self._keep_s
        host, port = self._address.host, self._address.port
        try:
            client.connect(host, port, KEEPALIVE_S, clean_start=not self._keep_s, properties=properties)
        except (OSError, ValueError) as error:  # paho: ValueError for what the resolver cannot read as a name
            self._lose(f"{error}")
            return
        self._client = client
        self._due_s = self._clock() + CONNECT_TIMEOUT_S
        client.loop_start()

    def _new_client(self, number: int) -> _Client:
        client = _Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._address.client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_queued_messages_set(WAITING_MAX)
        if self._address.tls is not None:
            client.tls_set_context(self._address.tls)
        over = self._over = threading.Event()

        def answered(what: str, reasons: list[ReasonCode]) -> None:
            failed = [str(reason) for reason in reasons if reason.is_failure]
            self._queue.put((number, _Answered(what, bool(failed), ", ".join(failed))))

        client.fault = lambda error: self._queue.put((number, _Lost(error)))
        client.on_connect = lambda _client, _data, _flags, reason, _properties: answered("connect", [reason])
        client.on_subscribe = lambda _client, _data, _mid, reasons, _properties: answered("subscribe", reasons)
        client.on_publish = lambda _client, _data, _mid, reason, _properties: answered("publish", [reason])
        client.on_disconnect = lambda _client, _data, _flags, reason, _properties: self._queue.put(
            (number, _Lost(client.complaint or str(reason)))
        )
        client.on_message = lambda client, _data, message: self._hear(number, client, over, message)
        return client

    def _hear(self, number: int, client: Client, over: threading.Event, message: MQTTMessage) -> None:
        """In paho's thread: into the queue as soon as there is room, or counted."""
        topic = _topic(message)
        if not topic or len(message.payload) > MAX_PAYLOAD_BYTES:
            self.unreadable += 1
            client.ack(message.mid, message.qos)
            return
        while not self._room.acquire(timeout=_ROOM_S):
            if over.is_set():
                return
        mid = message.mid if message.qos else 0
        self._queue.put((number, Received(topic, bytes(message.payload), bool(message.retain), number, mid)))

    def _take(self, happening: _Answered | _Lost) -> None:
        if isinstance(happening, _Lost):
            self._lose(happening.reason)
        elif happening.what == "publish":
            self.refused_publishing = happening.reason or self.refused_publishing
        elif happening.refused:
            self._lose(f"{happening.what} refused: {happening.reason}")
        elif happening.what == "connect" and self._client is not None:
            self._client.subscribe([(name, 1) for name in self._filters])
        elif happening.what == "subscribe":
            self.ready, self.reason, self._retry_s, self._due_s = True, "", RETRY_MIN_S, float("inf")

    def _lose(self, reason: str) -> None:
        """Drop the connection, and wait longer each time, by chance up to twice as long as the least."""
        self._drop(reason)
        self._due_s = self._clock() + self._retry_s * (0.5 + 0.5 * self._jitter())
        self._retry_s = min(RETRY_MAX_S, 2 * self._retry_s)

    def _drop(self, reason: str) -> None:
        self.ready, self.reason = False, reason
        client, self._client = self._client, None
        if client is None:
            return
        self._over.set()
        peer = cast("socket.socket | None", client.socket())
        if peer is not None:
            # loop_stop waits for unacknowledged messages; only a closed socket ends that wait.
            with contextlib.suppress(OSError):  # the broker was faster
                peer.shutdown(socket.SHUT_RDWR)
        client.loop_stop()


def _topic(message: MQTTMessage) -> str:
    try:
        return message.topic
    except UnicodeDecodeError:
        return ""
