"""Keep a process ready that can open one list, and have it open one. Knows that process and its time; refuses to know
what a release is and who gave it.

The key that a list's key is released to is made in that process and stays there. It is used once: whatever comes of it,
the process ends, and the next has another key.
"""

from __future__ import annotations

import contextlib
import select
import socket
import subprocess
import sys
from collections.abc import Callable

import msgspec
import numpy as np

from firmware import framing
from firmware.match.opened import FromOpening, Layout, Opened, OpenedList, Ready, Unopened, Wanted, Why
from firmware.match.secret_memory import SecretMemory
from ota.content import ListHead

OPEN_S = 10.0
"""A list of 10,000 takes a tenth of it."""
_END_S = 5.0
_AGAIN_S = 5.0
_COMMAND = (sys.executable, "-m", "firmware.match.opening")
_from_opening = msgspec.msgpack.Decoder(FromOpening)


class UnopenedError(Exception):
    """The list was not opened: ``why`` is a word of a closed list, the text has the figures."""

    def __init__(self, why: Why, words: str = "") -> None:
        super().__init__(words)
        self.why: Why = why


class Opener:
    """One thread uses it; any may read :attr:`release_key`.

    Args:
        clock: monotonic seconds.
        command: what is started, with a socket's number after it.

    Attributes:
        release_key: the age recipient of now; empty while no process is ready.
    """

    def __init__(self, clock: Callable[[], float], command: tuple[str, ...] = _COMMAND) -> None:
        self.release_key = ""
        self._clock = clock
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._peer: socket.socket | None = None
        self._next_s = clock()

    def tend(self) -> None:
        """Start a process where there is none, and hear whether it is ready."""
        if self._process is None or self._peer is None:
            if self._clock() >= self._next_s:
                self._start()
        elif self._process.poll() is not None:
            self._next_s = self._clock() + _AGAIN_S
            self.renew()
        elif not self.release_key and select.select([self._peer], [], [], 0)[0]:
            self._greeted(self._peer)

    def renew(self) -> None:
        """The key of now opens nothing any more; the next :meth:`tend` makes another."""
        self.release_key = ""
        if self._process is not None and self._peer is not None:
            self._peer.close()
            self._process.kill()
            self._process.wait()
        self._process = self._peer = None

    def open(self, wanted: Wanted, descriptor: int) -> OpenedList:
        """Have the list in ``descriptor``, a file, opened; the release key is used up, whatever comes of it.

        Raises:
            UnopenedError: it is not what is wanted, or cannot be read.
        """
        peer, process = self._peer, self._process
        try:
            if peer is None or process is None or not self.release_key:
                raise UnopenedError("not opened", "no process is ready to open it")
            peer.settimeout(OPEN_S)
            return self._ask(peer, process, wanted, descriptor)
        except subprocess.TimeoutExpired:
            raise UnopenedError("not opened", "the process that opened it does not end") from None
        except (OSError, framing.WireError) as error:
            raise UnopenedError("not opened", f"the process that opens it: {error}") from error
        finally:
            self.renew()

    def _start(self) -> None:
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            command = [*self._command, str(theirs.fileno())]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=(theirs.fileno(),))
        mine.settimeout(OPEN_S)
        self._peer = mine

    def _greeted(self, peer: socket.socket) -> None:
        with contextlib.suppress(OSError, framing.WireError):
            message = framing.receive(peer, _from_opening)
            if isinstance(message, Ready):
                self.release_key = message.release_key
                return
        self._next_s = self._clock() + _AGAIN_S
        self.renew()

    def _ask(
        self, peer: socket.socket, process: subprocess.Popen[bytes], wanted: Wanted, descriptor: int
    ) -> OpenedList:
        framing.send(peer, wanted)
        socket.send_fds(peer, [b"\0"], [descriptor])
        answer = framing.receive(peer, _from_opening)
        if isinstance(answer, Unopened):
            raise UnopenedError(answer.why, answer.words)
        if not isinstance(answer, Opened):
            raise UnopenedError("not opened", "the process that opens it gave no answer")
        _, descriptors, _, _ = socket.recv_fds(peer, 1, 1, socket.MSG_CMSG_CLOEXEC)
        if not descriptors:
            raise UnopenedError("not opened", "the process that opens it gave no memory")
        memory = SecretMemory(descriptors[0], answer.kind)
        try:
            process.wait(_END_S)  # the keys and every copy are gone before the list is used
            return _understood(answer, memory)
        except BaseException:
            memory.wipe()
            raise


def _understood(answer: Opened, memory: SecretMemory) -> OpenedList:
    """The parts of the memory. Who filled it has parsed bytes from outside, so it is not taken at its word."""
    layout = Layout(answer.entries, answer.dimension, answer.head_bytes, answer.portrait_bytes)
    if layout.size != len(memory):
        raise UnopenedError("damaged", f"{len(memory)} bytes of memory, {layout.size} expected")
    ends = layout.ends(memory)
    if ends[0] < 0 or ends[-1] != layout.portrait_bytes or np.any(np.diff(ends) < 0):
        raise UnopenedError("damaged", "portraits' ends do not fit their bytes")
    try:
        head = msgspec.msgpack.decode(layout.head(memory).data, type=ListHead)
    except msgspec.MsgspecError:
        raise UnopenedError("damaged", "the head does not fit the schema") from None
    if len(head.entries) != layout.entries:
        raise UnopenedError("damaged", f"{len(head.entries)} entries, {layout.entries} templates")
    return OpenedList(head, memory, layout.templates(memory), layout.portraits(memory), ends)
