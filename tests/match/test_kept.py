"""What a van took over the air it starts with again, or it does not start."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware.match.kept import Copied, Kept, KeptError, Newest, Taken
from ota.archive import digest, pack

ONE, TWO = "1a" * 32, "2b" * 32


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    return tmp_path / "state"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    (tmp_path / "made").mkdir()
    (tmp_path / "made/keys.json").write_text("one")
    (tmp_path / "archive").write_bytes(pack(tmp_path / "made"))
    return tmp_path / "archive"


def take(kept: Kept, kind: Copied, sha256: str, archive: Path) -> Path:
    own = kept.unpack(kind, sha256, archive)
    kept.keep(kind, sha256, own)
    return own


def test_a_new_van_has_kept_nothing(state: Path) -> None:
    kept = Kept(state, digest)
    assert (kept.model, kept.policy, kept.model_folder(), kept.policy_folder()) == ("", "", None, None)
    assert kept.newest == Newest()


@pytest.mark.parametrize("kind", ["model", "policy"])
def test_what_is_kept_is_used_while_it_is_what_was_taken(state: Path, archive: Path, kind: Copied) -> None:
    own = take(Kept(state, digest), kind, ONE, archive)
    again = Kept(state, digest)
    assert (again.model_folder() or again.policy_folder()) == own
    (own / "keys.json").write_text("changed")
    with pytest.raises(KeptError, match="when it was taken"):
        again.model_folder() or again.policy_folder()
    (own / "keys.json").unlink()
    own.rmdir()
    with pytest.raises(KeptError):
        again.model_folder() or again.policy_folder()


def test_one_of_a_kind_is_kept_at_a_time_and_one_kind_does_not_touch_the_other(state: Path, archive: Path) -> None:
    kept = Kept(state, digest)
    model = take(kept, "model", ONE, archive)
    take(kept, "policy", ONE, archive)
    policy = take(kept, "policy", TWO, archive)
    assert sorted(path for path in state.iterdir() if path.is_dir()) == [model, policy]
    assert (Kept(state, digest).policy, Kept(state, digest).model) == (TWO, ONE)


def test_what_a_cut_left_is_removed_at_the_next_start(state: Path, archive: Path) -> None:
    kept = Kept(state, digest)
    own = take(kept, "policy", ONE, archive)
    kept.unpack("policy", TWO, archive)
    kept.spare("model", TWO).write_bytes(b"half")
    Kept(state, digest)
    assert sorted(state.iterdir()) == [state / "kept.json", own]


def test_how_new_all_was_is_known_after_a_restart(state: Path) -> None:
    newest = Newest(3, 4, {"policy": Taken(ONE, 5)})
    Kept(state, digest).raise_newest(newest)
    assert Kept(state, digest).newest == newest


@pytest.mark.parametrize("damage", [b"", b"{}}", b'{"v":2}', b'{"v":1,"model":{"sha256":"x"}}', b"\xff"])
def test_a_pointer_that_cannot_be_read_stops_the_van(state: Path, damage: bytes) -> None:
    (state / "kept.json").write_bytes(damage)
    with pytest.raises(KeptError, match=r"kept\.json"):
        Kept(state, digest)


def test_what_cannot_be_written_down_changes_nothing(state: Path, archive: Path, tmp_path: Path) -> None:
    kept = Kept(state, digest)
    take(kept, "policy", ONE, archive)
    own = kept.unpack("policy", TWO, archive)
    state.rename(tmp_path / "gone")
    (tmp_path / "state").write_text("a file stands in the way")
    with pytest.raises(KeptError):
        kept.keep("policy", TWO, own)
    with pytest.raises(KeptError):
        kept.raise_newest(Newest(9, 9))
    assert (kept.policy, kept.newest) == (ONE, Newest())
