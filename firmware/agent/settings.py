"""What a van's configuration says about its updates. Knows keys, units and what cannot go together; not their use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from firmware.config import ConfigError
from firmware.tls import Tls, may_be_plain
from ota.content import KeyId

MAX_ROOT_BYTES = 512_000
ON_STICK = "kerbside"
"""The folder on a stick, so that other things may lie beside it."""
VanId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,64}\Z")]


class AgentSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The ``[agent]`` table.

    Attributes:
        url: of the repository, which has ``metadata/`` and ``targets/``; https, file, or http on this machine.
        root: trusted root metadata of TUF, as it came with the release.
        state: folder of the agent's own: records, metadata, store.
        key_id: of this van's key, as the signers name it.
        every_s: between two looks.
        usb: where a stick would be mounted; its folder ``kerbside`` has ``metadata/`` and ``targets/`` too, as
            ``kerbside-fleet publish --to usb:...`` makes it.
        slots: folder of the application's two slots; without it, no software is taken.
        rauc: the executable; without it, no OS image is taken.
    """

    url: str
    root: Path
    state: Path
    key_id: KeyId
    every_s: Annotated[float, msgspec.Meta(ge=1, le=86_400)] = 300
    tls: Tls | None = None
    usb: Path | None = None
    slots: Path | None = None
    rauc: Path | None = None

    def __post_init__(self) -> None:
        """Refuse a road that others could read along, and one that leads nowhere.

        Raises:
            ValueError: names the address and what it lacks.
        """
        parts = urlsplit(self.url)
        if parts.scheme not in ("https", "http", "file") or not (parts.hostname or parts.scheme == "file"):
            raise ValueError(f"url '{self.url}' is neither https://..., nor file:///...")
        if parts.scheme == "http" and not may_be_plain(parts.hostname or ""):
            raise ValueError(f"url '{self.url}' is not on this machine: only https may be used")
        if parts.scheme == "https" and self.tls is None:
            raise ValueError("an https url needs an [agent.tls] table with 'ca'")


class AgentFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole configuration file as the agent reads it; ``match`` and ``link`` are other rooms'.

    ``handover``: the Unix socket on which it waits for the match process.
    """

    van: VanId
    handover: Path
    agent: AgentSettings
    socket: object = None
    match: object = None
    link: object = None


def read_root(path: Path) -> bytes:
    """The trusted root metadata.

    Raises:
        ConfigError: it cannot be read, or is no root metadata at all.
    """
    try:
        data = path.read_bytes()
        msgspec.json.decode(data, type=_Envelope)
    except OSError as error:
        raise ConfigError(f"agent.root: {path}: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ConfigError(f"agent.root: {path}: not root metadata: {error}") from error
    if len(data) > MAX_ROOT_BYTES:
        raise ConfigError(f"agent.root: {path}: {len(data)} bytes, at most {MAX_ROOT_BYTES}")
    return data


def check_papers(settings: AgentSettings) -> None:
    """Read what the agent would read at its start.

    Raises:
        ConfigError: the root or a TLS file cannot be used.
    """
    read_root(settings.root)
    if settings.tls is not None:
        settings.tls.context("agent.tls")


class _Root(msgspec.Struct, tag="root", tag_field="_type"):
    version: int


class _Envelope(msgspec.Struct):
    signed: _Root
