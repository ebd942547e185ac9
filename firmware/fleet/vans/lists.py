"""An encrypted list and its key, as the two commands about it need them: released to a van's boot, or taken back.

Knows digests, capsules and what a van said of itself; refuses to know who is on the list and how a command travels.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

import msgspec
import pyrage
from pyrage.x25519 import Identity, Recipient

from firmware.control.commands import CommandError, Wish
from firmware.control.keys import load_reading_keys
from firmware.fleet.lists import records
from firmware.messages import Fitted, Reason, State
from ota.content import MAX_REVOKED_LISTS, Revocation, Revoked, entry_mark

_PIECE = 2**20
_AGE = b"age-encryption.org/v1"
"""How a file begins that age has encrypted (C2SP: age.md)."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MODES = {
    "seeing": "is armed already: stop it first",
    "paused": "is armed already: stop it first",
    "ended": "has ended",
    **dict.fromkeys(("stopped", "purged", "locked"), "was wiped: two people resume it first"),
}
"""Why a van in such a mode would refuse a release."""


def named(which: str, entry: str | None = None) -> str:
    """The digest of the list that is meant: a mistyped order would be taken by every van, and take nothing back.

    Args:
        which: the encrypted list's file, or its SHA-256.
        entry: a reference that has to be on it, as far as the records beside the file tell.

    Raises:
        CommandError: it is neither, no encrypted list, or one without this entry.
        OSError: it cannot be read.
    """
    path = Path(which).expanduser()
    if _SHA256.fullmatch(which) and not path.exists():
        return which
    if not path.is_file():
        raise CommandError(f"'{which}': neither a file nor a SHA-256")
    sha256 = digest_of(path)
    kept = _records_beside(path)
    on_it = {one.ref for one in kept.entries} if kept is not None and kept.list_sha256 == sha256 else {entry}
    if entry is not None and entry not in on_it:
        raise CommandError(f"'{entry}': no entry of {path.name}, says {records.FILE} beside it")
    return sha256


def _records_beside(list_file: Path) -> records.Records | None:
    try:
        return msgspec.json.decode((list_file.parent / records.FILE).read_bytes(), type=records.Records)
    except (OSError, msgspec.MsgspecError):  # what cannot be read must not hold a revocation up
        return None


def digest_of(list_file: Path) -> str:
    """SHA-256 of an encrypted list: what signers, releasers and the van call it by.

    Raises:
        CommandError: it is not encrypted, so no list.
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with list_file.open("rb") as file:
        piece = file.read(_PIECE)
        if not piece.startswith(_AGE):
            raise CommandError(f"{list_file}: not an encrypted list")
        while piece:
            digest.update(piece)
            piece = file.read(_PIECE)
    return digest.hexdigest()


def refuse_reason(reason: str) -> None:
    """Refuse a word that vans would refuse.

    Raises:
        CommandError: names those that there are.
    """
    if reason not in get_args(Reason):
        raise CommandError(f"--reason '{reason}': one of {', '.join(get_args(Reason))}")


def load_list_key(path: Path) -> Identity:
    """The key of one list, as ``watchlist build`` wrote it.

    Raises:
        KeyFileError: missing, open to others, or not one age identity.
        CommandError: it holds several.
    """
    keys = load_reading_keys((path,))
    if len(keys) != 1:
        raise CommandError(f"{path}: holds {len(keys)} age identities; a list has one")
    return keys[0]


def release(state: State, sha256: str, key: Identity, ttl_s: float, reason: str) -> Wish:
    """The command that arms one van, as it is now, with one list.

    Args:
        state: the van's newest signed state; the capsule opens in this boot only, and once.
        sha256: of the encrypted list.
        key: the list's.
        ttl_s: for how long at most.
        reason: a word of the closed list.

    Raises:
        CommandError: the van would refuse it; says why.
    """
    if state.mode in _MODES:
        raise CommandError(f"van '{state.van}' {_MODES[state.mode]}")
    if not state.release_key:
        raise CommandError(f"van '{state.van}' names no release key: it takes its list from a folder")
    fitted = state.updates.fitted if state.updates is not None else ()
    if sha256 not in {one.sha256 for one in fitted if one.kind == "watchlist" and one.phase == "offered"}:
        raise CommandError(f"van '{state.van}' does not hold list {sha256[:16]}...: it holds {_held(fitted)}")
    capsule = bytes(pyrage.encrypt(str(key).encode(), [Recipient.from_str(state.release_key)]))
    args: dict[str, float | str] = {"list": sha256, "capsule": base64.b64encode(capsule).decode(), "ttl_s": ttl_s}
    return Wish("watchlist.release", reason, args)


def revoke(sha256: str, ref: str | None, reason: str) -> Wish:
    """The command that takes an entry, or without one the whole list, back from a van."""
    mark = "" if ref is None else entry_mark(sha256, ref)
    return Wish("watchlist.revoke", reason, {"list": sha256, "entry": mark})


def revocation(before: Revocation | None, sha256: str, refs: Iterable[str]) -> Revocation:
    """The content of the next revocation target: all that was revoked before, and this, which comes last.

    Args:
        before: the newest that there is.
        sha256: of the encrypted list.
        refs: of the entries; none for the whole list.
    """
    marks = {entry_mark(sha256, ref) for ref in refs}
    revoked = {one.list: set(one.entries) for one in (before.revoked if before is not None else ())}
    known = revoked.pop(sha256, None)
    whole = not marks or known == set()
    revoked[sha256] = set() if whole else marks | (known or set())
    newest = list(revoked.items())[-MAX_REVOKED_LISTS:]
    return Revocation(revoked=tuple(Revoked(list=name, entries=tuple(sorted(marks))) for name, marks in newest))


def _held(fitted: tuple[Fitted, ...]) -> str:
    lists = [f"{one.sha256[:16]}... ({one.phase})" for one in fitted if one.kind == "watchlist"]
    return ", ".join(lists) or "none"
