"""What a van's configuration says about its link: broker and TLS.

Knows the keys, their units and which of them cannot go together; refuses to know how they are used.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from firmware.tls import Tls, may_be_plain

_Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
# A van id stands in topics, where ``/``, ``+`` and ``#`` have a meaning of their own.
VanId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,64}\Z")]


class LinkSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The ``[link]`` table. An empty ``client_id`` means the van id."""

    broker_host: str = "127.0.0.1"
    broker_port: _Port = 1883
    client_id: str = ""
    tls: Tls | None = None

    def __post_init__(self) -> None:
        """Refuse plain text outside this machine: who talks to whom, and when, is nobody else's business.

        Raises:
            ValueError: no ``tls`` for a broker that is not on loopback.
        """
        if self.tls is None and not may_be_plain(self.broker_host):
            raise ValueError(f"broker '{self.broker_host}' is not on this machine: add a [link.tls] table with 'ca'")


class LinkFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole configuration file as ``link`` reads it; what is the other rooms' stays opaque."""

    van: VanId
    socket: Path
    link: LinkSettings
    match: object = None
    handover: object = None
    agent: object = None
