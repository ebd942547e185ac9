"""One MQTT 5 connection of the van, from CONNECT until it is lost, driven by whoever owns it, in one thread.

Knows paho and what a hostile broker may do to it; refuses to know what a message says and whether to connect again.

Each connection has a client of its own and is thrown away with it, so nothing outlives it in paho's memory. paho's own
thread is not used: its callbacks only append to a list that :meth:`Connection.turn` hands out. A broker is believed
nothing: packets have a largest size, no list grows without bound, and what cannot be parsed ends the connection.
"""

from __future__ import annotations

import contextlib
import functools
import select
import socket
import ssl
import time
from typing import cast

import msgspec
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from firmware.link.quick_client import PACKET_MAX_BYTES, UNWRITTEN_MAX, QuickClient

CONNECT_TIMEOUT_S = 5.0
KEEPALIVE_S = 20
KEEPALIVE_MAX_S = 60
"""A broker may ask for another interval; with a longer one, or none, a line that is dead would be taken for quiet."""
_READS_MAX = 256
_MQTT_MAX_BYTES = 268_435_455
"""Of a packet, where the broker names no limit of its own (MQTT 5.0, 1.5.5)."""


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
    """The broker answered CONNECT: with ``refusal``, or with how much it takes at a time."""

    refusal: str
    receive_maximum: int
    packet_maximum: int


class Subscribed(msgspec.Struct, frozen=True):
    """The broker answered SUBSCRIBE ``mid``; ``refusal`` names the first reason against it, if there is one."""

    mid: int
    refusal: str


class Acked(msgspec.Struct, frozen=True):
    """The broker answered one message with an MQTT 5 reason ``code``."""

    mid: int
    code: int


class Arrived(msgspec.Struct, frozen=True):
    """A message of the broker. ``topic`` is empty where it was not UTF-8."""

    topic: str
    payload: bytes
    retained: bool


class Lost(msgspec.Struct, frozen=True):
    """The connection is over."""

    reason: str


Happening = Connected | Subscribed | Acked | Arrived | Lost


class Connection:
    """One connection attempt and, where it succeeds, the connection.

    The constructor waits for TCP and TLS; nothing else waits, but for :meth:`leave`.

    Args:
        address: the broker.
        will: what the broker says for us when the connection breaks.
        window: the most unacknowledged messages at a time.

    Raises:
        Unavailable: nobody answers there, or TLS failed.
    """

    def __init__(self, address: Address, will: Message, window: int) -> None:
        self._happened: list[Happening] = []
        self._client = client = QuickClient(
            CallbackAPIVersion.VERSION2,
            client_id=address.client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages_set(window)
        client.max_queued_messages_set(window)
        client.will_set(will.topic, will.payload, will.qos, will.retain)
        if address.tls is not None:
            client.tls_set_context(address.tls)
        _listen(client, self._happened)
        try:
            client.connect(address.host, address.port, keepalive=KEEPALIVE_S, clean_start=True, properties=_accepting())
        except OSError as error:
            raise Unavailable(f"broker {address.host}:{address.port}: {error}") from error

    def fileno(self) -> int:
        """Of the socket, for ``select``; -1 when it is closed."""
        peer = self._client.socket()
        return -1 if peer is None else peer.fileno()

    @property
    def wants_write(self) -> bool:
        """Whether something waits to be written."""
        return self._client.want_write()

    @property
    def unwritten(self) -> int:
        """Packets that wait for the broker to read."""
        return self._client.unwritten

    @property
    def unfinished(self) -> bool:
        """Whether more was read than the last :meth:`turn` could handle; ``select`` knows nothing of that."""
        return not self._client.dry

    def turn(self) -> list[Happening]:
        """Read, write and keep alive without waiting; what happened since the last turn, in order."""
        client = self._client
        try:
            client.dry = False
            for _ in range(_READS_MAX):
                if client.loop_read() != MQTTErrorCode.MQTT_ERR_SUCCESS or client.dry:
                    break
            self.flush()
            client.loop_misc()
        except Exception as error:  # noqa: BLE001  paho's parser fed by an untrusted broker: that ends the connection
            self._happened.append(Lost(f"what the broker sent cannot be read ({type(error).__name__})"))
        if client.unwritten > UNWRITTEN_MAX:
            self._happened.append(Lost("the broker does not read"))
        happened = self._happened.copy()
        self._happened.clear()
        return happened

    def flush(self) -> None:
        """Write as much as the broker takes now."""
        if self._client.want_write():
            self._client.loop_write()

    def subscribe(self, topics: list[str]) -> int:
        """Ask for ``topics`` at QoS 1; returns the id that :class:`Subscribed` will carry."""
        # The broker keeps the retain flag, so that match can refuse what somebody had retained.
        options = SubscribeOptions(qos=1, retainAsPublished=True)
        _, mid = self._client.subscribe([(topic, options) for topic in topics])
        return mid or 0

    def publish(self, message: Message) -> int:
        """Take one message; returns the id that its :class:`Acked` will carry.

        Raises:
            Unavailable: paho has no place left for it: the broker has left a message unanswered for too long.
        """
        properties = None if message.expiry_s is None else _expiring(message.expiry_s)
        sent = self._client.publish(message.topic, message.payload, message.qos, message.retain, properties)
        if sent.rc == MQTTErrorCode.MQTT_ERR_QUEUE_SIZE:
            raise Unavailable("the broker leaves a message unanswered")
        return sent.mid

    def leave(self, last: Message, patience_s: float) -> None:
        """Publish ``last`` and say goodbye, so that the broker does not publish the will; then :meth:`drop`."""
        give_up_at = time.monotonic() + patience_s
        with contextlib.suppress(Unavailable):
            mid = self.publish(last)
            if self._wait_for(mid, give_up_at):
                self._client.disconnect()
                self._wait_for(None, give_up_at)
        self.drop()

    def _wait_for(self, mid: int | None, give_up_at: float) -> bool:
        """Whether ``mid`` was answered, or with ``None`` the connection over, before ``give_up_at``."""
        while True:
            happened = self.turn()
            if any(isinstance(one, Lost) for one in happened):
                return mid is None
            if any(isinstance(one, Acked) and one.mid == mid for one in happened):
                return True
            left_s = give_up_at - time.monotonic()
            if left_s <= 0 or self.fileno() < 0:
                return False
            select.select([self], [self] if self.wants_write else [], [], 0.0 if self.unfinished else left_s)

    def drop(self) -> None:
        """End the connection at once, whatever is under way. The broker publishes the will."""
        peer = cast("socket.socket | None", self._client.socket())
        if peer is not None:
            with contextlib.suppress(OSError):  # the broker was faster
                peer.shutdown(socket.SHUT_RDWR)
            peer.close()


def _listen(client: Client, happened: list[Happening]) -> None:
    """Make the callbacks append; they know the list and not the :class:`Connection`, so both end with its last use."""

    def on_connect(_client: Client, _data: object, _flags: object, reason: ReasonCode, said: Properties | None) -> None:
        refusal = str(reason) if reason.is_failure else _lacking(said)
        happened.append(
            Connected(
                refusal,
                receive_maximum=int(getattr(said, "ReceiveMaximum", 65_535)),
                packet_maximum=int(getattr(said, "MaximumPacketSize", _MQTT_MAX_BYTES)),
            )
        )

    def on_subscribe(_client: Client, _data: object, mid: int, reasons: list[ReasonCode], *_: object) -> None:
        refusals = [str(reason) for reason in reasons if reason.is_failure]
        happened.append(Subscribed(mid, refusals[0] if refusals else ""))

    def on_publish(_client: Client, _data: object, mid: int, reason: ReasonCode, *_: object) -> None:
        happened.append(Acked(mid, reason.value))

    def on_message(_client: Client, _data: object, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        happened.append(Arrived(topic, bytes(message.payload), message.retain))

    def on_disconnect(lost: Client, _data: object, _flags: object, reason: ReasonCode, *_: object) -> None:
        happened.append(Lost(cast("QuickClient", lost).complaint or str(reason)))

    client.on_connect = on_connect
    client.on_subscribe = on_subscribe
    client.on_publish = on_publish
    client.on_message = on_message
    client.on_disconnect = on_disconnect
    # Without it paho writes each packet at once; the owner writes what one turn brought together.
    client.on_socket_register_write = lambda *_: None


def _lacking(said: Properties | None) -> str:
    """What of a broker's CONNACK makes it unfit: the answer of the match process is QoS 1, its state retained."""
    if getattr(said, "MaximumQoS", 1) < 1:
        return "the broker does not offer QoS 1"
    if getattr(said, "RetainAvailable", 1) < 1:
        return "the broker does not keep retained messages"
    if not 0 < (keepalive_s := getattr(said, "ServerKeepAlive", KEEPALIVE_S)) <= KEEPALIVE_MAX_S:
        return f"the broker asks for a keep-alive of {keepalive_s} s; the limit is {KEEPALIVE_MAX_S} s"
    return ""


def _accepting() -> Properties:
    """An honest broker keeps what is too large for us to itself, so that it cannot end connection after connection."""
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.MaximumPacketSize = PACKET_MAX_BYTES
    return properties


@functools.lru_cache(maxsize=64)
def _expiring(expiry_s: int) -> Properties:
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.MessageExpiryInterval = expiry_s
    return properties
