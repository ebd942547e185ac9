"""A van's whole configuration, both rooms together: what ``kerbside run`` checks before it starts either."""

from __future__ import annotations

from pathlib import Path

import msgspec

from firmware.link.settings import LinkSettings, VanId
from firmware.match.settings import MatchSettings

MAX_SOCKET_BYTES = 107
"""Longest path of a Unix socket: ``sun_path`` of Linux, less its end."""


class VanFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``van`` stands in topics and events; ``socket`` is the one way through the wall."""

    van: VanId
    socket: Path
    match: MatchSettings
    link: LinkSettings

    def __post_init__(self) -> None:
        """Refuse a path on which nothing could listen.

        Raises:
            ValueError: names length and limit.
        """
        length = len(str(self.socket).encode())
        if length > MAX_SOCKET_BYTES:
            raise ValueError(f"socket: the path has {length} bytes, a Unix socket's at most {MAX_SOCKET_BYTES}")
