"""How the match process looks through several cameras at once."""

from __future__ import annotations

import threading
import time
from io import StringIO

import numpy as np

from board.camera import Frame
from board.picture import ArrayPicture, Pixels
from firmware.log import Log
from firmware.match.capture import Slots
from firmware.match.looking import Look, Parts
from firmware.match.networks import Networks
from firmware.match.pipeline import Pipeline
from firmware.match.watchlist import Entry, Watchlist
from models.faces import Embeddings
from models.vision import Vision
from tests.film import drawn_walk, empty_street
from tests.link.stage import wait_until
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
