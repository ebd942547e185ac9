"""What NVIDIA's bindings do, and what the camera makes of it: a test for each trap."""

from __future__ import annotations

import gc
import json
import sys
import threading
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np
import pytest

from board.camera import Camera, CameraError, CameraSpec, Frame, Gap
from board.camera_jetson import (
    BUFFERS,
    FIRST_READS,
    NEEDED,
    READER_WAITS,
    SILENT_READS,
    WORKING_FRAMES,
    JetsonCamera,
    JetsonCameras,
    load_bindings,
)
from board.picture import Pixels
from board.recovery import ASK_AGAIN_NS, LADDER, CameraStuck, Recovery
from board.ring import InRing, RingPicture
from firmware.log import Log
from firmware.match.capture import Slots, Source, capture
from tests.board.jetson_simulator import CudaImage, Sensor, SimulatedJetsonUtils, Step
from tests.board.stage import LateClock
from tests.board.test_jetson_camera_contract import noisy

CSI = CameraSpec("front", "csi://0")
USB = CameraSpec("front", "v4l2:///dev/v4l/by-id/usb-Maker_Camera-index0")
Mounting = Literal["upright", "upside-down"]
FRAME_NS = 66_666_667
END = next(failures for failures, remedy in LADDER if remedy.name == "END")
ASK = next(failures for failures, remedy in LADDER if remedy.name == "ASK_RESTART")


class Clock:
    """A clock that goes on by a frame at each reading."""

    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        self.now_ns += FRAME_NS
        return self.now_ns


class Network:
    """A network that reads a frame where it lies, until it is asked what it saw."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._inside, self._leave = threading.Event(), threading.Event()
        self._pixels: list[Pixels] = []
        self._thread = threading.Thread(target=self._read)
        self._thread.start()
        self._inside.wait(30)

    def _read(self) -> None:
        with self._frame.picture.on_device() as pixels:
            self._inside.set()
            self._leave.wait(30)
            self._pixels.append(np.array(pixels))

    def seen(self) -> Pixels:
        self._leave.set()
        self._thread.join()
        return self._pixels[0]


def film(*steps: Step, spec: CameraSpec = CSI) -> JetsonCamera:
    ju = SimulatedJetsonUtils({spec.uri: Sensor.filming(*steps)})
    return JetsonCamera(ju, spec, Clock(), spec.uri)


def frames_of(camera: Camera, count: int) -> list[Frame]:
    frames = [camera.read() for _ in range(count)]
    return [frame for frame in frames if isinstance(frame, Frame)]


def pictures(count: int) -> list[Pixels]:
    return [noisy(number) for number in range(count)]


# The ring is written over after so many captures (gstBufferManager, RingBuffer).


def test_a_picture_that_is_held_is_copied_before_its_buffer_is_written_over() -> None:
    camera = film(*pictures(3 * BUFFERS))
    held = frames_of(camera, 1)[0]
    frames_of(camera, 2 * BUFFERS)
    np.testing.assert_array_equal(held.picture.rgb(), noisy(0))
    np.testing.assert_array_equal(held.picture.fitted(9999, 9999), noisy(0))


def test_a_network_is_given_the_drivers_own_buffers_in_turn() -> None:
    camera = film(*pictures(3 * BUFFERS))
    addresses = []
    for _ in range(3 * BUFFERS):
        (frame,) = frames_of(camera, 1)
        with frame.picture.on_device() as pixels:
            assert pixels is not None
            addresses.append(pixels.__cuda_array_interface__["data"][0])
    assert len(set(addresses)) == BUFFERS
    assert addresses[:BUFFERS] == addresses[BUFFERS : 2 * BUFFERS]


def test_on_the_device_it_lies_in_the_ring_until_its_turn_and_not_longer() -> None:
    camera = film(*pictures(2 * BUFFERS))
    held = frames_of(camera, 1)[0]
    frames_of(camera, BUFFERS - 1)
    with held.picture.on_device() as pixels:
        assert pixels is not None
        np.testing.assert_array_equal(np.asarray(pixels), noisy(0))
    frames_of(camera, 1)
    with held.picture.on_device() as pixels:
        assert pixels is None


def test_while_a_network_reads_the_camera_keeps_off_and_loses_a_frame_instead() -> None:
    camera = film(*pictures(2 * BUFFERS))
    held = frames_of(camera, 1)[0]
    frames_of(camera, BUFFERS - 1)
    network = Network(held)
    assert camera.read() is Gap.TIMEOUT
    np.testing.assert_array_equal(network.seen(), noisy(0))
    assert isinstance(camera.read(), Frame)


def test_a_network_that_never_lets_go_is_a_lost_camera_and_not_a_silent_one() -> None:
    camera = film(*pictures(2 * BUFFERS))
    held = frames_of(camera, 1)[0]
    frames_of(camera, BUFFERS - 1)
    got: list[object] = []
    with held.picture.on_device():
        thread = threading.Thread(target=lambda: got.extend(camera.read() for _ in range(READER_WAITS)))
        thread.start()
        thread.join()
    assert got == [Gap.TIMEOUT] * (READER_WAITS - 1) + [Gap.LOST]
    assert camera.fault == "a network does not let go of a picture"


@pytest.mark.parametrize("end", [pytest.param(JetsonCamera.close, id="closed"), pytest.param(id, id="dropped")])
def test_the_drivers_memory_goes_and_the_pictures_stay(end: Callable[[JetsonCamera], object]) -> None:
    camera = film(*pictures(3))
    held = frames_of(camera, 2)
    end(camera)
    del camera
    gc.collect()
    for number, frame in enumerate(held):
        np.testing.assert_array_equal(frame.picture.rgb(), noisy(number))
        np.testing.assert_array_equal(frame.picture.fitted(9999, 9999), noisy(number))


def test_a_closed_cameras_memory_is_not_kept_for_a_picture_that_is_held() -> None:
    ju = SimulatedJetsonUtils({CSI.uri: Sensor.filming(*pictures(2))})
    camera = JetsonCamera(ju, CSI, Clock(), CSI.uri)
    held = frames_of(camera, 2)
    camera.close()
    gc.collect()
    assert (len(held), ju.deleted) == (2, 1)


def test_a_network_that_reads_while_the_camera_is_closed_reads_what_it_was_given() -> None:
    camera = film(*pictures(2))
    (held,) = frames_of(camera, 1)
    network = Network(held)
    camera.close()
    del camera
    gc.collect()
    np.testing.assert_array_equal(network.seen(), noisy(0))


# The conversion to RGB goes on after Capture has returned.


def test_a_frame_is_handed_out_when_its_pixels_are_there() -> None:
    (frame,) = frames_of(film(noisy(0)), 1)
    with frame.picture.on_device() as pixels:
        np.testing.assert_array_equal(np.asarray(pixels), noisy(0))


# After an unplug Capture times out for ever and IsStreaming stays True.


def test_three_silent_seconds_are_a_lost_camera_and_two_are_not() -> None:
    silent: list[Step] = [None] * (SILENT_READS - 1)
    camera = film(noisy(0), *silent, noisy(1), *silent, noisy(2))
    got = [camera.read() for _ in range(3 + 2 * len(silent))]
    assert [isinstance(one, Frame) for one in got] == [True, False, False, True, False, False, True]
    assert [camera.read() for _ in range(SILENT_READS)] == [Gap.TIMEOUT] * (SILENT_READS - 1) + [Gap.LOST]
    assert camera.fault == "no frame for 3 s"


def test_the_first_frame_may_take_longer() -> None:
    silent: list[Step] = [None] * (FIRST_READS - 1)
    late, dark = film(*silent, noisy(0)), film()
    assert isinstance([late.read() for _ in range(FIRST_READS)][-1], Frame)
    assert [dark.read() for _ in range(FIRST_READS)][-1] is Gap.LOST
    assert dark.fault == "no frame for 10 s"


def test_two_exceptions_of_the_driver_are_a_lost_camera_with_its_words_and_one_is_not() -> None:
    failure = Exception("jetson.utils -- videoSource failed to capture image")
    camera = film(noisy(0), failure, noisy(1), failure, failure)
    got = [camera.read() for _ in range(5)]
    assert [isinstance(one, Frame) for one in got] == [True, False, True, False, False]
    assert got[3:] == [Gap.TIMEOUT, Gap.LOST]
    assert camera.fault == "the driver failed: jetson.utils -- videoSource failed to capture image"
    assert camera.read() is Gap.LOST


def test_after_a_failure_no_picture_is_left_where_the_next_may_be_written() -> None:
    camera = film(noisy(0), Exception("failed"))
    (held,) = frames_of(camera, 1)
    camera.read()
    with held.picture.on_device() as pixels:
        assert pixels is None
    np.testing.assert_array_equal(held.picture.rgb(), noisy(0))


# One picture again and again, after EGLStream reuse.


def test_a_picture_that_does_not_change_is_a_lost_camera() -> None:
    camera = film(*[noisy(0)] * 40)
    got = [camera.read() for _ in range(40)]
    first_loss = got.index(Gap.LOST)
    assert camera.fault == "shows the same picture for 2 s"
    assert 2.0 <= first_loss * FRAME_NS / 1e9 <= 2.2


def test_a_still_street_has_noise_and_is_no_frozen_camera() -> None:
    assert len(frames_of(film(*pictures(60)), 60)) == 60


def test_a_picture_that_stood_for_a_second_and_went_on_is_fine() -> None:
    held = [noisy(0)] * 15
    assert len(frames_of(film(*held, noisy(1), *held, noisy(2)), 32)) == 32


# A new size midway: the driver frees its ring and makes another.


def test_a_new_size_midway_is_a_lost_camera_and_pictures_whose_memory_is_gone_are_black() -> None:
    camera = film(noisy(0), noisy(1), noisy(2, (640, 480)))
    held = frames_of(camera, 2)
    assert camera.read() is Gap.LOST
    assert camera.fault == "sends pictures of 640 x 480 instead of (320, 240)"
    for frame in held:
        assert not frame.picture.rgb().any()
        with frame.picture.on_device() as pixels:
            assert pixels is None


def test_a_size_is_always_asked_for_so_that_it_cannot_change() -> None:
    ju = SimulatedJetsonUtils({CSI.uri: Sensor.filming()})
    JetsonCamera(ju, CSI, Clock(), CSI.uri)
    assert (ju.options[0]["width"], ju.options[0]["height"]) == (1280, 720)


def test_opened_anew_it_has_the_new_size() -> None:
    (frame,) = frames_of(film(noisy(0, (640, 480))), 1)
    assert (frame.picture.width_px, frame.picture.height_px) == (640, 480)


# Pictures outside the processor's memory.


def test_pictures_that_the_processor_cannot_see_are_a_lost_camera() -> None:
    ju = SimulatedJetsonUtils({CSI.uri: Sensor(iter([noisy(0)]), mapped=False)})
    camera = JetsonCamera(ju, CSI, Clock(), CSI.uri)
    assert camera.read() is Gap.LOST
    assert camera.fault == "its pictures are not in memory that the processor sees (zeroCopy)"


# CSI pictures are turned by half unless told otherwise; the words for it are exchanged.


@pytest.mark.parametrize("uri", ["csi://0", "v4l2:///dev/video0"])
@pytest.mark.parametrize(("mounting", "quarters"), [("upright", 0), ("upside-down", 2)])
def test_a_picture_stands_as_the_camera_is_mounted(uri: str, mounting: Mounting, quarters: int) -> None:
    spec = CameraSpec("front", uri, mounting=mounting)
    (frame,) = frames_of(film(noisy(0), spec=spec), 1)
    np.testing.assert_array_equal(frame.picture.rgb(), np.rot90(noisy(0), quarters))


def test_everything_that_matters_is_asked_for_by_name() -> None:
    ju = SimulatedJetsonUtils({"csi://1": Sensor.filming()})
    JetsonCamera(ju, CameraSpec("front", "csi://1", (1280, 720), 15), Clock(), "csi://1")
    size = {"width": 1280, "height": 720, "framerate": 15}
    assert ju.options == [{"numBuffers": BUFFERS, "zeroCopy": True, "flipMethod": "rotate-180", **size}]


# Its timestamps count from the pipeline's start.


def test_time_is_our_own_clock_at_capture() -> None:
    ju = SimulatedJetsonUtils({CSI.uri: Sensor.filming(*pictures(3))})
    clock = LateClock(10**15)
    camera = JetsonCamera(ju, CSI, clock, CSI.uri)
    assert [frame.t_ns for frame in frames_of(camera, 3)] == clock.readings


# The log level is VERBOSE, on standard output.


def test_the_driver_is_quiet_before_its_first_source(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    ju = SimulatedJetsonUtils({CSI.uri: Sensor.filming(noisy(0))})
    camera = cameras(ju, tmp_path).open(CSI)
    assert [type(camera.read()) for _ in range(2)] == [Frame, Gap]
    assert capsys.readouterr().out == ""


# /dev/v4l/by-id/... is not recognised, and the number behind it changes.


def cameras(
    ju: SimulatedJetsonUtils, folder: Path, clock: Clock | None = None, links: dict[str, str] | None = None
) -> JetsonCameras:
    clock = clock or Clock()
    recovery = Recovery(folder / "run" / "restart", clock)
    return JetsonCameras(ju, recovery, clock, lambda path: (links or {}).get(path, path))


def test_a_device_is_found_by_its_id_wherever_it_is_plugged_in(tmp_path: Path) -> None:
    ju = SimulatedJetsonUtils({"v4l2:///dev/video0": Sensor.filming(noisy(0))})
    links = {USB.uri.removeprefix("v4l2://"): "/dev/video0"}
    usb = cameras(ju, tmp_path, links=links)
    assert len(frames_of(usb.open(USB), 1)) == 1
    ju.sensors = {"v4l2:///dev/video3": Sensor.filming(noisy(1))}
    links[USB.uri.removeprefix("v4l2://")] = "/dev/video3"
    assert len(frames_of(usb.open(USB), 1)) == 1


def test_a_link_that_leads_nowhere_or_elsewhere_is_no_camera_now(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match=r"by-id/usb-.*: is /dev/v4l/by-id/.*, no video device now"):
        cameras(SimulatedJetsonUtils(), tmp_path).open(USB)
    elsewhere = {USB.uri.removeprefix("v4l2://"): "/etc/passwd"}
    with pytest.raises(CameraError, match="is /etc/passwd, no video device now"):
        cameras(SimulatedJetsonUtils(), tmp_path, links=elsewhere).open(USB)


@pytest.mark.parametrize(
    "uri", ["rtsp://camera", "csi://front", "csi://", "v4l2://video0", "http://x", "v4l2:///etc/passwd"]
)
def test_other_sources_are_refused(uri: str, tmp_path: Path) -> None:
    with pytest.raises(CameraError, match=r"expected csi://NUMBER or v4l2:///dev/\.\.\."):
        cameras(SimulatedJetsonUtils(), tmp_path).open(CameraSpec("front", uri))


# A failed create leaks; the daemon can hang alive.


class Stubborn:
    """A camera that never brings a frame, opened again and again."""

    def __init__(self, folder: Path, spec: CameraSpec = CSI, sensors: dict[str, Sensor] | None = None) -> None:
        self.clock = Clock()
        self.spec = spec
        self.ju = SimulatedJetsonUtils(sensors or {})
        self.request = folder / "run" / "restart"
        self.cameras = cameras(self.ju, folder, self.clock)

    def fail(self, times: int) -> None:
        for _ in range(times):
            with pytest.raises(CameraError, match="failed to create videoSource device"):
                self.cameras.open(self.spec)


def test_the_daemons_restart_is_asked_for_after_some_failures_and_the_end_comes_after_more(tmp_path: Path) -> None:
    stubborn = Stubborn(tmp_path)
    stubborn.fail(ASK)
    assert not stubborn.request.exists()
    stubborn.fail(1)
    assert stubborn.request.exists()
    stubborn.fail(END - ASK - 1)
    with pytest.raises(CameraStuck, match=f"camera front brought no frame in {END} attempts"):
        stubborn.cameras.open(CSI)
    assert stubborn.ju.leaked == END


def test_it_is_asked_for_once_a_minute_whichever_camera_asks(tmp_path: Path) -> None:
    clock = Clock()
    recovery = Recovery(tmp_path / "run" / "restart", clock)
    asked: list[bool] = []
    for camera in ("front", "rear"):
        for _ in range(ASK):
            recovery.failed(camera, on_daemon=True)
        asked.append((tmp_path / "run" / "restart").exists())
        (tmp_path / "run" / "restart").unlink(missing_ok=True)
    assert asked == [True, False]
    clock.now_ns += ASK_AGAIN_NS
    recovery.failed("rear", on_daemon=True)
    assert (tmp_path / "run" / "restart").exists()


def test_a_usb_camera_asks_for_no_restart(tmp_path: Path) -> None:
    stubborn = Stubborn(tmp_path, CameraSpec("front", "v4l2:///dev/video0"))
    stubborn.fail(END)
    assert not stubborn.request.exists()


def test_a_camera_that_opens_and_stays_dark_has_failed_too(tmp_path: Path) -> None:
    stubborn = Stubborn(tmp_path, sensors={CSI.uri: Sensor.filming()})
    for _ in range(END):
        stubborn.cameras.open(CSI).close()
    with pytest.raises(CameraStuck):
        stubborn.cameras.open(CSI)


def test_a_camera_that_works_puts_the_ladder_back(tmp_path: Path) -> None:
    stubborn = Stubborn(tmp_path)
    for _ in range(3):
        stubborn.ju.sensors = {}
        stubborn.fail(END - 1)
        stubborn.ju.sensors = {CSI.uri: Sensor.filming(*pictures(WORKING_FRAMES))}
        assert len(frames_of(stubborn.cameras.open(CSI), WORKING_FRAMES)) == WORKING_FRAMES
    stubborn.ju.sensors = {}
    stubborn.fail(END - 1)


def test_a_frozen_camera_climbs_the_ladder_however_many_frames_it_brings(tmp_path: Path) -> None:
    stubborn = Stubborn(tmp_path)
    for _ in range(ASK + 1):
        stubborn.ju.sensors = {CSI.uri: Sensor.filming(*[noisy(0)] * 200)}
        frames_of(stubborn.cameras.open(CSI), 200)
    assert stubborn.request.exists()


def test_a_camera_that_is_not_plugged_in_climbs_no_ladder(tmp_path: Path) -> None:
    absent = cameras(SimulatedJetsonUtils(), tmp_path)
    for _ in range(3 * END):
        with pytest.raises(CameraError, match="no video device now"):
            absent.open(USB)


def test_a_request_that_cannot_be_written_does_not_end_the_process(tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    recovery = Recovery(tmp_path / "run" / "restart", Clock())
    for _ in range(ASK):
        recovery.failed("front", on_daemon=True)


def test_a_picture_is_not_written_over_while_somebody_makes_a_copy_of_it() -> None:
    """numpy asks an image for its place in the middle of a copy: there the camera tries to go on."""
    camera = film(*pictures(2 * BUFFERS))
    held = frames_of(camera, 1)[0]
    frames_of(camera, BUFFERS - 1)
    got: list[object] = []
    thread = threading.Thread(target=lambda: got.append(camera.read()))

    class Slow:
        def __init__(self, image: CudaImage) -> None:
            self._image, self.shape, self.ptr = image, image.shape, image.ptr

        @property
        def __array_interface__(self) -> dict[str, Any] | None:
            thread.start()
            thread.join()
            return self._image.__array_interface__

    picture = held.picture
    assert isinstance(picture, RingPicture)
    assert picture._image is not None
    inner = picture._image.image
    assert isinstance(inner, CudaImage)
    picture._image = InRing(Slow(inner))
    np.testing.assert_array_equal(picture.rgb(), noisy(0))
    assert got == [Gap.TIMEOUT]


def test_a_stuck_camera_ends_the_capture_with_an_error_and_not_with_a_retry(tmp_path: Path) -> None:
    stubborn = Stubborn(tmp_path)
    stubborn.fail(END)
    slots = Slots(("front",))
    capture(Source("front", lambda: stubborn.cameras.open(CSI)), slots, Log("match", StringIO()), threading.Event())
    with pytest.raises(CameraStuck):
        slots.take(0.0)


def test_the_reason_of_a_loss_is_in_the_log_and_in_the_state(tmp_path: Path) -> None:
    ju = SimulatedJetsonUtils({CSI.uri: Sensor.filming(*[noisy(0)] * 40)})
    stop, lines, slots = threading.Event(), StringIO(), Slots(("front",))
    opened: list[Camera] = []

    def open_once() -> Camera:
        if opened:
            stop.set()
            raise CameraError("stopped")
        opened.append(cameras(ju, tmp_path).open(CSI))
        return opened[0]

    capture(Source("front", open_once), slots, Log("match", lines), stop)
    alarm = json.loads(lines.getvalue().splitlines()[0])
    assert (alarm["event"], alarm["reason"]) == ("camera lost", "shows the same picture for 2 s")


# Several cameras, one thread each: a capture waits without Python's lock.


def test_a_camera_that_waits_holds_up_no_other() -> None:
    waits = threading.Event()
    waiting = Sensor(iter([noisy(0)]), on_capture=lambda: waits.wait(30))
    ju = SimulatedJetsonUtils({"csi://0": waiting, "csi://1": Sensor.filming(*pictures(5))})
    slow, quick = (JetsonCamera(ju, CameraSpec(uri, uri), Clock(), uri) for uri in ("csi://0", "csi://1"))
    thread = threading.Thread(target=slow.read)
    thread.start()
    assert len(frames_of(quick, 5)) == 5
    waits.set()
    thread.join()


def test_streams_are_given_back() -> None:
    ju = SimulatedJetsonUtils({CSI.uri: Sensor.filming(noisy(0))})
    before = set(ju.streams)
    camera = JetsonCamera(ju, CSI, Clock(), CSI.uri)
    camera.read()
    camera.close()
    camera.close()
    assert set(ju.streams) == before


# The package around the bindings hides some of them, and a stranger has its name.


def module(monkeypatch: pytest.MonkeyPatch, name: str, *parts: str) -> ModuleType:
    """Install a module with these names."""
    made = ModuleType(name)
    for part in parts:
        setattr(made, part, part)
    monkeypatch.setitem(sys.modules, name, made)
    return made


def test_the_bindings_themselves_are_taken_first(monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = module(monkeypatch, "bindings", *NEEDED), module(monkeypatch, "package", *NEEDED)
    assert load_bindings(("bindings", "package")) is first


def test_the_package_will_do_where_the_bindings_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    package = module(monkeypatch, "package", *NEEDED)
    assert load_bindings(("nowhere", "package")) is package


def test_a_stranger_of_the_same_name_is_refused_by_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    module(monkeypatch, "package", "Log").__file__ = "/site-packages/jetson_utils/__init__.py"
    with pytest.raises(CameraError, match=r"__init__\.py is not NVIDIA's: it has no videoSource, cuda"):
        load_bindings(("nowhere", "package"))


def test_nothing_installed_is_said() -> None:
    with pytest.raises(CameraError, match="jetson-utils: No module named 'nowhere'"):
        load_bindings(("nowhere",))
