"""A list is opened by a process that ends: what it refuses, with which word, and that nothing of it is left behind."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import pyrage
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyrage.x25519 import Identity
from safetensors.numpy import save

from firmware.match.opened import Layout, OpenedList, Wanted
from firmware.match.opener import Opener, UnopenedError
from firmware.match.opening import _Not, _opened
from ota.bundle import MAX_PLAIN_BYTES, pack
from ota.content import MAX_BYTES
from tests.link.stage import wait_until
from tests.match.lists import (
    HOUR_S,
    NOW,
    SPACE,
    VAN_KEY,
    SealedList,
    a_bundle,
    a_head,
    a_list,
    entries,
    random_portraits,
    random_units,
)

Open = Callable[..., OpenedList]
FEW_S, LARGEST = 3.0, 10_000
"""Seconds of the processors, so that other work on this machine does not count."""


class Desk:
    """An opener, and what it is asked."""

    def __init__(self, opener: Opener | None = None) -> None:
        self.opener = opener or Opener(time.monotonic)

    def key(self) -> str:
        def ready() -> str:
            self.opener.tend()
            return self.opener.release_key

        wait_until(ready, "a release key")
        return self.opener.release_key

    def open(self, listed: SealedList, **changed: object) -> OpenedList:
        wanted = msgspec.structs.replace(a_wish(listed, listed.capsule(self.key())), **changed)
        descriptor = os.open(listed.path, os.O_RDONLY)
        try:
            return self.opener.open(wanted, descriptor)
        finally:
            os.close(descriptor)

    def refusal(self, listed: SealedList, **changed: object) -> str:
        with pytest.raises(UnopenedError) as refusal:
            self.open(listed, **changed)
        return refusal.value.why


def a_wish(listed: SealedList, capsule: bytes) -> Wanted:
    return Wanted(
        capsule=capsule,
        sha256=listed.sha256,
        van=VAN_KEY,
        space=SPACE,
        dimension=128,
        now=NOW,
        max_entries=10_000,
        counter=listed.head.counter,
        not_before=listed.head.not_before,
        not_after=listed.head.not_after,
        deployment=listed.head.deployment,
        min_similarity_milli=0,
        max_faces=listed.head.max_faces,
    )


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.opener.renew()


def test_an_opened_list_lies_in_memory_with_its_entries_and_portraits(desk: Desk, tmp_path: Path) -> None:
    opened = desk.open(a_list(tmp_path / "list.age"))
    assert [entry.ref for entry in opened.head.entries] == [f"entry-{number}" for number in range(12)]
    assert np.allclose(opened.templates, random_units(12), atol=1e-3)
    assert np.allclose(np.linalg.norm(opened.templates, axis=1), 1, atol=1e-6)
    starts = [0, *opened.portrait_ends[:-1]]
    cut = [opened.portraits[start:end].tobytes() for start, end in zip(starts, opened.portrait_ends, strict=True)]
    assert tuple(cut) == random_portraits(12)


def test_a_list_of_ten_thousand_is_open_in_a_moment(desk: Desk, tmp_path: Path) -> None:
    listed = a_list(tmp_path / "list.age", LARGEST)
    desk.key()
    before_s = time.process_time() + sum(os.times()[2:4])
    opened = desk.open(listed)
    assert len(opened.head.entries) == LARGEST
    assert time.process_time() + sum(os.times()[2:4]) - before_s < FEW_S, "of the processors' time"


def test_a_key_opens_once_and_the_next_is_another(desk: Desk, tmp_path: Path) -> None:
    listed = a_list(tmp_path / "list.age")
    first = desk.key()
    used = listed.capsule(first)
    desk.open(listed)
    assert desk.opener.release_key == ""
    assert desk.key() != first
    assert desk.refusal(listed, capsule=used) == "wrong key"


def test_a_key_is_used_up_by_a_refusal_too_and_by_a_wipe(desk: Desk, tmp_path: Path) -> None:
    listed = a_list(tmp_path / "list.age")
    keys = [desk.key()]
    desk.refusal(listed, now=NOW - 2 * HOUR_S)
    keys.append(desk.key())
    desk.opener.renew()
    keys.append(desk.key())
    assert len(set(keys)) == 3


REFUSALS: dict[str, tuple[dict[str, object], dict[str, object], str]] = {
    # what                 the list says             the van wants             the word
    "another model":      ({},                       {"space": "other"},       "wrong model"),
    "another dimension":  ({},                       {"dimension": 512},       "wrong model"),
    "another van":        ({"vans": ("ab" * 32,)},   {},                       "wrong van"),
    "too early":          ({},                       {"now": NOW - 2 * HOUR_S}, "not yet valid"),
    "too late":           ({},                       {"now": NOW + 2 * HOUR_S}, "expired"),
    "too long":           ({},                       {"max_entries": 11},      "too many entries"),
    "another file":       ({},                       {"sha256": "ab" * 32},    "wrong list"),
    "no capsule":         ({},                       {"capsule": b"age"},      "wrong key"),
    "another counter":    ({},                       {"counter": 2},           "not as signed"),
    "an earlier start":   ({},                       {"not_before": NOW},      "not as signed"),
    "a later end":        ({},                       {"not_after": NOW + 1},   "not as signed"),
    "another deployment": ({},                       {"deployment": "dep-8"},  "not as signed"),
    "another limit":      ({},                       {"max_faces": 12},        "not as signed"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSALS)
def test_what_is_not_right_is_refused_with_its_word(desk: Desk, tmp_path: Path, what: str) -> None:
    says, wants, word = REFUSALS[what]
    assert desk.refusal(a_list(tmp_path / "list.age", says=says), **wants) == word


def test_a_capsule_for_another_van_and_a_key_of_another_list_open_nothing(desk: Desk, tmp_path: Path) -> None:
    listed, other = a_list(tmp_path / "list.age"), a_list(tmp_path / "other.age")
    assert desk.refusal(listed, capsule=listed.capsule(str(Identity.generate().to_public()))) == "wrong key"
    assert desk.refusal(listed, capsule=other.capsule(desk.key())) == "wrong key"


def damaged(kind: str) -> bytes:
    """What two people were made to sign although it is no list."""
    good = pack(a_bundle(a_head(entries(("entry-0",)))))
    plain = zstandard.ZstdDecompressor().decompress(good)
    zeros = zstandard.ZstdCompressor().compress(bytes(MAX_PLAIN_BYTES + 1))
    return {
        "cut": good[:-100],
        "no zstd": plain,
        "zip bomb": zeros,
        "no safetensors": zstandard.ZstdCompressor().compress(b"not a safetensors file"),
        "other tensors": zstandard.ZstdCompressor().compress(save({"head": np.zeros(3, np.uint8)})),
        "no head": zstandard.ZstdCompressor().compress(plain.replace(b'"space"', b'"spade"')),
        "huge header": zstandard.ZstdCompressor().compress((2**62).to_bytes(8, "little") + b"{}"),
    }[kind]


@pytest.mark.parametrize(
    "kind", ["cut", "no zstd", "zip bomb", "no safetensors", "other tensors", "no head", "huge header"]
)
def test_a_signed_file_that_is_no_list_is_refused(desk: Desk, tmp_path: Path, kind: str) -> None:
    assert desk.refusal(SealedList(tmp_path / "list.age", damaged(kind))) == "damaged"


def test_a_file_over_the_limit_is_not_read_to_its_end(desk: Desk, tmp_path: Path) -> None:
    listed = a_list(tmp_path / "list.age")
    os.truncate(listed.path, MAX_BYTES["watchlist"] + 1)
    assert desk.refusal(listed) == "too large"


def test_a_process_that_died_opens_nothing_and_another_takes_its_place(desk: Desk, tmp_path: Path) -> None:
    listed = a_list(tmp_path / "list.age")
    capsule = listed.capsule(desk.key())
    process = desk.opener._process
    assert process is not None
    process.kill()
    process.wait()
    with pytest.raises(UnopenedError, match="the process that opens it") as refusal:
        desk.opener.open(a_wish(listed, capsule), 0)
    assert refusal.value.why == "not opened"
    assert len(desk.open(listed).head.entries) == 12


def test_a_process_that_cannot_start_is_no_key_and_no_flood_of_processes() -> None:
    now = [0.0]
    opener = Opener(lambda: now[0], (sys.executable, "-c", "raise SystemExit"))
    starts = set()

    def gone() -> bool:
        opener.tend()
        starts.add(None if opener._process is None else opener._process.pid)
        return opener._process is None

    wait_until(gone, "its end")
    for _ in range(10):
        opener.tend()
    assert opener._process is None, "not before its time"
    assert opener.release_key == ""
    now[0] += 10.0
    opener.tend()
    assert opener._process is not None
    opener.renew()


LIES: dict[str, tuple[str, str]] = {
    "an end past the portraits": ("ends[-1] = 4", "portraits' ends do not fit"),
    "an end before another": ("ends[0] = 3; ends[1] = 2; ends[2] = 3", "portraits' ends do not fit"),
    "an end before the start": ("ends[0] = -1", "portraits' ends do not fit"),
    "fewer entries than templates": ("entries = entries[:2]", "2 entries, 3 templates"),
    "more entries than templates": ("entries = entries + more", "4 entries, 3 templates"),
    "less memory than it says": ("portraits = 5", "bytes of memory"),
}


def scripted(statement: str) -> Desk:
    return Desk(Opener(time.monotonic, (sys.executable, "-m", "tests.match.lying_opening", statement)))


def test_a_scripted_process_that_does_not_lie_is_believed(tmp_path: Path) -> None:
    opened = scripted("").open(a_list(tmp_path / "list.age"))
    assert len(opened.head.entries) == 3
    opened.memory.wipe()


def test_a_list_is_not_used_while_the_process_that_opened_it_lives(tmp_path: Path) -> None:
    with pytest.raises(UnopenedError, match="does not end"):
        scripted("linger_s = 60").open(a_list(tmp_path / "list.age"))


@pytest.mark.parametrize("lie", LIES)
def test_whoever_opened_it_is_not_taken_at_its_word(tmp_path: Path, lie: str) -> None:
    statement, words = LIES[lie]
    with pytest.raises(UnopenedError, match=words):
        scripted(statement).open(a_list(tmp_path / "list.age"))
    assert "memfd:list" not in Path("/proc/self/maps").read_text("ascii")


KEY = Identity.generate()
PACKED = pack(a_bundle(a_head(entries(("entry-0", "entry-1")))))
PLAIN = zstandard.ZstdDecompressor().decompress(PACKED)


def opened_here(path: Path, listed: SealedList) -> str:
    """Open it in this process, without the other's limits; the word, or nothing."""
    wanted = a_wish(listed, bytes(pyrage.encrypt(str(listed.key).encode(), [KEY.to_public()])))
    descriptor = os.open(path, os.O_RDONLY)
    try:
        memory, answer = _opened(wanted, KEY, descriptor)
    except _Not as refusal:
        return refusal.why
    finally:
        os.close(descriptor)
    assert len(memory) == Layout(answer.entries, answer.dimension, answer.head_bytes, answer.portrait_bytes).size
    memory.wipe()
    return ""


again = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@again
@given(position=st.integers(0, len(PLAIN) - 1), bit=st.integers(0, 7), cut=st.integers(0, len(PLAIN)))
def test_no_flipped_bit_and_no_cut_of_a_signed_list_does_more_than_be_refused(
    tmp_path: Path, position: int, bit: int, cut: int
) -> None:
    flipped = bytearray(PLAIN)
    flipped[position] ^= 1 << bit
    for plain in (bytes(flipped), PLAIN[:cut]):
        listed = SealedList(tmp_path / "list.age", zstandard.ZstdCompressor(level=1).compress(plain))
        assert opened_here(listed.path, listed) in {
            "",
            "damaged",
            "not as signed",
            "wrong model",
            "wrong van",
            "not yet valid",
            "expired",
        }


@again
@given(position=st.integers(0, 10_000), bit=st.integers(0, 7), cut=st.integers(0, 10_000))
def test_no_flipped_bit_and_no_cut_of_the_encrypted_file_gets_past_its_digest_or_its_encryption(
    tmp_path: Path, position: int, bit: int, cut: int
) -> None:
    listed = SealedList(tmp_path / "list.age", PACKED)
    flipped = bytearray(listed.data)
    flipped[position % len(flipped)] ^= 1 << bit
    for data in (bytes(flipped), listed.data[: cut % len(listed.data)]):
        listed.path.write_bytes(data)
        assert opened_here(listed.path, listed) == "wrong list"
        listed.sha256, whole = hashlib.sha256(data).hexdigest(), listed.sha256
        assert opened_here(listed.path, listed) == "wrong key"
        listed.sha256 = whole


@again
@given(
    header=st.dictionaries(
        st.sampled_from(["head", "templates", "portraits", "portrait_ends", "__metadata__"]),
        st.fixed_dictionaries(
            {
                "dtype": st.sampled_from(["F16", "U8", "I64", "F32", "BOOL", "X"]),
                "shape": st.lists(st.integers(0, 2**33), max_size=3),
                "data_offsets": st.lists(st.integers(0, 2**33), min_size=2, max_size=2),
            }
        ),
    ),
    body=st.binary(max_size=200),
)
def test_no_made_up_safetensors_file_does_more_than_be_refused(
    tmp_path: Path, header: dict[str, object], body: bytes
) -> None:
    head = msgspec.json.encode(header)
    plain = len(head).to_bytes(8, "little") + head + body
    listed = SealedList(tmp_path / "list.age", zstandard.ZstdCompressor(level=1).compress(plain))
    assert opened_here(listed.path, listed) == "damaged"
