"""How the match process looks through several cameras at once."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timezone
from io import StringIO
from pathlib import Path

import numpy as np

from board.camera import Frame
from board.picture import ArrayPicture, Pixels
from firmware.log import Log
from firmware.match.capture import Slots
from firmware.match.networks import Networks
from firmware.match.outbound import Outbound
from firmware.match.pipeline import Pipeline
from firmware.match.report import Reporter
from firmware.match.service import Parts, _look
from firmware.match.watchlist import Entry, Watchlist
from models.faces import Embeddings
from models.vision import Vision
from tests.film import drawn_walk, empty_street
from tests.link.stage import a_status, wait_until
from tests.match.stage import calm_throttle

STEP_NS = 40_000_000


def somebody_else(vision: Vision) -> Watchlist:
    """A list that nobody resembles."""
    vector = np.eye(1, vision.embedder.dimension, dtype=np.float32)
    return Watchlist((Entry("entry-1", "test"),), Embeddings(vector, vision.embedder.space))


class Street:
    """Two cameras of a running match process; time passes with their frames."""

    def __init__(self, vision: Vision, folder: Path) -> None:
        listed = somebody_else(vision)
        slots = Slots(("front", "rear"))
        self.parts = Parts(Networks(vision), listed, Pipeline(vision, listed), slots, calm_throttle())
        self.log = StringIO()
        log = Log("match", self.log)
        outbound = Outbound(folder / "link.sock", lambda: a_status("seeing"), log)
        outbound.start()
        reporter = Reporter("van", "digest", "digest", lambda: datetime.now(timezone.utc), lambda: "id")
        arguments = (self.parts, outbound, reporter, threading.Event(), log)
        self._thread = threading.Thread(target=_look, args=arguments)
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


def test_a_lost_cameras_faces_are_forgotten_while_another_camera_goes_on(vision: Vision, tmp_path: Path) -> None:
    street = Street(vision, tmp_path)
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


def test_cameras_of_different_sizes_are_looked_at_alike(vision: Vision, tmp_path: Path) -> None:
    street = Street(vision, tmp_path)
    for picture in drawn_walk(3):
        street.see("front", picture)
        street.see("rear", np.asarray(picture)[::2, ::2])
    street.end()
    assert street.parts.pipeline.counters.faces == 6
    assert street.parts.pipeline.counters.tracks == 2
