"""One MQTT 5 connection of the van, from CONNECT until it is lost; what happens on it comes out of one queue.

Knows paho and its threads; refuses to know the outbox, the topics' meaning and whether to connect again.

Each connection has a client of its own and is thrown away with it, so paho's memory never holds an event that the
outbox does not: after a loss the outbox alone says what to publish again. Paho's callbacks only put into the queue, and
message ids are matched by the one thread that also publishes: no acknowledgement overtakes the note of what was sent.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import ssl
from typing import cast

import msgspec
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

CONNECT_TIMEOUT_S = 5.0
KEEPALIVE_S = 20
_LINGER_S = 1.0


class Unavailable(Exception):
    """No connection now; try again later."""


class Address(msgspec.Struct, frozen=True):
    """Where the broker is and how it tells this van from others; without ``tls`` the connection is plain text."""

    host: str
    port: int
    client_id: str
    tls: ssl.SSLContext | None = None


class Message(msgspec.Struct, frozen=True):
    """What to publish. ``expiry_s`` asks the broker to drop it, undelivered, after that many seconds."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    expiry_s: int | None = None


class Connected(msgspec.Struct, frozen=True):
    """The broker answered CONNECT; ``receive_maximum`` is how many unacknowledged messages it accepts."""

    refused: bool
    reason: str
    receive_maximum: int


class Acked(msgspec.Struct, frozen=True):
    """The broker answered one QoS 1 message with an MQTT 5 reason ``code``."""

    mid: int
    code: int
    reason: str


class Lost(msgspec.Struct, frozen=True):
    """The connection is over."""

    reason: str


class Woken(msgspec.Struct, frozen=True):
    """Somebody called :meth:`Inbox.wake`."""


Happening = Connected | Acked | Lost | Woken


class Inbox:
    """What happened, in order. Small by construction: one wake, the window's acknowledgements, one end."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Happening] = queue.SimpleQueue()
        self._wake_is_due = False

    def put(self, happening: Happening) -> None:
        """Add one; never blocks."""
        self._queue.put(happening)

    def wake(self) -> None:
        """Make :meth:`next` return soon; many calls before that count as one."""
        if not self._wake_is_due:
            self._wake_is_due = True
            self._queue.put(Woken())

    def next(self, timeout_s: float) -> Happening | None:
        """The oldest happening, or ``None`` when there was none for ``timeout_s``."""
        try:
            happening = self._queue.get(timeout=max(0.0, timeout_s))
        except queue.Empty:
            return None
        if isinstance(happening, Woken):
            self._wake_is_due = False
        return happening


class Connection:
    """One connection attempt and, where it succeeds, the connection.

    Args:
        address: the broker.
        will: what the broker says for us when the connection breaks.
        window: the most unacknowledged messages at a time.
        inbox: where :class:`Connected`, :class:`Acked` and :class:`Lost` go.

    Raises:
        Unavailable: nobody answers there, or TLS failed.
    """

    def __init__(self, address: Address, will: Message, window: int, inbox: Inbox) -> None:
        self._inbox = inbox
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=address.client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        self._client.connect_timeout = CONNECT_TIMEOUT_S
        self._client.max_inflight_messages_set(window)
        self._client.max_queued_messages_set(2 * window)
        self._client.will_set(will.topic, will.payload, will.qos, will.retain)
        if address.tls is not None:
            self._client.tls_set_context(address.tls)
        self._client.on_connect = self._on_connect
        self._client.on_publish = self._on_publish
        self._client.on_disconnect = self._on_disconnect
        try:
            self._client.connect(address.host, address.port, keepalive=KEEPALIVE_S, clean_start=True)
        except OSError as error:
            raise Unavailable(f"broker {address.host}:{address.port}: {error}") from error
        self._client.loop_start()

    def publish(self, message: Message) -> int:
        """Hand one message to the network thread; returns the id that its :class:`Acked` will carry."""
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        if message.expiry_s is not None:
            properties.MessageExpiryInterval = message.expiry_s
        sent = self._client.publish(message.topic, message.payload, message.qos, message.retain, properties)
        return sent.mid

    def leave(self) -> None:
        """Say goodbye, so that the broker does not publish the will, and end the network thread."""
        self._client.disconnect()
        while not isinstance(self._inbox.next(_LINGER_S), (Lost, type(None))):
            pass
        self.drop()

    def drop(self) -> None:
        """End the connection at once, whatever is under way. The broker publishes the will."""
        peer = cast("socket.socket | None", self._client.socket())
        if peer is not None:
            # loop_stop waits for unacknowledged messages; only a closed socket ends that wait.
            with contextlib.suppress(OSError):  # the broker was faster
                peer.shutdown(socket.SHUT_RDWR)
        self._client.loop_stop()

    def _on_connect(
        self, _client: Client, _data: object, _flags: object, reason: ReasonCode, properties: Properties | None
    ) -> None:
        receive_maximum = int(getattr(properties, "ReceiveMaximum", 65535))
        self._inbox.put(Connected(reason.is_failure, str(reason), receive_maximum))

    def _on_publish(self, _client: Client, _data: object, mid: int, reason: ReasonCode, *_: object) -> None:
        self._inbox.put(Acked(mid, reason.value, str(reason)))

    def _on_disconnect(self, _client: Client, _data: object, _flags: object, reason: ReasonCode, *_: object) -> None:
        self._inbox.put(Lost(str(reason)))
