"""paho's client with a largest packet, without QoS 2 and without delay: a hostile broker cannot make it hold much.

Knows the insides of paho 2.2, where it does not offer these things to be set; refuses to know what it is used for.
The tests with a hostile broker notice when paho changes what is overridden here.
"""

from __future__ import annotations

import socket
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode

_CLOSED = "the broker closed the connection: it ended, refused the certificate or the name, or speaks TLS here"
"""A broker that lets nobody in says no more than that."""


class BoundedClient(Client):
    """``complaint`` says what the broker did when one of the limits ended the connection.

    ``largest_packet_bytes`` is the user's to set; MQTT itself allows 256 MiB, and paho would hold all of it.
    """

    largest_packet_bytes = 64 * 1024
    complaint = ""

    def _call_socket_open(self, sock: Any) -> None:
        # paho leaves Nagle's algorithm on: a message right behind a PUBACK would wait 40 ms for the broker's own ACK.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super()._call_socket_open(sock)

    def _sock_recv(self, bufsize: int) -> bytes:
        # paho asks for a byte, for a byte of the length, then for all the rest at once: so this is the packet's size.
        if bufsize > self.largest_packet_bytes:
            limit = self.largest_packet_bytes
            self.complaint = f"the broker announced a packet of {bufsize} bytes; the limit is {limit}"
            raise ConnectionError(self.complaint)
        return self._take(bufsize)

    def _take(self, bufsize: int) -> bytes:
        data = super()._sock_recv(bufsize)
        if not data:
            self.complaint = self.complaint or _CLOSED
        return data

    def _send_pubrec(self, mid: int) -> MQTTErrorCode:  # noqa: ARG002  as paho has it
        # paho keeps each message of QoS 2 until its PUBREL: 65,535 of them, of any size.
        self.complaint = "the broker sent QoS 2, which was not subscribed to"
        return MQTTErrorCode.MQTT_ERR_PROTOCOL
