"""A plain MQTT 5 client with a certificate: what it hears, and what the broker answers. Knows paho; not the topics."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from types import TracebackType

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from tests.broker.mosquitto import LOOPBACK, Mosquitto
from tests.link.stage import PATIENCE_S, wait_until

AS_SENT = SubscribeOptions(qos=1, retainAsPublished=True)
"""Tells a live message that was sent to be retained from one that was not; by default both come without the flag."""

NOT_AUTHORIZED = "Not authorized"
"""MQTT 5's reason, as paho words it, for a publish that the broker forbids."""

KEEPALIVE_S = 3_600
"""How long it would be silent if the broker did not ask for more."""


@dataclass(frozen=True)
class Heard:
    """One message as it arrived."""

    topic: str
    payload: bytes
    retained: bool = False


class Peer:
    """Connected from the start, with the certificate of ``cn``; on a plain broker ``cn`` is only the client id.

    Args:
        broker: must be running.
        cn: the name in the certificate.
        client_id: what it calls itself; as its certificate unless told.
        session_s: how long the broker is to keep its session while it is away.
        will: topic and payload that the broker is to publish for it.
        username: what it claims to be.
    """

    def __init__(
        self,
        broker: Mosquitto,
        cn: str,
        *,
        client_id: str = "",
        session_s: int = 0,
        will: tuple[str, bytes] | None = None,
        username: str = "",
    ) -> None:
        self.heard: list[Heard] = []
        self.lost = threading.Event()
        self.found_session = False
        self.told = Properties(PacketTypes.CONNACK)  # type: ignore[no-untyped-call]
        self._answers: dict[int, str] = {}
        self._connected = threading.Event()
        self._subscribed = threading.Event()
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id or cn,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        self._client.max_inflight_messages_set(100)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_publish = self._on_publish
        self._client.on_message = self._on_message
        if not broker.plain:
            self._client.tls_set_context(broker.client_context(cn))
        if will is not None:
            self._client.will_set(*will, qos=1, retain=True)
        if username:
            self._client.username_pw_set(username, "any")
        kept = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        kept.SessionExpiryInterval = session_s
        self._client.connect(LOOPBACK, broker.port, keepalive=KEEPALIVE_S, clean_start=session_s == 0, properties=kept)
        self._client.loop_start()
        assert self._connected.wait(PATIENCE_S), f"{cn} is not let in"

    @property
    def payloads(self) -> list[bytes]:
        return [message.payload for message in list(self.heard)]

    def subscribe(self, topic: str, options: SubscribeOptions | None = None) -> None:
        """Returns at the broker's answer, whichever it is."""
        self._subscribed.clear()
        self._client.subscribe(topic, options=options or SubscribeOptions(qos=1))
        assert self._subscribed.wait(PATIENCE_S)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, expiry_s: int | None = None) -> str:
        """The reason in the broker's acknowledgement, in MQTT 5's words."""
        mid = self.send(topic, payload, retain=retain, expiry_s=expiry_s)
        wait_until(lambda: mid in self._answers, f"acknowledgement for {topic}")
        return self._answers[mid]

    def send(self, topic: str, payload: bytes, *, retain: bool = False, expiry_s: int | None = None) -> int:
        """As :meth:`publish`, without waiting; returns the message's number, see :meth:`wait_for_answers`."""
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        if expiry_s is not None:
            properties.MessageExpiryInterval = expiry_s
        return self._client.publish(topic, payload, qos=1, retain=retain, properties=properties).mid

    def wait_for_answers(self, count: int) -> None:
        """Until the broker has acknowledged so many messages in all."""
        wait_until(lambda: len(self._answers) >= count, f"{count} acknowledgements, not {len(self._answers)}")

    def wait_for(self, payload: bytes) -> None:
        """Until that has arrived; the broker sends a client's messages in order, so all earlier ones have too."""
        wait_until(lambda: payload in self.payloads, f"{payload!r} in {self.payloads[-9:]}")

    def vanish(self) -> None:
        """Go without a word: the broker is to publish the will."""
        sock = self._client.socket()
        assert sock is not None
        self._client.loop_stop()
        sock.close()

    def leave(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def __enter__(self) -> Peer:  # noqa: PYI034  typing.Self came with Python 3.11
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def _on_connect(
        self, _client: Client, _data: object, flags: ConnectFlags, reason: ReasonCode, told: Properties | None
    ) -> None:
        if not reason.is_failure:
            self.found_session = flags.session_present
            self.told = told or self.told
            self._connected.set()

    def _on_disconnect(
        self, _client: Client, _data: object, _flags: DisconnectFlags, _reason: ReasonCode, _told: Properties | None
    ) -> None:
        self.lost.set()

    def _on_publish(
        self, _client: Client, _data: object, mid: int, reason: ReasonCode, _told: Properties | None
    ) -> None:
        self._answers[mid] = str(reason)

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self.heard.append(Heard(message.topic, bytes(message.payload), message.retain))
