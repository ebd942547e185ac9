"""``python -m tests.match.walled UNIX_PATH INET_PORT [forbidden] [late]``: raise the wall here and say what is left.

A child process of the wall stories: it prints one JSON object. ``forbidden`` has the kernel refuse ``unshare`` from now
on; ``late`` starts a thread before the wall.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import resource
import socket
import struct
import sys
import threading

from firmware.match.wall import raise_wall, reachable

PR_GET_DUMPABLE, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS = 3, 22, 38, 39
CLONE_NEWNET = 0x40000000
UNSHARE = {"x86_64": 272, "aarch64": 97}
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | 1
"""seccomp's answers: go on, and EPERM."""


def forbid_unshare() -> None:
    """A seccomp filter in which ``unshare`` fails, as container runtimes install it."""
    forbid(UNSHARE[platform.machine()])


def forbid(number: int) -> None:
    """A seccomp filter in which this system call fails, here and in every child."""
    program = b"".join(
        struct.pack("<HBBI", *step)
        for step in (
            (LOAD, 0, 0, 0),
            (JUMP_IF_EQUAL, 0, 1, number),
            (RETURN, 0, 0, REFUSE),
            (RETURN, 0, 0, ALLOW),
        )
    )
    code = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("@HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if libc.prctl(PR_SET_SECCOMP, 2, ctypes.c_char_p(head), 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")


def become_nobody() -> None:
    """Give up root for good."""
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)


def attempt(family: int, kind: int, address: object) -> str:
    """What comes of connecting and sending: ``connected``, or the error's name."""
    with socket.socket(family, kind) as peer:
        peer.settimeout(10)
        try:
            peer.connect(address)  # type: ignore[arg-type]
            peer.send(b"x")
        except OSError as error:
            return type(error).__name__ + f": {error.strerror}"
    return "connected"


def main(unix_path: str, port: int, *circumstances: str) -> None:
    """Act and report."""
    acts = {"forbidden": forbid_unshare, "nobody": become_nobody, "late": start_a_thread}
    for circumstance in circumstances:
        acts[circumstance]()
    way_back = os.open("/proc/self/ns/net", os.O_RDONLY)
    words = raise_wall()
    libc = ctypes.CDLL(None)
    attempts = {
        "tcp4": attempt(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", port)),
        "udp4": attempt(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", port)),
        "far": attempt(socket.AF_INET, socket.SOCK_DGRAM, ("192.0.2.1", 9)),
        "tcp6": attempt(socket.AF_INET6, socket.SOCK_STREAM, ("::1", port)),
        "udp6": attempt(socket.AF_INET6, socket.SOCK_DGRAM, ("2001:db8::1", 9)),
        "unix": attempt(socket.AF_UNIX, socket.SOCK_STREAM, unix_path),
        "abstract": attempt(socket.AF_UNIX, socket.SOCK_STREAM, f"\0kerbside-test-{port}"),
    }
    facts = {
        "walked_back": ctypes.CDLL(None).setns(way_back, CLONE_NEWNET) == 0,
        "words": words,
        "reachable": reachable(),
        "core_limit": resource.getrlimit(resource.RLIMIT_CORE)[1],
        "dumpable": libc.prctl(PR_GET_DUMPABLE, 0, 0, 0, 0),
        "no_new_privs": libc.prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
    }
    json.dump({**attempts, **facts}, sys.stdout)


def start_a_thread() -> None:
    """One that waits until the process ends."""
    threading.Thread(target=threading.Event().wait, daemon=True).start()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
