"""How the match process looks through several cameras at once."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest

from board.board import open_board
from board.camera import Frame
from board.picture import ArrayPicture, Pixels
from firmware.log import Log
from firmware.match.capture import Slots
from firmware.match.decision import PossibleMatch
from firmware.match.kept import Kept
from firmware.match.looking import Look, Parts, prepare
from firmware.match.networks import Networks
from firmware.match.office import Office
from firmware.match.outbound import Outbound
from firmware.match.pipeline import Pipeline
from firmware.match.service import Site, _look, _report
from firmware.match.settings import CameraSettings, MatchFile, MatchSettings
from firmware.match.status import Status
from firmware.match.threshold import Floors, Terms
from firmware.match.tracker import Track
from firmware.match.vigil import Vigilance
from firmware.match.wall import WALLED
from firmware.match.watchlist import Candidate, Entry, Watchlist
from models.faces import Embeddings
from models.manifest import ModelError
from models.vision import Vision
from ota.archive import digest
from tests.film import drawn_walk, empty_street
from tests.keyring import KEYRING
from tests.link.stage import wait_until
from tests.match.desk import Bureau
from tests.match.stage import AT, calm_throttle

STEP_NS = 40_000_000
VIGILANCE = Vigilance(sizes_px=((640, 360),))


def somebody_else(vision: Vision) -> Watchlist:
    """A list that nobody resembles."""
    vector = np.eye(1, vision.embedder.dimension, dtype=np.float32)
    return Watchlist((Entry("entry-1", "test"),), Embeddings(vector, vision.embedder.space))


def test_a_look_decides_at_the_highest_floor_and_a_raised_one_is_said_and_used(vision: Vision) -> None:
    settings = MatchSettings(Path("key"), Path("policy"), Path("state"), (CameraSettings("front", "csi://0"),))
    floors = Floors(0.46, 0.5, 0.7, 0.1)
    look = Look(
        prepare(settings, floors, open_board(), Networks(vision), somebody_else(vision)), bool, Log("match", StringIO())
    )
    assert (look.threshold, look.floors) == (0.7, floors)
    look.raise_threshold(0.8)
    assert (look.threshold, look.floors) == (0.8, Floors(0.46, 0.5, 0.8, 0.1))


class Street:
    """Two cameras of a running match process; time passes with their frames."""

    def __init__(self, vision: Vision, vigilance: Vigilance = VIGILANCE) -> None:
        listed = somebody_else(vision)
        slots = Slots(("front", "rear"))
        at = Floors(0.46)
        self.parts = Parts(
            Networks(vision), listed, Pipeline(vision, listed, AT), slots, calm_throttle(), at, (), vigilance
        )
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


def test_a_self_test_between_frames_touches_neither_counters_nor_tracks_of_the_street(vision: Vision) -> None:
    street = Street(vision)
    pictures = iter(drawn_walk(40))
    for picture in itertools.islice(pictures, 8):
        street.see("front", picture)
    assert street.look.vigil.passed_ago_s is None
    before = street.parts.pipeline.counters
    counted, searched = replace(before), street.parts.watchlist
    while street.look.vigil.passed_ago_s is None:
        street.look.go_on_testing()
    assert street.parts.pipeline.counters == counted
    assert sum(street.parts.slots.dropped.values()) == 0
    assert (len(searched), street.look.alarms()) == (1, ())
    for picture in itertools.islice(pictures, 2):
        street.see("front", picture)
    street.end()
    assert street.parts.pipeline.counters.frames == counted.frames + 2


def test_a_camera_without_a_face_is_an_alarm_by_name(vision: Vision) -> None:
    street = Street(vision, Vigilance(no_faces_s=3 * STEP_NS / 1e9))
    for _ in range(5):
        street.see("front", empty_street())
    for picture in drawn_walk(5):
        street.see("rear", picture)
    (alarm,) = street.look.alarms()
    street.end()
    assert alarm.startswith("camera front has shown no face for ")


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


def test_all_that_was_decided_of_the_last_frame_is_stored_before_a_stop(tmp_path: Path, vision: Vision) -> None:
    bureau, stop = Bureau(KEYRING.write(tmp_path), time.monotonic), threading.Event()
    office = an_office(bureau, tmp_path)
    office.outbound.start()

    def last_frame() -> Iterator[tuple[PossibleMatch, Frame] | None]:
        yield None
        stop.set()  # a signal, while the frame is looked at
        yield decided("entry-1")
        yield decided("entry-2")
        yield None
        pytest.fail("it goes on after a stop")

    street = Street(vision)
    bureau.commands.looking = street.look
    assert not _report(last_frame(), office, stop, bureau.log)
    _report(iter([None] * 60), office, threading.Event(), bureau.log)
    street.end()
    assert street.look.vigil.passed_ago_s is not None, "between two frames it took a step of its self-test"
    assert bureau.outbox.count() == 2
    assert _report(iter([None, decided("entry-3")]), office, threading.Event(), bureau.log), "every camera has ended"
    assert bureau.outbox.count() == 3
    office.outbound.close()
    bureau.outbox.close()


def an_office(bureau: Bureau, folder: Path) -> Office:
    outbound = Outbound(folder / "nobody.sock", bureau.boot, bureau.mailbox, bureau.log)
    status = Status(time.monotonic, WALLED, bureau.orders, bureau.outbox, bureau.commands)
    return Office(status, bureau.outbox, bureau.voice, bureau.commands, bureau.mailbox, outbound, Kept(folder, digest))


class Asked(threading.Event):
    """A stop that does something each time it is asked whether it is set, and is set at the end."""

    def __init__(self, *script: Callable[[], object]) -> None:
        super().__init__()
        self._script = iter((*script, self.set))

    def is_set(self) -> bool:
        next(self._script, bool)()
        return super().is_set()


class Golden:
    """Networks' own self-test, which fails until it is mended."""

    def __init__(self) -> None:
        self.mended = False

    def __call__(self) -> None:
        if not self.mended:
            raise ModelError("golden vectors: a template agrees to 0.92")

    def mend(self) -> None:
        self.mended = True


def test_a_van_whose_first_self_test_failed_opens_no_camera_until_one_passed(tmp_path: Path, vision: Vision) -> None:
    said, opened, golden = StringIO(), [], Golden()
    bureau = Bureau(KEYRING.write(tmp_path), time.monotonic, Log("match", said))
    office = an_office(bureau, tmp_path)
    office.outbound.start()

    def note() -> None:
        opened.append('"armed"' in said.getvalue())

    settings = MatchSettings(
        Path("key"), Path("policy"), Path("state"), (CameraSettings("front", "csi://0"),), tmp_path
    )
    stop = Asked(note, note, bureau.commands.prove, note, golden.mend, bureau.commands.prove, note)
    file = MatchFile("van-7", tmp_path / "nobody.sock", settings)
    site = Site(file, open_board(), bureau.log, stop)
    _look(site, office, Networks(replace(vision, self_test=golden)), somebody_else(vision), Terms("digest", 0.46))
    assert opened == [False, False, False, True]
    assert bureau.orders.mode == "paused", "nobody ordered it to look again"
    office.outbound.close()
    bureau.outbox.close()
