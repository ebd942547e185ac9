"""What a van's configuration says about its link: broker, outbox and TLS.

Knows the keys, their units and which of them cannot go together; refuses to know how they are used.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Annotated

import msgspec

from firmware.config import ConfigError

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_Positive = Annotated[int, msgspec.Meta(ge=1)]
_Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
# A van id stands in topics, where ``/``, ``+`` and ``#`` have a meaning of their own.
VanId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,64}$")]


class Tls(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """PEM files for a connection that both sides prove; without ``cert`` and ``key`` only the broker is proven."""

    ca: Path
    cert: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        """Refuse half a client identity.

        Raises:
            ValueError: one of ``cert`` and ``key`` stands alone.
        """
        if (self.cert is None) != (self.key is None):
            raise ValueError("cert and key belong together: give both or neither")

    def context(self) -> ssl.SSLContext:
        """A TLS 1.3 client context from the files.

        Raises:
            ConfigError: a file is missing or is not what its key says.
        """
        try:
            context = ssl.create_default_context(cafile=str(self.ca))
            if self.cert is not None and self.key is not None:
                context.load_cert_chain(str(self.cert), str(self.key))
        except OSError as error:
            raise ConfigError(f"link.tls: ca {self.ca}, cert {self.cert}, key {self.key}: {error}") from error
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        return context


class LinkSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The ``[link]`` table.

    ``event_ttl_s`` bounds how long an undelivered event, and the id of a delivered one, may be kept.
    ``outbox_max_mb`` is in units of 1,000,000 bytes. An empty ``client_id`` means the van id.
    """

    outbox: Path
    broker_host: str = "127.0.0.1"
    broker_port: _Port = 1883
    outbox_max_mb: Annotated[float, msgspec.Meta(gt=0, le=100_000)] = 256
    event_ttl_s: _Positive = 24 * 3600
    client_id: str = ""
    tls: Tls | None = None

    def __post_init__(self) -> None:
        """Refuse plain text outside this machine: an event shows a face.

        Raises:
            ValueError: no ``tls`` for a broker that is not on loopback.
        """
        if self.tls is None and self.broker_host not in _LOOPBACK:
            raise ValueError(f"broker '{self.broker_host}' is not on this machine: add a [link.tls] table with 'ca'")


class LinkFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole configuration file as ``link`` reads it; ``match`` is the other room's and stays opaque."""

    van: VanId
    socket: Path
    link: LinkSettings
    match: object = None
