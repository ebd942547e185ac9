"""What ``ctl.toml`` says: the broker, the vans' public keys, the console's own keys and stores.

Knows the keys, their limits and which cannot go together; refuses to know how they are used.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from firmware.messages import VanId
from firmware.tls import Tls, may_be_plain

_Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
_Public = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
_ClientId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{0,64}\Z")]


class Broker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The ``[broker]`` table. An empty ``client_id`` means a name made up for each connection."""

    host: str = "127.0.0.1"
    port: _Port = 1883
    client_id: _ClientId = ""
    tls: Tls | None = None

    def __post_init__(self) -> None:
        """Refuse plain text outside this machine: who listens could see which van is where and cut commands off.

        Raises:
            ValueError: no ``tls`` for a broker that is not on loopback.
        """
        if self.tls is None and not may_be_plain(self.host):
            raise ValueError(f"broker '{self.host}' is not on this machine: add [broker.tls] with 'ca', 'cert', 'key'")
        if self.tls is not None and self.tls.cert is None:
            raise ValueError("[broker.tls]: a console proves who it is: add 'cert' and 'key'")


class Receiving(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The ``[receipt]`` table, for the daemon.

    Attributes:
        key: the control room's Ed25519 key, PKCS#8 PEM.
        store: the SQLite file that holds what was receipted.
        client_id: the broker keeps the daemon's messages under this name while it is away.
        keep_s: seconds after which a message is deleted.
        max_mb: limit of the store in units of 1,000,000 bytes.
        session_s: how long the broker is asked to keep messages for a daemon that is away.
    """

    key: Path
    store: Path
    client_id: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,64}\Z")] = "control-room"
    keep_s: Annotated[int, msgspec.Meta(ge=1, le=31 * 86_400)] = 24 * 3600
    max_mb: Annotated[float, msgspec.Meta(ge=2, le=1_000_000)] = 2_000
    session_s: Annotated[int, msgspec.Meta(ge=60, le=31 * 86_400)] = 7 * 86_400


class CtlFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file.

    Attributes:
        vans: each van's Ed25519 public key, 64 hexadecimal digits, by van id; who is not here is not believed.
        reading_keys: age identity files that open what vans seal.
        seen: where the newest state of each van is remembered, so that an old one is told also after a restart.
        broker: where all of it passes.
        receipt: what the receipt daemon needs besides.
    """

    vans: dict[VanId, _Public]
    reading_keys: tuple[Path, ...] = ()
    seen: Path | None = None
    broker: Broker = Broker()
    receipt: Receiving | None = None
