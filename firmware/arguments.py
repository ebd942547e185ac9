"""What each command may carry. Knows all commands that there are; refuses to know how one travels and what it does."""

from __future__ import annotations

from typing import Annotated

import msgspec

from firmware.policy.table import CommandName
from ota.content import Sha256


class NoArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of most commands."""


class RaiseThreshold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The new threshold, a cosine; it must be above the one in force."""

    threshold: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]


class ReleaseList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arm with the list whose encrypted bytes have the SHA-256 ``list``, for at most ``ttl_s`` seconds.

    ``capsule`` holds the list's key, encrypted with age to the ``release_key`` of the van's newest state, in base64.
    """

    list: Sha256
    capsule: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9+/]{100,1000}={0,2}\Z", max_length=1024)]
    ttl_s: Annotated[float, msgspec.Meta(ge=60, le=86_400)]


class RevokeEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Match this entry of this list no more, also after a restart; the whole list where ``entry`` is empty.

    ``entry`` is an :func:`ota.content.entry_mark`.
    """

    list: Sha256
    entry: Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{64})?\Z")] = ""


Arguments = NoArguments | RaiseThreshold | ReleaseList | RevokeEntry
ARGUMENTS: dict[CommandName, type[Arguments]] = {
    "status": NoArguments,
    "pause": NoArguments,
    "resume": NoArguments,
    "stop": NoArguments,
    "purge": NoArguments,
    "lock": NoArguments,
    "raise-threshold": RaiseThreshold,
    "update.check": NoArguments,
    "selftest": NoArguments,
    "report": NoArguments,
    "reboot": NoArguments,
    "watchlist.release": ReleaseList,
    "watchlist.revoke": RevokeEntry,
}
"""All commands that there are. What is not here cannot be said: no export, no lower threshold, no entry, no shell."""
