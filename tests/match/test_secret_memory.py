"""Memory for a list: what kind it is, and that nothing is left in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from firmware.match.secret_memory import SecretMemory, best_kind, memfd_secret, secret_memory
from tests.source import ROOT

MAPPED = "secretmem"
SIZE = 100_000


def no_kernel_support() -> int:
    raise OSError(38, "Function not implemented")


def maps() -> str:
    return Path("/proc/self/maps").read_text("ascii")


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def _has_secret() -> None:
    try:
        os.close(memfd_secret())
    except OSError as error:
        pytest.skip(str(error))


@pytest.mark.usefixtures("_has_secret")
def test_where_the_kernel_has_secret_memory_not_even_its_own_file_shows_it() -> None:
    memory = secret_memory(SIZE)
    memory.view(0, 6)[:] = list(b"secret")
    assert (memory.kind, bytes(memory.view(0, 6))) == ("secret", b"secret")
    address = memory.view(0, 1).ctypes.data
    with Path("/proc/self/mem").open("rb", buffering=0) as file:
        file.seek(address)
        with pytest.raises(OSError, match="Input/output error"):
            file.read(6)
    assert MAPPED in maps()
    memory.wipe()
    assert MAPPED not in maps()


def test_where_it_has_none_memory_is_locked_and_in_no_core_dump() -> None:
    memory = secret_memory(SIZE, no_kernel_support)
    assert memory.kind == "locked"
    memory.view(0, 1)[:] = 1
    smaps = Path("/proc/self/smaps").read_text("ascii")
    flags = next(line for line in smaps.split("memfd:list")[1].splitlines() if line.startswith("VmFlags"))
    assert {"lo", "dd"} <= set(flags.split())
    memory.wipe()
    assert "memfd:list" not in maps()


def test_where_locking_is_refused_too_it_says_so() -> None:
    code = """
import json, resource, sys
from firmware.match.secret_memory import best_kind
from tests.match.walled import become_nobody
resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 65536))
(become_nobody if __import__("os").geteuid() == 0 else int)()
json.dump([best_kind(1 << 20), best_kind(1 << 12)], sys.stdout)
"""
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    large, small = json.loads(told.stdout)
    assert large == "open"
    assert small in {"secret", "locked"}


@pytest.mark.parametrize("make", [memfd_secret, no_kernel_support])
def test_wiped_memory_is_overwritten_before_it_is_let_go(make: object) -> None:
    memory = secret_memory(SIZE, make)  # type: ignore[arg-type]  # one of the two
    view = memory.view(0, SIZE)
    view[:] = 7
    memory.wipe()
    assert not view.any(), "whoever still looks sees nothing"
    assert len(memory) == 0
    memory.wipe()


def test_another_mapping_of_it_sees_what_was_written_and_the_wipe() -> None:
    mine = secret_memory(SIZE)
    theirs = SecretMemory(os.dup(mine.descriptor), mine.kind)
    mine.view(5, 6)[:] = 9
    assert theirs.view(5, 6)[0] == 9
    theirs.wipe()
    assert mine.view(5, 6)[0] == 0
    mine.let_go()


def test_no_descriptor_is_left_open() -> None:
    before = descriptors()
    for make in (memfd_secret, no_kernel_support):
        secret_memory(SIZE, make).wipe()
    best_kind(SIZE)
    with pytest.raises((OSError, ValueError)):
        SecretMemory(os.memfd_create("empty"), "locked")
    assert descriptors() == before
