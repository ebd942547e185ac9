"""Keep every camera read and only its newest frame: slots of size one. Knows threads, loss and back-off; no pictures.

A frame that nobody took before the next one came is dropped and counted: the van would rather see now than then.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from board.camera import Camera, CameraError, Frame, Gap
from firmware.log import Log

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 8.0


@dataclass(frozen=True)
class Source:
    """A camera's name, and how it is opened; ``open`` raises :class:`board.camera.CameraError`."""

    name: str
    open: Callable[[], Camera]


class Slots:
    """The newest frame of each camera, taken in turn by one reader."""

    def __init__(self, cameras: tuple[str, ...]) -> None:
        self.dropped = dict.fromkeys(cameras, 0)
        self.states = dict.fromkeys(cameras, "opening")
        self._frames: dict[str, Frame] = {}
        self._turn = deque(cameras)
        self._live = set(cameras)
        self._error: Exception | None = None
        self._changed = threading.Condition()

    def put(self, frame: Frame) -> None:
        """Offer a frame; one that is still there is dropped and counted."""
        with self._changed:
            self.dropped[frame.camera] += frame.camera in self._frames
            self._frames[frame.camera] = frame
            if not self.states[frame.camera].startswith("seeing"):
                self.states[frame.camera] = "seeing"
            self._changed.notify()

    def drop(self, frame: Frame) -> None:
        """Count a frame that was taken and not looked at."""
        with self._changed:
            self.dropped[frame.camera] += 1

    def say(self, camera: str, state: str) -> bool:
        """Note a camera's state in words; True when it is news."""
        with self._changed:
            news = self.states[camera] != state
            self.states[camera] = state
            return news

    def end(self, camera: str, error: Exception | None = None) -> None:
        """The camera will bring no more frames; with ``error`` the reader is to fail."""
        with self._changed:
            self._live.discard(camera)
            self._error = self._error or error
            self._changed.notify()

    def take(self, timeout_s: float) -> Frame | None:
        """The newest frame of the camera whose turn it is; None when none came in time.

        Raises:
            EOFError: every camera has ended, and every frame was taken.
            Exception: what ended a capture thread.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._frames or self._error or not self._live, timeout_s)
            if self._error is not None:
                raise self._error
            for _ in range(len(self._turn)):
                self._turn.rotate(-1)
                if self._turn[-1] in self._frames:
                    return self._frames.pop(self._turn[-1])
            if not self._live:
                raise EOFError
            return None


def capture(source: Source, slots: Slots, log: Log, stop: threading.Event) -> None:
    """Read a camera until it ends or ``stop`` is set; reopen it with back-off when it is lost. A thread's body."""
    try:
        _keep_open(source, slots, log, stop)
    except Exception as error:  # noqa: BLE001  a dead capture thread must end the process, whatever killed it
        slots.end(source.name, error)
    else:
        slots.end(source.name)


def _keep_open(source: Source, slots: Slots, log: Log, stop: threading.Event) -> None:
    pause_s = FIRST_PAUSE_S
    while not stop.is_set():
        try:
            camera = source.open()
        except CameraError as error:
            _lose(source.name, str(error), slots, log)
        else:
            try:
                seen, gap = _read_until_gap(camera, slots, stop)
                if gap is Gap.ENDED or stop.is_set():
                    slots.say(source.name, "ended")
                    log.info("camera ended", camera=source.name, frames=seen)
                    return
                pause_s = FIRST_PAUSE_S if seen else pause_s
                _lose(source.name, camera.fault or "the source stopped", slots, log)
            finally:  # after it was said: closing may hang with the driver
                camera.close()
        stop.wait(pause_s)
        pause_s = min(pause_s * 2, LONGEST_PAUSE_S)


def _read_until_gap(camera: Camera, slots: Slots, stop: threading.Event) -> tuple[int, Gap]:
    """Frames read, and what came instead of the next."""
    seen = 0
    while not stop.is_set():
        got = camera.read()
        if isinstance(got, Frame):
            slots.put(got)
            seen += 1
        elif got is not Gap.TIMEOUT:
            return seen, got
    return seen, Gap.ENDED


def _lose(name: str, reason: str, slots: Slots, log: Log) -> None:
    if slots.say(name, f"lost: {reason}"):
        log.alarm("camera lost", camera=name, reason=reason)


def start(sources: tuple[Source, ...], slots: Slots, log: Log, stop: threading.Event) -> list[threading.Thread]:
    """One capture thread a camera."""
    threads = [
        threading.Thread(target=capture, args=(source, slots, log, stop), name=f"capture {source.name}", daemon=True)
        for source in sources
    ]
    for thread in threads:
        thread.start()
    return threads
