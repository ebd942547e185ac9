"""How long a road is waited for in all, and that it is left when something is urgent. Knows seconds; not what comes."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tuf.api.exceptions import DownloadError, SlowRetrievalError

from ota.target import Interrupted

POLL_S = 0.1


class Patience:
    """A limit that another thread keeps, since whoever waits for a byte cannot.

    Args:
        limit_s: in all.
        urgent: whether something waits that this must not hold up; asked from another thread.
    """

    def __init__(self, limit_s: float, urgent: Callable[[], bool]) -> None:
        self._limit_s = limit_s
        self._urgent = urgent

    @contextmanager
    def limits(self, what: str, cut: Callable[[], None]) -> Iterator[None]:
        """For as long as this is open: when it is enough, ``cut`` is called until whoever waits has noticed.

        Raises:
            SlowRetrievalError: it took too long.
            Interrupted: something is urgent.
        """
        watch = _Watch(self._limit_s, self._urgent, cut)
        thread = threading.Thread(target=watch.run, name="patience", daemon=True)
        thread.start()
        try:
            yield
        except DownloadError as error:
            if watch.ended is None:
                raise
            raise watch.ended(what) from error
        finally:
            watch.over.set()
            thread.join()
        if watch.ended is not None:  # a cut header reads like a short one
            raise watch.ended(what)


class _Watch:
    def __init__(self, limit_s: float, urgent: Callable[[], bool], cut: Callable[[], None]) -> None:
        self.over = threading.Event()
        self.ended: Callable[[str], Exception] | None = None
        self._limit_s = limit_s
        self._urgent = urgent
        self._cut = cut

    def run(self) -> None:
        for _ in range(math.ceil(self._limit_s / POLL_S)):
            if self.over.wait(POLL_S):
                return
            if self._urgent():
                self.ended = _interrupted
                break
        self.ended = self.ended or self._too_slow
        while True:
            self._cut()
            if self.over.wait(POLL_S):  # a socket that opens only now
                return

    def _too_slow(self, what: str) -> Exception:
        return SlowRetrievalError(f"{what}: not here within {self._limit_s:g} s")


def _interrupted(what: str) -> Exception:
    return Interrupted(what)
