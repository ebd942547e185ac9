"""A van's whole configuration, both rooms together: what ``kerbside run`` checks before it starts either."""

from __future__ import annotations

from pathlib import Path

import msgspec

from firmware.link.settings import LinkSettings, VanId
from firmware.match.settings import MatchSettings


class VanFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``van`` stands in topics and events; ``socket`` is the one way through the wall."""

    van: VanId
    socket: Path
    match: MatchSettings
    link: LinkSettings
