"""``python -m firmware.match.opening SOCKET``: a process that opens one list and ends. Knows keys, ciphertext and every
check of a list; refuses to know cameras, commands and who released what.

It is a process of its own because the libraries that decrypt, unpack and parse leave copies behind that nobody can
overwrite: here they end with it, and so do the list's key and the one that this was released to, which never leaves it.
A list's bytes are believed only after their digest was compared with the one that two people signed.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import NoReturn

import msgspec
import numpy as np
import pyrage
from pyrage.x25519 import Identity

from firmware import framing
from firmware.match.opened import MAX_WORDS, Layout, Opened, Ready, Unopened, Wanted, Why
from firmware.match.secret_memory import SecretMemory, secret_memory
from ota.bundle import Bundle, BundleError, unpack
from ota.content import MAX_BYTES

MEMORY_BYTES = 1792 * 2**20
"""More than this process may take on top of what it has at its start: a list of the largest size needs six copies."""
CPU_S = 10
_SIGNED = ("counter", "not_before", "not_after", "deployment", "max_faces", "min_similarity_milli")
"""What a list says of itself inside its encryption, and its signers outside."""
_PIECE = 2**20
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
_MCL_ALL = 1 | 2 | 4
"""What is there, what comes, and each page when it is touched (Linux: include/uapi/asm-generic/mman.h)."""


class _Not(Exception):
    def __init__(self, why: Why, words: str = "") -> None:
        self.why: Why = why
        self.words = words[:MAX_WORDS]


def main(arguments: list[str]) -> int:
    """Make a key, wait for one request, answer it and end."""
    _close_off(ctypes.CDLL(None, use_errno=True))
    with socket.socket(fileno=int(arguments[0])) as peer:
        key = Identity.generate()
        framing.send(peer, Ready(str(key.to_public())))
        wanted = framing.receive(peer, msgspec.msgpack.Decoder(Wanted))
        if wanted is None:
            return 0
        _, descriptors, _, _ = socket.recv_fds(peer, 1, 1)
        try:
            memory, answer = _opened(wanted, key, descriptors[0])
        except _Not as refusal:
            framing.send(peer, Unopened(why=refusal.why, words=refusal.words))
            return 0
        except MemoryError:
            framing.send(peer, Unopened(why="too large"))
            return 0
        framing.send(peer, answer)
        socket.send_fds(peer, [b"\0"], [memory.descriptor])
    return 0


def _close_off(libc: ctypes.CDLL) -> None:
    """No core dump, no look from outside, no swap where locking is allowed, bounded memory and time."""
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    most = pages * resource.getpagesize() + MEMORY_BYTES
    lockable = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    if lockable == resource.RLIM_INFINITY or lockable >= most:  # else a list that fits would find no room
        libc.mlockall(_MCL_ALL)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))


def _opened(wanted: Wanted, key: Identity, descriptor: int) -> tuple[SecretMemory, Opened]:
    bundle = _bundle(wanted, key, descriptor)
    _check(bundle, wanted)
    head, portraits = msgspec.msgpack.encode(bundle.head), np.frombuffer(b"".join(bundle.portraits), np.uint8)
    layout = Layout(len(bundle.head.entries), wanted.dimension, len(head), len(portraits))
    try:
        memory = secret_memory(layout.size)
    except OSError as error:
        raise _Not("no memory", str(error)) from error
    rows = layout.templates(memory)
    rows[:] = bundle.templates
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)  # half precision is a hair off the unit length
    layout.ends(memory)[:] = np.cumsum([len(portrait) for portrait in bundle.portraits])
    layout.portraits(memory)[:] = portraits
    layout.head(memory)[:] = np.frombuffer(head, np.uint8)
    return memory, Opened(
        kind=memory.kind,
        entries=layout.entries,
        dimension=layout.dimension,
        head_bytes=layout.head_bytes,
        portrait_bytes=layout.portrait_bytes,
    )


def _bundle(wanted: Wanted, key: Identity, descriptor: int) -> Bundle:
    encrypted = _read(descriptor)
    if hashlib.sha256(encrypted).hexdigest() != wanted.sha256:
        raise _Not("wrong list", "the file is not the one that was released")
    try:
        lists_key = Identity.from_str(pyrage.decrypt(wanted.capsule, [key]).decode("ascii").strip())
    except (pyrage.DecryptError, pyrage.IdentityError, UnicodeDecodeError):
        raise _Not("wrong key", "the capsule is not for this release key, or holds no age identity") from None
    try:
        packed = pyrage.decrypt(encrypted, [lists_key])
    except pyrage.DecryptError:
        raise _Not("wrong key", "the released key does not open this list") from None
    del encrypted
    try:
        return unpack(packed)
    except BundleError as error:
        raise _Not("damaged", str(error)) from None


def _read(descriptor: int) -> bytes:
    """At most one byte more than a list may have."""
    pieces, left = [], MAX_BYTES["watchlist"]
    with contextlib.suppress(OSError):
        while piece := os.read(descriptor, min(_PIECE, left + 1)):
            pieces.append(piece)
            left -= len(piece)
            if left < 0:
                raise _Not("too large", f"the file has more than {MAX_BYTES['watchlist']} bytes")
    return b"".join(pieces)


def _check(bundle: Bundle, wanted: Wanted) -> None:
    """This van can and may use it now."""
    head, count, dimension = bundle.head, len(bundle.head.entries), bundle.templates.shape[1]
    for field in _SIGNED:
        said, signed = getattr(head, field), getattr(wanted, field)
        if said != signed:
            _refuse("not as signed", f"{field}: the list says {said}, its signers {signed}")
    if wanted.van not in head.vans:
        _refuse("wrong van", "this van is none of those that the list is for")
    if head.space != wanted.space:
        _refuse("wrong model", f"made by model {head.space[:16]}, this van has {wanted.space[:16]}")
    if dimension != wanted.dimension:
        _refuse("wrong model", f"templates of {dimension} numbers, this van's have {wanted.dimension}")
    if wanted.now < head.not_before:
        _refuse("not yet valid", f"valid from {head.not_before}, it is {wanted.now}")
    if wanted.now >= head.not_after:
        _refuse("expired", f"valid until {head.not_after}, it is {wanted.now}")
    if count > wanted.max_entries:
        _refuse("too many entries", f"{count} entries, this van takes {wanted.max_entries}")


def _refuse(why: Why, words: str) -> NoReturn:
    raise _Not(why, words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
