"""Run the first part of a pipeline in a thread of its own, a few items ahead of the rest. Knows queues; nothing else.

Decoding, detecting and embedding all leave Python's lock while they compute, so each can have a core.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from typing import Generic, TypeVar

_T = TypeVar("_T")


class _End(Generic[_T]):
    """The upstream is exhausted, or failed with ``error``."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def ahead(items: Iterable[_T], depth: int, name: str) -> Generator[_T, None, None]:
    """The items in order, computed by a thread that runs at most ``depth`` ahead; nothing is dropped.

    An exception of ``items`` is raised here, after the items before it. Closing this iterator ends the thread.
    """
    slots: queue.Queue[_T | _End[_T]] = queue.Queue(depth)
    stop = threading.Event()
    thread = threading.Thread(target=_run, args=(items, slots, stop), name=name, daemon=True)
    thread.start()
    try:
        while not isinstance(item := slots.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stop.set()
        thread.join()


def _run(items: Iterable[_T], slots: queue.Queue[_T | _End[_T]], stop: threading.Event) -> None:
    error: BaseException | None = None
    try:
        for item in items:
            if not _offer(slots, item, stop):
                return
    except Exception as raised:  # noqa: BLE001  handed to the consumer, which raises it
        error = raised
    _offer(slots, _End(error), stop)


def _offer(slots: queue.Queue[_T | _End[_T]], item: _T | _End[_T], stop: threading.Event) -> bool:
    while not stop.is_set():
        try:
            slots.put(item, timeout=0.2)
        except queue.Full:
            continue
        return True
    return False
