"""paho's client with fewer calls of the kernel, for a loop that is not paho's own.

Knows the insides of paho 2.2, where it does not offer these things to be set; refuses to know what it is used for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from firmware.bounded_client import BoundedClient

PACKET_MAX_BYTES = 64 * 1024
"""Of what the broker sends: commands and receipts have at most 16 KiB, and one turn reads up to 256 packets."""
UNWRITTEN_MAX = 1024
"""Packets that the broker does not take from us, acknowledgements of its own messages too."""
_READ_AHEAD_BYTES = 64 * 1024


class QuickClient(BoundedClient):
    """``dry`` is true when the last read found nothing more in the socket."""

    largest_packet_bytes = PACKET_MAX_BYTES
    dry = False
    _ahead = b""
    _at = 0

    @property
    def unwritten(self) -> int:
        """Packets that wait for the broker to read."""
        return len(self._out_packet)

    def _take(self, bufsize: int) -> bytes:
        if self._at == len(self._ahead):
            self._ahead, self._at, self.dry = b"", 0, True
            self._ahead = self._read()
            self.dry = not self._ahead
        start, self._at = self._at, min(self._at + bufsize, len(self._ahead))
        return self._ahead[start : self._at]

    def _read(self) -> bytes:
        with self._complaining():
            data = super()._take(_READ_AHEAD_BYTES)
        if not data:
            self.complaint = self.complaint or "the broker closed the connection"
        return data

    def _sock_send(self, buf: bytes | bytearray) -> int:
        with self._complaining():
            return super()._sock_send(buf)

    @contextlib.contextmanager
    def _complaining(self) -> Iterator[None]:
        """Note why the connection ended: paho calls every such end an unspecified error."""
        try:
            yield
        except BlockingIOError:
            raise
        except OSError as error:
            self.complaint = self.complaint or str(error)
            raise
