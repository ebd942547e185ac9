"""Take the network and the core dump away from this process. Knows the kernel's calls; refuses to know why.

A network namespace of its own holds nothing but a loopback that is down, so no address of any kind can be reached;
Unix sockets in the file system still can. Call it before the first thread starts: only a single-threaded process may
move to a user namespace.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import socket
from pathlib import Path

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAPBSET_DROP = 24
_CAPABILITY_VERSION_3 = 0x20080522
_PROBE = ("192.0.2.1", 9)
"""TEST-NET-1 (RFC 5737): belongs to nobody, and a datagram socket's connect sends nothing."""

WALLED = "no network: own network namespace"


def raise_limit() -> None:
    """Allow this process and its children as much locked memory as the system lets it; raises nothing."""
    _, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    for limit in (resource.RLIM_INFINITY, hard):
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (limit, limit))
            return


def raise_wall() -> str:
    """Enter the wall as far as this system allows; returns what was achieved, in words for ``Status.wall``."""
    threads = len(list(Path("/proc/self/task").iterdir()))
    libc = ctypes.CDLL(None, use_errno=True)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for flags in (_CLONE_NEWUSER | _CLONE_NEWNET, _CLONE_NEWNET):
        if libc.unshare(flags) == 0:
            break
    else:
        reason = os.strerror(ctypes.get_errno())
        return f"NETWORK REACHABLE: this system forbids an own network namespace ({reason})"
    _drop_capabilities(libc)
    if threads > 1:
        return f"NETWORK REACHABLE: {threads - 1} threads were started before the wall"
    return WALLED if not reachable() else "NETWORK REACHABLE: an own network namespace still has a route"


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    """Give up every capability for good: with CAP_SYS_ADMIN a process could walk back into the network it left."""
    for capability in range(64):
        libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    libc.capset(header, (ctypes.c_uint32 * 6)())


def reachable() -> bool:
    """Whether this process has a route to any address outside."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_PROBE)
        except OSError:
            return False
    return True
