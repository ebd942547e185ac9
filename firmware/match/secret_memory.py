"""Memory for a list: in no core dump, in no swap, and overwritten when it is let go. Knows the kernel's calls; refuses
to know what lies in it.

memfd_secret(2) takes the pages out of the kernel's own map, so that not even /proc/PID/mem gives them. Where a kernel
has none (Linux before 5.14, or without ``secretmem.enable``), or the limit on locked memory is too low for it, ordinary
memory is locked; where that is refused too, :attr:`SecretMemory.kind` says ``open``.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from firmware.messages import Memory

_MEMFD_SECRET = 447
"""The same number on every architecture (Linux: include/uapi/asm-generic/unistd.h)."""
USUAL_BYTES = 40 * 2**20
"""10,000 entries of 128 dimensions with portraits of 3 KB."""
U8 = npt.NDArray[np.uint8]
MakeSecret = Callable[[], int]


def memfd_secret() -> int:
    """A descriptor of secret memory without a size yet.

    Raises:
        OSError: this kernel gives none.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor: int = libc.syscall(_MEMFD_SECRET, os.O_CLOEXEC)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), f"memfd_secret: {os.strerror(ctypes.get_errno())}")
    return descriptor


class SecretMemory:
    """One mapping, which may be handed to another process by its descriptor.

    Args:
        descriptor: of the memory, which this object closes in the end.
        kind: ``secret`` for one of :func:`memfd_secret`; anything else is locked here, if it can be.

    Raises:
        OSError: it cannot be mapped; the descriptor is closed.
    """

    def __init__(self, descriptor: int, kind: Memory) -> None:
        self._descriptor = descriptor
        try:
            size = os.fstat(descriptor).st_size
            self._map = mmap.mmap(descriptor, size, mmap.MAP_SHARED)
        except (OSError, ValueError):
            os.close(descriptor)
            raise
        self._bytes: U8 = np.frombuffer(self._map, np.uint8)
        self.kind: Memory = kind
        if kind != "secret":
            self._map.madvise(mmap.MADV_DONTDUMP)
            self.kind = "locked" if self._locks() else "open"

    def __len__(self) -> int:
        """Bytes; 0 after :meth:`wipe`."""
        return len(self._bytes)

    @property
    def descriptor(self) -> int:
        """For another process, which maps the same memory."""
        return self._descriptor

    def view(self, start: int, end: int) -> U8:
        """These bytes where they lie; the view must be let go before :meth:`wipe` can unmap them."""
        return self._bytes[start:end]

    def wipe(self) -> None:
        """Overwrite and let go; a second time does nothing."""
        if not len(self):
            return
        self._bytes.fill(0)
        self.let_go()

    def let_go(self) -> None:
        """Unmap here; what another process has mapped stays."""
        if not len(self):
            return
        self._bytes = np.zeros(0, np.uint8)
        os.close(self._descriptor)
        with contextlib.suppress(BufferError):  # somebody still has a view: it is unmapped when that goes
            self._map.close()

    def _locks(self) -> bool:
        libc = ctypes.CDLL(None, use_errno=True)
        return bool(libc.mlock(ctypes.c_void_p(self._bytes.ctypes.data), ctypes.c_size_t(len(self))) == 0)


def secret_memory(size: int, make: MakeSecret = memfd_secret) -> SecretMemory:
    """The best memory of ``size`` bytes that this system gives.

    Args:
        size: at least 1.
        make: gives secret memory.

    Raises:
        OSError: there is none at all.
    """
    with contextlib.suppress(OSError):
        return SecretMemory(_sized(make(), size), "secret")
    return SecretMemory(_sized(os.memfd_create("list", os.MFD_CLOEXEC), size), "locked")


def best_kind(size: int = USUAL_BYTES) -> Memory:
    """What memory of ``size`` bytes would be now; ``open`` also where there is none."""
    try:
        memory = secret_memory(size)
    except OSError:
        return "open"
    kind = memory.kind
    memory.let_go()
    return kind


def _sized(descriptor: int, size: int) -> int:
    try:
        os.ftruncate(descriptor, size)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
