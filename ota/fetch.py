"""The roads on which updates come: ``https://`` and a USB stick's ``file://``. Knows bytes and limits; trusts none.

Whatever comes is verified later, so a road only has to end: it is cut when it brings more than was asked for, when it
is too slow, or when it leads elsewhere. A download that was interrupted goes on where it stopped, also after a restart.
"""

from __future__ import annotations

import os
import ssl
import stat
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urljoin, urlsplit

import urllib3
from tuf.api.exceptions import DownloadError, DownloadHTTPError, DownloadLengthMismatchError, SlowRetrievalError
from tuf.ngclient import FetcherInterface

from ota.connections import make_cuttable
from ota.patience import Patience

CHUNK_BYTES = 256 * 1024
CONNECT_S = 20.0
SILENCE_S = 30.0
"""Longest wait for the next bytes."""
DEADLINE_S = 60.0
"""Longest wait for the beginning of a file, and for all of a metadata file, whatever trickles."""
GRACE_S = 60.0
"""After this, a download has to keep up :data:`MIN_BYTES_PER_S` on average."""
MIN_BYTES_PER_S = 512
MAX_REDIRECTS = 3
NOT_FOUND = 404
PARTIAL = 206
NO_SUCH_RANGE = 416
REDIRECTS = (301, 302, 303, 307, 308)


Chunks = Generator[bytes, None, None]


@dataclass(frozen=True)
class Stream:
    """Bytes of a file from ``start`` on. A road that cannot start in the middle starts at 0, and says so."""

    start: int
    chunks: Chunks


class Road(Protocol):
    """One way to a repository."""

    def open(self, url: str, start: int) -> Stream:
        """Begin to read ``url`` at byte ``start``.

        Raises:
            DownloadError: as the public client defines it; ``DownloadHTTPError`` 404 when there is no such file.
        """
        ...

    def cut(self) -> None:
        """Let whoever waits for bytes have a DownloadError now; for any thread."""
        ...


class Web:
    """HTTPS; the certificates of both sides are in ``tls``.

    Args:
        tls: None only with ``plain``.
        plain: allow ``http://``, for tests on this machine.
        silence_s: longest wait for the next bytes, in seconds.
    """

    def __init__(self, tls: ssl.SSLContext | None, *, plain: bool = False, silence_s: float = SILENCE_S) -> None:
        self._schemes = ("https", "http") if plain else ("https",)
        timeout = urllib3.Timeout(connect=CONNECT_S, read=silence_s)
        self._pool = urllib3.PoolManager(num_pools=2, ssl_context=tls, timeout=timeout, retries=False)
        self._handles = make_cuttable(self._pool)

    def close(self) -> None:
        """Close the connections; new ones can be opened."""
        self._pool.clear()
        self._handles.drop_all()

    def cut(self) -> None:
        """See :class:`Road`."""
        self._handles.cut()

    def open(self, url: str, start: int) -> Stream:
        """See :class:`Road`. A redirect is followed within the same host only."""
        response = self._follow(url, start)
        if response.status == NO_SUCH_RANGE and start:
            self._end(response)
            return self.open(url, 0)
        if response.status >= 400 or response.status in REDIRECTS:
            self._end(response)
            raise DownloadHTTPError(f"{url}: HTTP {response.status}", response.status)
        partial = response.status == PARTIAL and _first_byte(response) == start
        if response.status == PARTIAL and not partial:
            self._end(response)
            raise DownloadError(f"{url}: asked for byte {start}, got {response.headers.get('Content-Range')}")
        return Stream(start if partial else 0, self._body(response))

    def _follow(self, url: str, start: int) -> urllib3.BaseHTTPResponse:
        here = url
        for _ in range(MAX_REDIRECTS + 1):
            response = self._ask(here, start)
            if response.status not in REDIRECTS:
                return response
            self._end(response)
            here = _redirected(here, response.headers.get("Location", ""))
        raise DownloadError(f"{url}: more than {MAX_REDIRECTS} redirects")

    def _ask(self, url: str, start: int) -> urllib3.BaseHTTPResponse:
        if urlsplit(url).scheme not in self._schemes:
            raise DownloadError(f"{url}: only {' and '.join(self._schemes)} can be fetched")
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        try:
            return self._pool.request("GET", url, headers=headers, preload_content=False, redirect=False)
        except urllib3.exceptions.TimeoutError as error:
            self.close()
            raise SlowRetrievalError(f"{url}: no answer in time") from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            self.close()
            raise DownloadError(f"{url}: {error}") from error

    def _body(self, response: urllib3.BaseHTTPResponse) -> Chunks:
        # Not decoded: what a server calls compressed could unpack without end. read1 returns what there is, so that a
        # trickle is seen as one.
        try:
            while chunk := response.read1(CHUNK_BYTES, decode_content=False):
                yield chunk
        except urllib3.exceptions.TimeoutError as error:
            raise SlowRetrievalError("no more bytes in time") from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise DownloadError(f"cut off: {error}") from error
        finally:
            self._end(response)

    def _end(self, response: urllib3.BaseHTTPResponse) -> None:
        response.close()
        self._handles.drop()


def _redirected(here: str, location: str) -> str:
    """Where a redirect leads, within the same scheme, host and port."""
    try:
        there = urljoin(here, location)
        elsewhere = urlsplit(there)[:2] != urlsplit(here)[:2]
    except ValueError as error:
        raise DownloadError(f"{here}: redirected to no URL: {error}") from error
    if elsewhere:
        raise DownloadError(f"{here}: redirected to another host")
    return there


def _first_byte(response: urllib3.BaseHTTPResponse) -> int | None:
    """Of ``Content-Range: bytes 5-9/10`` the 5."""
    first = response.headers.get("Content-Range", "").removeprefix("bytes ").split("-")[0]
    return int(first) if first.isdecimal() else None


class Stick:
    """``file://`` within one folder; whatever leads out of it, also by a symbolic link, is not there."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def cut(self) -> None:
        """Nothing: the system waits for a stick, and nobody can cut that."""

    def open(self, url: str, start: int) -> Stream:
        """See :class:`Road`."""
        parts = urlsplit(url)
        if parts.scheme != "file" or parts.netloc:
            raise DownloadError(f"{url}: only file:///... can be read here")
        try:
            if self._root.is_symlink():
                raise DownloadError(f"{self._root}: is a link, so it may lead anywhere")
            path = Path(unquote(parts.path)).resolve(strict=True)
            if not path.is_relative_to(self._root.resolve(strict=True)):
                raise DownloadError(f"{url}: leads out of {self._root}")
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise DownloadHTTPError(f"{url}: not there", NOT_FOUND) from error
        except (OSError, RuntimeError, ValueError) as error:  # an unreadable folder, a loop of links, a NUL in a name
            raise DownloadError(f"{url}: {error}") from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise DownloadHTTPError(f"{url}: not a file", NOT_FOUND)
        start = start if start <= os.lseek(descriptor, 0, os.SEEK_END) else 0
        os.lseek(descriptor, start, os.SEEK_SET)
        return Stream(start, _content(descriptor))


def _content(descriptor: int) -> Chunks:
    try:
        while chunk := os.read(descriptor, CHUNK_BYTES):
            yield chunk
    except OSError as error:  # a stick that is pulled out
        raise DownloadError(f"cut off: {error.strerror}") from error
    finally:
        os.close(descriptor)


class Fetcher(FetcherInterface):
    """What python-tuf fetches with: a road, with a limit on bytes and on patience.

    Args:
        road: where it leads.
        monotonic: seconds, to tell a trickle by.
        urgent: whether something waits that must not be held up; asked from another thread.
        deadline_s: see :data:`DEADLINE_S`.
    """

    def __init__(
        self,
        road: Road,
        monotonic: Callable[[], float] = time.monotonic,
        urgent: Callable[[], bool] = lambda: False,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._road = road
        self._monotonic = monotonic
        self._patience = Patience(deadline_s, urgent)

    def _fetch(self, url: str) -> Iterator[bytes]:
        return self._road.open(url, 0).chunks

    def download_bytes(self, url: str, max_length: int) -> bytes:
        """Metadata: whole or not at all, and in memory, since nothing unverified is worth a file.

        Raises:
            DownloadError: not to be had, too slow, or longer than ``max_length`` bytes.
            Interrupted: something is urgent.
        """
        data = bytearray()
        with self._patience.limits(url, self._road.cut):
            stream = self._road.open(url, 0)
            with closing(self._limited(url, stream.chunks, max_length)) as chunks:
                for chunk in chunks:
                    data += chunk
        return bytes(data)

    def resume(self, url: str, start: int, length: int) -> Stream:
        """Read a file of at most ``length`` bytes from ``start`` on, or from 0 if the road cannot do better.

        Raises:
            DownloadError: as :meth:`download_bytes`; the stream raises it too.
            Interrupted: something is urgent, before the file has begun.
        """
        with self._patience.limits(url, self._road.cut):
            stream = self._road.open(url, start)
        return Stream(stream.start, self._limited(url, stream.chunks, length - stream.start))

    def _limited(self, url: str, chunks: Chunks, max_length: int) -> Chunks:
        received, begun = 0, self._monotonic()
        with closing(chunks):
            for chunk in chunks:
                received += len(chunk)
                if received > max_length:
                    raise DownloadLengthMismatchError(f"{url}: more than {max_length} bytes")
                waited = self._monotonic() - begun
                if waited > GRACE_S and received < waited * MIN_BYTES_PER_S:
                    raise SlowRetrievalError(f"{url}: {received} bytes in {waited:.0f} s")
                yield chunk
