"""A camera may vanish, return, or never have been there; its newest frame counts, and every drop is counted."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import numpy as np
import pytest

from board.camera import CameraError, Frame, Gap
from board.picture import ArrayPicture
from firmware.log import Log
from firmware.match.ahead import ahead
from firmware.match.capture import FIRST_PAUSE_S, LONGEST_PAUSE_S, Slots, Source, capture, start

DARK = ArrayPicture(np.zeros((2, 2, 3), np.uint8))


def frame(seq: int, camera: str = "front") -> Frame:
    return Frame(camera, seq, seq * 1_000, DARK)


class ScriptedCamera:
    """Brings what it was told to, in order; an error is raised, as no camera may."""

    def __init__(self, *script: Frame | Gap | Exception, fault: str = "") -> None:
        self._script = iter(script)
        self.closed = False
        self.fault = fault

    def read(self) -> Frame | Gap:
        return self._bring(next(self._script))

    def close(self) -> None:
        self.closed = True

    def _bring(self, got: Frame | Gap | Exception) -> Frame | Gap:
        return throw(got) if isinstance(got, Exception) else got


def throw(error: Exception) -> Frame:
    raise error


def opening(*script: ScriptedCamera | CameraError) -> Source:
    """A source that brings a camera, or fails, at each opening."""
    steps = iter(script)

    def open_next() -> ScriptedCamera:
        step = next(steps)
        return throw(step) if isinstance(step, CameraError) else step  # type: ignore[return-value]

    return Source("front", open_next)


class Waits(threading.Event):
    """A stop event on which time passes at once: it notes how long it was waited on, and is set after ``count``."""

    def __init__(self, count: int, at_wait: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self.waited_s: list[float] = []
        self.seen: list[object] = []
        self._count = count
        self._at_wait = at_wait

    def wait(self, timeout: float | None = None) -> bool:
        self.waited_s.append(timeout or 0.0)
        self.seen.append(self._at_wait())
        if len(self.waited_s) >= self._count:
            self.set()
        return self.is_set()


@pytest.fixture
def slots() -> Slots:
    return Slots(("front",))


@pytest.fixture
def lines() -> StringIO:
    return StringIO()


@pytest.fixture
def log(lines: StringIO) -> Log:
    return Log("match", lines)


def said(lines: StringIO, event: str) -> list[dict[str, Any]]:
    return [line for text in lines.getvalue().splitlines() if (line := json.loads(text))["event"] == event]


def test_a_file_is_read_to_its_end(slots: Slots, log: Log, lines: StringIO) -> None:
    camera = ScriptedCamera(frame(0), frame(1), Gap.ENDED)
    capture(opening(camera), slots, log, threading.Event())
    assert slots.take(0) == frame(1)
    with pytest.raises(EOFError):
        slots.take(0)
    assert camera.closed
    assert slots.states == {"front": "ended"}
    assert slots.dropped == {"front": 1}
    assert said(lines, "camera ended")[0]["frames"] == 2
    assert said(lines, "camera lost") == []


def test_a_camera_that_vanishes_and_returns_is_seen_again(slots: Slots, log: Log, lines: StringIO) -> None:
    first = ScriptedCamera(frame(0), Gap.TIMEOUT, frame(1), Gap.LOST)
    second = ScriptedCamera(frame(0), Gap.ENDED)
    waits = Waits(count=9, at_wait=lambda: (slots.states["front"], slots.take(0)))
    capture(opening(first, CameraError("no such device"), second), slots, log, waits)
    assert first.closed
    assert waits.seen == [("lost: the source stopped", frame(1)), ("lost: no such device", None)]
    assert slots.take(0) == frame(0)
    assert [line["reason"] for line in said(lines, "camera lost")] == ["the source stopped", "no such device"]
    assert {line["kind"] for line in said(lines, "camera lost")} == {"alarm"}


def test_a_camera_that_is_not_there_is_tried_ever_more_rarely_and_for_ever(
    slots: Slots, log: Log, lines: StringIO
) -> None:
    waits = Waits(count=8, at_wait=lambda: slots.states["front"])
    capture(opening(*[CameraError("no such device")] * 8), slots, log, waits)
    assert waits.waited_s[0] == FIRST_PAUSE_S
    assert waits.waited_s == sorted(waits.waited_s)
    assert waits.waited_s[-2:] == [LONGEST_PAUSE_S] * 2
    assert set(waits.seen) == {"lost: no such device"}
    assert len(said(lines, "camera lost")) == 1


def test_a_camera_that_opens_and_brings_nothing_is_tried_ever_more_rarely_too(slots: Slots, log: Log) -> None:
    waits = Waits(count=4)
    capture(opening(*[ScriptedCamera(Gap.LOST) for _ in range(4)]), slots, log, waits)
    assert waits.waited_s == [FIRST_PAUSE_S * 2**n for n in range(4)]


def test_a_camera_that_worked_is_tried_again_soon(slots: Slots, log: Log) -> None:
    waits = Waits(count=4)
    busy = CameraError("busy")
    capture(opening(busy, busy, busy, ScriptedCamera(frame(0), Gap.LOST)), slots, log, waits)
    assert waits.waited_s[-1] == FIRST_PAUSE_S


def test_a_stop_ends_capture_and_closes_the_camera(slots: Slots, log: Log) -> None:
    stop = threading.Event()
    camera = ScriptedCamera(*[Gap.TIMEOUT] * 1_000_000)
    thread = threading.Thread(target=capture, args=(opening(camera), slots, log, stop))
    thread.start()
    stop.set()
    thread.join()
    assert camera.closed
    with pytest.raises(EOFError):
        slots.take(0)


def test_whatever_kills_a_capture_thread_reaches_the_reader(slots: Slots, log: Log) -> None:
    camera = ScriptedCamera(frame(0), ZeroDivisionError("a driver's bug"))
    (thread,) = start((opening(camera),), slots, log, threading.Event())
    thread.join()
    assert camera.closed
    with pytest.raises(ZeroDivisionError, match="a driver's bug"):
        slots.take(0)


def test_only_the_newest_frame_waits_and_the_others_are_counted(slots: Slots) -> None:
    for seq in range(5):
        slots.put(frame(seq))
    assert slots.take(0) == frame(4)
    assert slots.take(0) is None
    assert slots.dropped == {"front": 4}


def test_cameras_take_turns_whichever_is_faster() -> None:
    slots = Slots(("front", "rear", "left"))
    taken = []
    for round_ in range(6):
        for camera in ("front", "front", "rear", "left"):
            slots.put(frame(round_, camera))
        got = slots.take(0)
        assert got is not None
        taken.append(got.camera)
    assert sorted(taken[:3]) == sorted(taken[3:]) == ["front", "left", "rear"]
    assert slots.dropped["front"] > slots.dropped["rear"]


def test_one_ended_camera_does_not_end_the_other() -> None:
    slots = Slots(("front", "rear"))
    slots.end("front")
    assert slots.take(0) is None
    slots.put(frame(0, "rear"))
    slots.end("rear")
    assert slots.take(0) == frame(0, "rear")
    with pytest.raises(EOFError):
        slots.take(0)


def test_a_reader_is_woken_by_a_frame(slots: Slots) -> None:
    taken: list[Frame | None] = []
    reader = threading.Thread(target=lambda: taken.append(slots.take(60)))
    reader.start()
    slots.put(frame(7))
    reader.join(30)
    assert taken == [frame(7)]


def test_what_runs_ahead_keeps_order_and_drops_nothing() -> None:
    assert list(ahead(range(1000), 3, "numbers")) == list(range(1000))


def test_an_error_ahead_is_raised_after_what_came_before_it() -> None:
    def three_and_an_error() -> Iterator[int]:
        yield from (1, 2, 3)
        raise CameraError("gone")

    got: list[int] = []
    with pytest.raises(CameraError, match="gone"):
        got.extend(ahead(three_and_an_error(), 2, "numbers"))
    assert got == [1, 2, 3]


def test_a_consumer_that_leaves_ends_the_thread() -> None:
    numbers = ahead(iter(int, 1), 2, "endless")
    assert next(numbers) == 0
    numbers.close()
    assert "endless" not in {thread.name for thread in threading.enumerate()}


def test_a_loss_is_said_before_the_camera_is_closed_for_closing_may_hang() -> None:
    slots = Slots(("front",))
    said: list[str] = []

    class Hanging(ScriptedCamera):
        def close(self) -> None:
            said.append(slots.states["front"])

    capture(opening(Hanging(frame(0), Gap.LOST, fault="no frame for 3 s")), slots, Log("match", StringIO()), Waits(1))
    assert said == ["lost: no frame for 3 s"]


def test_a_state_that_says_more_than_seeing_is_not_written_over_by_the_next_frame() -> None:
    slots = Slots(("front",))
    slots.put(frame(0))
    slots.say("front", "seeing a copy: not built yet")
    slots.put(frame(1))
    assert slots.states["front"] == "seeing a copy: not built yet"
