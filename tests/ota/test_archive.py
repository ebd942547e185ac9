"""Archives: the same bytes for the same folder, and nothing outside of it, whatever somebody signed by mistake."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from ota.archive import ArchiveError, Limits, digest, pack, unpack

ROOMY = Limits(files=100, bytes=1_000_000)


def make_folder(at: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = at / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return at


def write(at: Path, data: bytes) -> Path:
    at.write_bytes(data)
    return at


def tar_of(*members: tarfile.TarInfo, data: bytes = b"") -> bytes:
    """An archive that our packer would not make."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(data[: member.size]))
    return zstandard.ZstdCompressor().compress(plain.getvalue())


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, mode: int = 0o644) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mode = kind, size, mode
    info.linkname = "/etc/passwd" if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
    return info


def test_a_folder_comes_back_as_it_was(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "from", {"a.py": b"1", "deep/er/b.bin": bytes(3_000_000), "run": b"#!"})
    (folder / "run").chmod(0o700)
    archive = write(tmp_path / "a.tar.zst", pack(folder))
    unpack(archive, tmp_path / "to", Limits(files=3, bytes=3_000_003))
    assert digest(tmp_path / "to") == digest(folder)
    assert (tmp_path / "to/run").stat().st_mode & 0o7777 == 0o755
    assert (tmp_path / "to/a.py").stat().st_mode & 0o7777 == 0o644


def test_the_same_folder_is_the_same_bytes_wherever_and_whenever_it_was_made(tmp_path: Path) -> None:
    one = make_folder(tmp_path / "one", {"b": b"2", "a": b"1"})
    other = make_folder(tmp_path / "other", {"a": b"1", "b": b"2"})
    (other / "a").chmod(0o600)
    assert pack(one) == pack(other)
    assert digest(one) == digest(other)


@pytest.mark.parametrize("spoil", [{"a": b"2"}, {"c": b""}], ids=["content", "name"])
def test_another_folder_has_another_digest(tmp_path: Path, spoil: dict[str, bytes]) -> None:
    one = make_folder(tmp_path / "one", {"a": b"1"})
    other = make_folder(make_folder(tmp_path / "other", {"a": b"1"}), spoil)
    assert digest(one) != digest(other)


def test_a_program_is_told_from_a_plain_file(tmp_path: Path) -> None:
    one, other = (make_folder(tmp_path / name, {"a": b"1"}) for name in ("one", "other"))
    (other / "a").chmod(0o755)
    assert digest(one) != digest(other)


def test_a_link_is_not_packed(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "from", {"a": b"1"})
    (folder / "b").symlink_to("/etc/passwd")
    with pytest.raises(ArchiveError, match="b: neither a plain file nor a folder"):
        pack(folder)


EVIL = {
    "absolute": (member("/etc/x"), "not a plain name"),
    "climbs": (member("a/../../x"), "not a plain name"),
    "dot": (member("./a"), "not a plain name"),
    "double slash": (member("a//b"), "not a plain name"),
    "backslash": (member("a\\b"), "not a plain name"),
    "control": (member("a\nb"), "not a plain name"),
    "symlink": (member("a", tarfile.SYMTYPE), "only plain files"),
    "hard link": (member("a", tarfile.LNKTYPE), "only plain files"),
    "device": (member("a", tarfile.CHRTYPE), "only plain files"),
    "pipe": (member("a", tarfile.FIFOTYPE), "only plain files"),
    "folder": (member("a", tarfile.DIRTYPE), "only plain files"),
    "long name": (member("n" * 300), "only plain files"),
    "too large": (member("a", size=1_000_001), "more than the 1000000 bytes"),
}


@pytest.mark.parametrize(("info", "complaint"), EVIL.values(), ids=EVIL)
def test_what_is_not_a_plain_file_below_the_folder_is_refused(
    tmp_path: Path, info: tarfile.TarInfo, complaint: str
) -> None:
    archive = write(tmp_path / "a.tar.zst", tar_of(member("good", size=1), info, data=bytes(info.size or 1)))
    with pytest.raises(ArchiveError, match=complaint):
        unpack(archive, tmp_path / "to", ROOMY)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar.zst"]


def test_a_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    archive = write(tmp_path / "a.tar.zst", tar_of(member("a"), member("a")))
    with pytest.raises(ArchiveError, match="a: stands twice"):
        unpack(archive, tmp_path / "to", ROOMY)


@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a")])
def test_a_file_that_is_a_folder_too_is_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    archive = write(tmp_path / "a.tar.zst", tar_of(*map(member, names)))
    with pytest.raises(ArchiveError, match="is a file and a folder"):
        unpack(archive, tmp_path / "to", ROOMY)


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    archive = write(tmp_path / "a.tar.zst", tar_of(*(member(f"f{n}") for n in range(101))))
    with pytest.raises(ArchiveError, match="more than the 100 files"):
        unpack(archive, tmp_path / "to", ROOMY)


def test_many_small_files_may_not_add_up(tmp_path: Path) -> None:
    members = [member(f"f{n}", size=100_000) for n in range(11)]
    archive = write(tmp_path / "a.tar.zst", tar_of(*members, data=bytes(100_000)))
    with pytest.raises(ArchiveError, match="f10: unpacks to more than the 1000000 bytes"):
        unpack(archive, tmp_path / "to", ROOMY)


def test_the_zeros_of_a_bomb_are_not_written(tmp_path: Path) -> None:
    archive = write(tmp_path / "a.tar.zst", tar_of(member("a", size=2**28), data=bytes(2**28)))
    assert archive.stat().st_size < 50_000
    with pytest.raises(ArchiveError, match="more than"):
        unpack(archive, tmp_path / "to", ROOMY)


@pytest.mark.parametrize("more", [b"1", bytes(tarfile.RECORDSIZE)])
def test_nothing_follows_the_end(tmp_path: Path, more: bytes) -> None:
    plain = zstandard.ZstdDecompressor().decompress(tar_of(member("a")), max_output_size=10**6)
    archive = write(tmp_path / "a.tar.zst", zstandard.ZstdCompressor().compress(plain + more))
    with pytest.raises(ArchiveError, match="goes on after its end"):
        unpack(archive, tmp_path / "to", ROOMY)


def test_an_empty_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="holds no file"):
        unpack(write(tmp_path / "a.tar.zst", tar_of()), tmp_path / "to", ROOMY)


def test_what_was_there_is_replaced_whole_and_kept_when_the_new_one_is_refused(tmp_path: Path) -> None:
    to = make_folder(tmp_path / "to", {"old": b"1"})
    make_folder(tmp_path / "to.part", {"left over": b"of a cut"})
    with pytest.raises(ArchiveError):
        unpack(write(tmp_path / "bad", b"not zstd"), to, ROOMY)
    assert [path.name for path in to.iterdir()] == ["old"]
    unpack(write(tmp_path / "good", tar_of(member("new"))), to, ROOMY)
    assert [path.name for path in to.iterdir()] == ["new"]
    assert not (tmp_path / "to.part").exists()


def flipped(data: bytes, at: int) -> bytes:
    """One bit of it is another."""
    at %= len(data) * 8
    return data[: at // 8] + bytes([data[at // 8] ^ 1 << at % 8]) + data[at // 8 + 1 :]


def cut(data: bytes, at: int) -> bytes:
    return data[: at % len(data)]


@given(damage=st.sampled_from([flipped, cut]), at=st.integers(0, 4_000))
def test_a_damaged_archive_is_refused_or_the_same(
    tmp_path_factory: pytest.TempPathFactory, damage: Callable[[bytes, int], bytes], at: int
) -> None:
    here = tmp_path_factory.mktemp("damaged")
    folder = make_folder(here / "from", {f"f{n}": bytes(range(n, 200)) for n in range(5)})
    archive = write(here / "a", damage(pack(folder), at))
    try:
        unpack(archive, here / "to", ROOMY)
    except ArchiveError:
        assert not (here / "to").exists()
    else:
        assert digest(here / "to") == digest(folder)
