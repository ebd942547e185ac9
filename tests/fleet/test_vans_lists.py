"""A list's key reaches one van in one boot; what is taken back stays taken back."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import msgspec
import pyrage
import pytest
from pyrage.x25519 import Identity

from firmware.arguments import ReleaseList, RevokeEntry
from firmware.control.commands import CommandError
from firmware.fleet.vans import lists
from firmware.messages import Fitted, State, Updates
from ota.content import Revocation, entry_mark
from tests.control.van import a_state

LIST, OTHER = "3f" * 32, "4e" * 32
BOOT_KEY, LIST_KEY = Identity.generate(), Identity.generate()


def waiting(**changes: Any) -> State:
    """A van that holds the list and waits for its key."""
    offered = Fitted(kind="watchlist", sha256=LIST, counter=4, phase="offered")
    updates = Updates(floor=1_700_000_000, checked=1_700_000_000, fault="", fitted=(offered,))
    fields = {"mode": "unarmed", "release_key": str(BOOT_KEY.to_public()), "memory": "secret", "updates": updates}
    return a_state(1, **{**fields, **changes})


def test_a_capsule_opens_with_the_key_of_this_boot_and_with_no_other() -> None:
    wish = lists.release(waiting(), LIST, LIST_KEY, 3600.0, "routine")
    arguments = msgspec.convert(wish.args, ReleaseList)
    capsule = base64.b64decode(arguments.capsule)
    assert (arguments.list, arguments.ttl_s) == (LIST, 3600.0)
    assert pyrage.decrypt(capsule, [BOOT_KEY]).decode() == str(LIST_KEY)
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(capsule, [Identity.generate()])


@pytest.mark.parametrize(
    ("changes", "because"),
    [
        ({"mode": "seeing"}, "is armed already"),
        ({"mode": "locked"}, "was wiped: two people resume it first"),
        ({"release_key": ""}, "names no release key"),
        ({"updates": None}, "does not hold list 3f3f3f3f3f3f3f3f...: it holds none"),
        (
            {
                "updates": Updates(
                    floor=1, checked=1, fault="",
                    fitted=(Fitted(kind="watchlist", sha256=OTHER, counter=9, phase="offered"),),
                )
            },
            r"it holds 4e4e4e4e4e4e4e4e\.\.\. \(offered\)",
        ),
    ],
)  # fmt: skip
def test_what_the_van_would_refuse_is_not_signed(changes: dict[str, Any], because: str) -> None:
    with pytest.raises(CommandError, match=because):
        lists.release(waiting(**changes), LIST, LIST_KEY, 3600.0, "routine")


def test_a_revoked_entry_is_named_by_a_mark_that_names_nobody() -> None:
    arguments = msgspec.convert(lists.revoke(LIST, "entry-31", "technical").args, RevokeEntry)
    assert arguments == RevokeEntry(list=LIST, entry=entry_mark(LIST, "entry-31"))
    assert "entry-31" not in str(arguments)
    assert msgspec.convert(lists.revoke(LIST, None, "technical").args, RevokeEntry).entry == ""


def test_what_was_revoked_once_is_in_every_later_revocation() -> None:
    first = lists.revocation(None, LIST, ["a"])
    second = lists.revocation(lists.revocation(first, OTHER, []), LIST, ["b"])
    assert {one.list: set(one.entries) for one in second.revoked} == {
        LIST: {entry_mark(LIST, "a"), entry_mark(LIST, "b")},
        OTHER: set(),
    }
    assert msgspec.json.decode(msgspec.json.encode(second), type=Revocation) == second


def test_a_revoked_list_does_not_come_back_by_the_revocation_of_one_entry() -> None:
    whole = lists.revocation(None, LIST, [])
    assert [one.entries for one in lists.revocation(whole, LIST, ["a"]).revoked] == [()]


def test_a_list_has_one_key(tmp_path: Path) -> None:
    path = tmp_path / "list.key"
    path.touch(0o600)
    path.write_text(f"{LIST_KEY}\n{BOOT_KEY}\n")
    with pytest.raises(CommandError, match="holds 2 age identities"):
        lists.load_list_key(path)
    path.write_text(f"# a list's\n{LIST_KEY}\n")
    assert str(lists.load_list_key(path)) == str(LIST_KEY)


def test_a_list_is_called_by_the_digest_of_its_encrypted_bytes(tmp_path: Path) -> None:
    sealed = b"age-encryption.org/v1\nabc"
    (tmp_path / "x.age").write_bytes(sealed)
    assert lists.digest_of(tmp_path / "x.age") == hashlib.sha256(sealed).hexdigest()
    assert lists.named(LIST) == LIST
