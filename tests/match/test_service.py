"""How the match process looks through several cameras at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import numpy as np
import pytest

from board.camera import Frame
from board.picture import ArrayPicture, Pixels
from firmware.log import Log
from firmware.match.capture import Slots
from firmware.match.decision import PossibleMatch
from firmware.match.kept import Kept
from firmware.match.looking import Look, Parts
from firmware.match.networks import Networks
from firmware.match.office import Office
from firmware.match.outbound import Outbound
from firmware.match.pipeline import Pipeline
from firmware.match.service import _report
from firmware.match.status import Status
from firmware.match.tracker import Track
from firmware.match.wall import WALLED
from firmware.match.watchlist import Candidate, Entry, Watchlist
from models.faces import Embeddings
from models.vision import Vision
from ota.archive import digest
from tests.film import drawn_walk, empty_street
from tests.keyring import KEYRING
from tests.link.stage import wait_until
from tests.match.desk import Bureau
from tests.match.stage import calm_throttle

STEP_NS = 40_000_000


def somebody_else(vision: Vision) -> Watchlist:
    """A list that nobody resembles."""
    vector = np.eye(1, vision.embedder.dimension, dtype=np.float32)
    return Watchlist((Entry("entry-1", "test"),), Embeddings(vector, vision.embedder.space))


class Street:
    """Two cameras of a running match process; time passes with their frames."""

    def __init__(self, vision: Vision) -> None:
        listed = somebody_else(vision)
        slots = Slots(("front", "rear"))
        self.parts = Parts(Networks(vision), listed, Pipeline(vision, listed), slots, calm_throttle())
        self.looks = True
        self.look = Look(self.parts, lambda: self.looks, Log("match", StringIO()))
        self._thread = threading.Thread(target=lambda: [None for _ in self.look.matches()])
        self._thread.start()
        self._t_ns = time.monotonic_ns()

    @property
    def held(self) -> int:
        return self.parts.pipeline.store.held

    def see(self, camera: str, picture: Pixels) -> None:
        """Show a camera's next frame, and wait until it was looked at."""
        before = self.parts.pipeline.counters.frames
        self._t_ns += STEP_NS
        self.parts.slots.put(Frame(camera, before, self._t_ns, ArrayPicture(picture)))
        wait_until(lambda: self.parts.pipeline.counters.frames > before, "the frame")

    def end(self) -> None:
        for camera in ("front", "rear"):
            self.parts.slots.end(camera)
        self._thread.join()


def test_a_lost_cameras_faces_are_forgotten_while_another_camera_goes_on(vision: Vision) -> None:
    street = Street(vision)
    for picture in drawn_walk(8):
        street.see("front", picture)
    held = street.held
    for _ in range(round(1.5e9 / STEP_NS)):
        street.see("rear", empty_street())
    forgotten = street.held
    street.end()
    assert held > 0
    assert forgotten == 0
    assert street.parts.pipeline.store.life_p99_s() <= 1


def test_cameras_of_different_sizes_are_looked_at_alike(vision: Vision) -> None:
    street = Street(vision)
    for picture in drawn_walk(3):
        street.see("front", picture)
        street.see("rear", np.asarray(picture)[::2, ::2])
    street.end()
    assert street.parts.pipeline.counters.faces == 6
    assert street.parts.pipeline.counters.tracks == 2


def test_while_it_may_not_look_frames_are_taken_and_not_looked_at(vision: Vision) -> None:
    street = Street(vision)
    street.see("front", empty_street())
    street.looks = False
    for number in range(3):
        street.parts.slots.put(Frame("front", number, time.monotonic_ns(), ArrayPicture(empty_street())))
        wait_until(lambda: not street.parts.slots._frames, "the frame to be taken")
    street.looks = True
    street.see("front", empty_street())
    street.end()
    assert street.look.counters().frames == 2
    assert street.look.counters().dropped == 0, "nothing is missed that nobody was to look at"


def test_a_self_test_waits_for_the_detector_and_passes_beside_the_look(vision: Vision) -> None:
    street = Street(vision)
    for picture in drawn_walk(3):
        street.see("front", picture)
        street.look.self_test()
    street.end()


def test_a_wiped_look_finds_nobody_and_holds_nothing(vision: Vision) -> None:
    street = Street(vision)
    for picture in drawn_walk(8):
        street.see("front", picture)
    held = street.held
    street.look.wipe()
    assert held > 0
    assert street.held == 0
    assert not street.parts.watchlist._matrix.any()
    street.end()


def decided(entry: str) -> tuple[PossibleMatch, Frame]:
    """A decision of one and the same last frame."""
    track = Track(1, "front", np.array((10, 10, 60, 60), np.float32), np.zeros((5, 2), np.float32), 0.9, 0, 0)
    match = PossibleMatch(track, Candidate(0, Entry(entry, "test"), 0.6, 0.2), 2, 0.5, 1)
    return match, Frame("front", 1, 1, ArrayPicture(empty_street()))


def test_all_that_was_decided_of_the_last_frame_is_stored_before_a_stop(tmp_path: Path) -> None:
    bureau, stop = Bureau(KEYRING.write(tmp_path), time.monotonic), threading.Event()
    outbound = Outbound(tmp_path / "nobody.sock", bureau.boot, bureau.mailbox, bureau.log)
    status = Status(time.monotonic, WALLED, bureau.orders, bureau.outbox, bureau.commands)
    office = Office(
        status, bureau.outbox, bureau.voice, bureau.commands, bureau.mailbox, outbound, Kept(tmp_path, digest)
    )
    outbound.start()

    def last_frame() -> Iterator[tuple[PossibleMatch, Frame] | None]:
        yield None
        stop.set()  # a signal, while the frame is looked at
        yield decided("entry-1")
        yield decided("entry-2")
        yield None
        pytest.fail("it goes on after a stop")

    assert not _report(last_frame(), office, stop, bureau.log)
    assert bureau.outbox.count() == 2
    assert _report(iter([None, decided("entry-3")]), office, threading.Event(), bureau.log), "every camera has ended"
    assert bureau.outbox.count() == 3
    outbound.close()
    bureau.outbox.close()
