"""What the signers offer, and why an update fails. Knows types and words; not how anything is fetched or verified."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import msgspec
from tuf.api.metadata import DelegatedRole, TargetFile

from ota.content import FOLDER, MAX_BYTES, ROLE, Custom, Kind, kind_at, kinds_of

NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
SHA256 = re.compile(r"[0-9a-f]{64}")

Fault = Literal["unreachable", "clock", "expired", "not-signed", "rollback", "refused", "disk"]
"""Why this van has not what it could have: each asks for something else from whoever looks after it."""


class UpdateError(Exception):
    """This update does not happen, and what was before stays; the text names the thing, the figure and the limit.

    Attributes:
        fault: of which sort it is.
    """

    def __init__(self, fault: Fault, words: str) -> None:
        super().__init__(words)
        self.fault: Fault = fault


class Interrupted(Exception):
    """Something more urgent came up; what was fetched so far stays."""


@dataclass(frozen=True)
class Target:
    """Content that enough people signed for.

    Attributes:
        path: its TUF target path, FOLDER/NAME.
        sha256: of the content, in hex; its name in the store.
        length: of the content, in bytes.
    """

    path: str
    kind: Kind
    custom: Custom
    sha256: str
    length: int


@dataclass(frozen=True)
class Skipped:
    """A role or a target that was left out of a check, and why; the others stand.

    Attributes:
        name: the role, or the target's path.
    """

    name: str
    fault: Fault
    words: str


def read_target(path: str, file: TargetFile, delegation: DelegatedRole) -> Target:
    """Check all that is said of a target against what a role may say; its path says of which kind it is.

    Raises:
        UpdateError: ``refused``.
    """
    kind, name = kind_at(path), path.partition("/")[2]
    if kind is None or ROLE[kind] != delegation.name or not NAME.fullmatch(name):
        folders = " or ".join(f"{FOLDER[one]}/NAME" for one in kinds_of(delegation.name))
        raise UpdateError("refused", f"{path[:200]}: {delegation.name} sign for {folders} and nothing else")
    if not delegation.is_delegated_path(path):
        raise UpdateError("refused", f"{path}: {delegation.name} were delegated {delegation.paths} and nothing else")
    try:
        custom = msgspec.convert(file.custom, Custom)
    except msgspec.ValidationError as error:
        raise UpdateError("refused", f"{path}: custom: {error}") from error
    if custom.kind != kind:
        raise UpdateError("refused", f"{path}: says it is of kind {custom.kind}, and there lies what is of kind {kind}")
    if file.length > MAX_BYTES[kind]:
        raise UpdateError("refused", f"{path}: {file.length} bytes, a {kind} has at most {MAX_BYTES[kind]}")
    sha256 = file.hashes.get("sha256", "")
    if not SHA256.fullmatch(sha256):
        raise UpdateError("refused", f"{path}: no SHA-256")
    return Target(path, kind, custom, sha256, file.length)
