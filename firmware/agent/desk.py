"""The agent's end of the handover socket: one match process at a time. Knows connections; not what is said.

A thread of its own, because a fetch takes long and match is answered at once. Nothing here waits for the peer: one that
does not read, or says what it must not, is dropped and may come again.
"""

from __future__ import annotations

import contextlib
import math
import queue
import select
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from firmware.agent.conversation import Bulletin, Conversation
from firmware.framing import Frames, WireError, framed
from firmware.handover import Ask, Beat, FromMatch, Verdict
from firmware.listener import Listener, Refused
from firmware.log import Log

MAX_INBOX = 64
MAX_UNREAD_BYTES = 1_000_000
POLL_S = 0.5
"""How long a change may wait at most to be said, if the wake-up is missed."""
HEALTHY_S = 15.0
"""Match's loop says every five seconds that it goes round."""
SILENCE_S = 60.0
"""A peer that says nothing for so long is none."""
_PIECE_BYTES = 64 * 1024


class _Gone(Exception):
    """The peer closed, or was closed."""


class Desk:
    """Listens at ``path``, mode 0600. ``{path}.lock`` keeps a second agent away.

    Args:
        path: of the socket.
        bulletin: what is said until :meth:`post` says otherwise.
        monotonic: seconds.
        log: told who comes and goes.

    Attributes:
        inbox: what match said, in order; bounded.

    Raises:
        OSError: the path is too long, not writable, locked, or holds something that is not a socket.
    """

    def __init__(self, path: Path, bulletin: Bulletin, monotonic: Callable[[], float], log: Log) -> None:
        self.inbox: queue.Queue[Ask | Verdict] = queue.Queue(MAX_INBOX)
        self._bulletin = bulletin
        self._monotonic = monotonic
        self._log = log
        self._peer: _Peer | None = None
        self._listener = Listener(path)  # first: it may fail, and nothing else is open yet
        self._wake, self._woken = socket.socketpair()
        self._wake.settimeout(0)
        self._woken.settimeout(0)

    @property
    def healthy(self) -> bool:
        """Whether a match process is there whose loop goes round."""
        peer = self._peer
        return peer is not None and self._monotonic() - peer.beat_s <= HEALTHY_S

    def post(self, bulletin: Bulletin) -> None:
        """From now on this is what match is to know."""
        if bulletin != self._bulletin:
            self._bulletin = bulletin
            self._wake_up()

    def run(self, over: threading.Event) -> None:
        """Serve until ``over`` is set."""
        while not over.is_set():
            self.serve(POLL_S)

    def serve(self, wait_s: float) -> None:
        """One round: wait for something to read, take it in, say what is due."""
        peer = self._peer
        ends = [self._woken, peer.socket if peer else self._listener]
        unread = [peer.socket] if peer and peer.unread else []
        readable, _, _ = select.select(ends, unread, [], wait_s)
        if self._woken in readable:
            self._woken.recv(_PIECE_BYTES)
        if peer is None:
            self._peer = self._accept() if self._listener in readable else None
        try:
            if self._peer is not None:
                self._talk(self._peer)
        except _Gone:
            self._drop("match gone")
        except WireError as error:
            self._drop(f"match dropped: {error}")

    def close(self) -> None:
        """Stop listening."""
        if self._peer is not None:
            self._peer.socket.close()
        for end in (self._listener, self._wake, self._woken):
            end.close()

    def _talk(self, peer: _Peer) -> None:
        now_s = self._monotonic()
        for message in peer.receive(now_s):
            if isinstance(message, Beat):
                peer.beat_s = now_s
                continue
            if isinstance(message, Verdict) and message.answer == "later":
                peer.conversation.ask_again(message.sha256, now_s)
            try:
                self.inbox.put_nowait(message)
            except queue.Full:
                raise WireError(f"says more than {MAX_INBOX} things at once") from None
        if now_s - peer.heard_s > SILENCE_S:
            raise WireError(f"has said nothing for {SILENCE_S:.0f} s")
        for news in peer.conversation.next(self._bulletin, now_s):
            peer.say(news)
        peer.flush()

    def _accept(self) -> _Peer | None:
        try:
            end = self._listener.accept()
        except Refused as refusal:
            self._log.alarm("handover refused", reason=str(refusal))
            return None
        if end is None:
            return None
        self._log.info("match connected")
        return _Peer(end, self._monotonic())

    def _drop(self, why: str) -> None:
        if self._peer is not None:
            self._peer.socket.close()
        self._peer = None
        self._log.info("handover ended", reason=why)

    def _wake_up(self) -> None:
        with contextlib.suppress(BlockingIOError):  # it has many to wake up to already
            self._wake.send(b"\0")


class _Peer:
    """A connected match process: whole messages in, whole messages out.

    Attributes:
        heard_s, beat_s: when it said anything, and when it said that its loop goes round; monotonic seconds.
    """

    def __init__(self, end: socket.socket, now_s: float) -> None:
        end.settimeout(0)
        self.heard_s = now_s
        self.beat_s = -math.inf
        self.socket = end
        self.conversation = Conversation()
        self._frames: Frames[FromMatch] = Frames(msgspec.msgpack.Decoder(FromMatch))
        self._out = bytearray()

    @property
    def unread(self) -> bool:
        """Whether it has not taken all yet."""
        return bool(self._out)

    def receive(self, now_s: float) -> list[FromMatch]:
        """The messages that are complete now.

        Raises:
            _Gone: it closed.
            WireError: oversized or malformed.
        """
        try:
            piece = self.socket.recv(_PIECE_BYTES)
        except BlockingIOError:
            return []
        except ConnectionError as error:
            raise _Gone from error
        if not piece:
            raise _Gone
        messages = self._frames.feed(piece)
        if messages:
            self.heard_s = now_s
        return messages

    def say(self, message: msgspec.Struct) -> None:
        """Add to what :meth:`flush` writes.

        Raises:
            WireError: it has left too much unread.
        """
        self._out += framed(message)
        if len(self._out) > MAX_UNREAD_BYTES:
            raise WireError(f"has left more than {MAX_UNREAD_BYTES} bytes unread")

    def flush(self) -> None:
        """Write as much as it takes now.

        Raises:
            _Gone: it closed.
        """
        try:
            while self._out:
                del self._out[: self.socket.send(self._out)]
        except BlockingIOError:
            return
        except OSError as error:
            raise _Gone from error
