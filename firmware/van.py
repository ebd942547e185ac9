"""A van's whole configuration, both rooms together: what ``kerbside run`` checks before it starts either."""

from __future__ import annotations

from pathlib import Path

import msgspec

from firmware.agent.settings import AgentSettings
from firmware.link.settings import LinkSettings, VanId
from firmware.match.settings import MatchSettings, one_source

MAX_SOCKET_BYTES = 107
"""Longest path of a Unix socket: ``sun_path`` of Linux, less its end."""


class VanFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``van`` stands in topics and events; ``socket`` is the one way through the wall.

    ``handover`` is the socket on which the update agent listens; ``agent`` is its own table.
    """

    van: VanId
    socket: Path
    match: MatchSettings
    link: LinkSettings
    handover: Path | None = None
    agent: AgentSettings | None = None

    def __post_init__(self) -> None:
        """Refuse a path on which nothing could listen, two sources of lists, none, and an agent that nobody could hear.

        Raises:
            ValueError: names length and limit, or the keys.
        """
        one_source(self.match, self.handover)
        for key, path in (("socket", self.socket), ("handover", self.handover)):
            length = len(str(path or "").encode())
            if length > MAX_SOCKET_BYTES:
                raise ValueError(f"{key}: the path has {length} bytes, a Unix socket's at most {MAX_SOCKET_BYTES}")
        if self.agent is not None and self.handover is None:
            raise ValueError("[agent] needs 'handover', the socket on which it speaks to the match process")
