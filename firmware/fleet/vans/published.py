"""What a fleet's folder says that vans should have. Knows that folder; no van."""

from __future__ import annotations

from pathlib import Path

from firmware.fleet.vans.standing import Published
from ota.content import ROLES
from ota.repository.draft import custom_of
from ota.repository.folder import Folder


def published_in(fleet: Path) -> tuple[Published, ...]:
    """Every published target, the newest of each kind last.

    Raises:
        FleetError, MetadataError: nothing is published, or it is damaged.
    """
    state = Folder(fleet).need_published()
    found = [
        Published(custom.kind, target.hashes["sha256"], custom.counter, frozenset(custom.vans))
        for role in ROLES
        for target in state.targets[role].signed.targets.values()
        for custom in (custom_of(target),)
    ]
    return tuple(sorted(found, key=lambda one: one.counter))
