"""The host's camera: what it opens and refuses, how it loses a file, when it stamps, and how it shrinks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from board.camera import CameraError, CameraSpec, Frame, Gap
from board.camera_host import HostCamera
from board.picture import ArrayPicture, Pixels
from tests.board.stage import Film, LateClock, cut, grain, patch_edit, patch_matrix, write, write_sound
from tests.contract.camera_contract import read_frames, scene

SIZE = (320, 240)
H264 = Film("libx264", keyframe_every="15")


def _open(path: Path) -> HostCamera:
    return HostCamera(CameraSpec("front", f"file://{path}"), paced=False)


def _first(path: Path) -> Frame:
    frame = _open(path).read()
    assert isinstance(frame, Frame)
    return frame


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Forty frames."""
    return write(tmp_path / "clip.mp4", [grain(*SIZE, seed) for seed in range(40)])


def test_a_whole_file_is_read_to_its_end(clip: Path) -> None:
    camera = _open(clip)
    frames, gap = read_frames(camera)
    assert (len(frames), gap) == (40, Gap.ENDED)
    assert camera.progress == (40, 40)
    assert camera.fps == 25.0
    assert camera.uri == f"file://{clip}"


def test_frames_that_depend_on_later_ones_come_in_order_and_all(tmp_path: Path) -> None:
    path = write(
        tmp_path / "b.mp4", [grain(*SIZE, seed) for seed in range(30)], Film(codec="libx264", keyframe_every="15")
    )
    frames, gap = read_frames(_open(path))
    assert (len(frames), gap) == (30, Gap.ENDED)
    assert [frame.t_ns for frame in frames] == [seq * 40_000_000 for seq in range(30)]


def test_a_truncated_file_is_lost_and_says_after_how_many(clip: Path) -> None:
    camera = _open(cut(clip, 0.5))
    frames, gap = read_frames(camera)
    assert gap is Gap.LOST
    assert 10 <= len(frames) < 30
    assert camera.progress == (len(frames), 40)


def test_a_file_that_is_cut_while_it_is_read_is_lost(tmp_path: Path) -> None:
    path = write(tmp_path / "long.mp4", [grain(640, 480, seed) for seed in range(40)])
    camera = _open(path)
    assert isinstance(camera.read(), Frame)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    frames, gap = read_frames(camera)
    assert gap is Gap.LOST
    assert 1 <= camera.progress[0] == len(frames) + 1 < 40
    assert camera.progress[1] == 40


def test_a_file_that_is_overwritten_within_is_lost_for_good(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mkv", [grain(*SIZE, seed) for seed in range(40)], H264)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + bytes(len(data) // 2))
    camera = _open(path)
    frames, gap = read_frames(camera)
    assert gap is Gap.LOST
    assert camera.progress == (len(frames), 0)
    assert {camera.read() for _ in range(3)} == {Gap.LOST}


@pytest.mark.parametrize("name", ["clip.mkv", "clip.avi", "clip.mp4", "clip.flv"])
def test_a_file_that_declares_its_duration_is_lost_when_it_was_cut(tmp_path: Path, name: str) -> None:
    film = Film("flv") if name.endswith("flv") else Film()
    path = write(tmp_path / name, [grain(*SIZE, seed) for seed in range(40)], film)
    frames, gap = read_frames(_open(path))
    assert (len(frames), gap) == (40, Gap.ENDED)
    frames, gap = read_frames(_open(cut(path, 0.5)))
    assert gap is Gap.LOST
    assert 10 <= len(frames) < 30


@pytest.mark.parametrize("name", ["clip.ts", "clip.h264"])
def test_a_file_that_declares_nothing_ends_where_it_ends(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, [grain(*SIZE, seed) for seed in range(40)], H264)
    camera = _open(cut(path, 0.5))
    frames, gap = read_frames(camera)
    assert gap is Gap.ENDED
    assert 1 <= len(frames) < 40
    assert camera.progress == (len(frames), 0)


def test_frames_that_an_edit_list_hides_are_not_missed(clip: Path) -> None:
    camera = _open(patch_edit(clip, 4, 16))
    frames, gap = read_frames(camera)
    assert (len(frames), gap) == (16, Gap.ENDED)
    assert camera.progress == (16, 40)


def test_an_edited_file_that_is_cut_is_lost(clip: Path) -> None:
    frames, gap = read_frames(_open(cut(patch_edit(clip, 2, 36), 0.5)))
    assert gap is Gap.LOST
    assert 10 <= len(frames) < 30


@pytest.mark.parametrize(("fps", "gone", "gap"), [(25, 11, "ENDED"), (25, 15, "LOST"), (2, 2, "ENDED"), (2, 6, "LOST")])
def test_the_last_three_frames_or_half_second_may_be_missing(tmp_path: Path, fps: int, gone: int, gap: str) -> None:
    pictures = [grain(*SIZE, 1)] * 40
    path = write(tmp_path / "clip.mkv", pictures, Film("rawvideo", fps=fps))
    cut(path, 1 - (gone - 0.5) / 40)
    frames, got = read_frames(_open(path))
    assert abs(len(frames) - (40 - gone)) <= 1
    assert got is Gap[gap]


def test_a_matroska_video_is_held_to_its_own_length_not_to_its_sound(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mkv", [grain(*SIZE, seed) for seed in range(40)], Film(sound_s=4.0))
    frames, gap = read_frames(_open(path))
    assert (len(frames), gap) == (40, Gap.ENDED)


def test_a_file_whose_time_starts_late_is_whole(tmp_path: Path) -> None:
    for name in ("clip.mkv", "clip.mp4"):
        path = write(tmp_path / name, [grain(*SIZE, seed) for seed in range(10)], Film(first=100))
        frames, gap = read_frames(_open(path))
        assert (len(frames), gap) == (10, Gap.ENDED)


@pytest.mark.parametrize(
    ("uri", "complaint"),
    [
        ("rtsp://10.0.0.1/stream", r"rtsp://10\.0\.0\.1/stream: expected file://PATH or v4l2://DEVICE"),
        ("http://127.0.0.1/clip.mp4", "expected file://PATH"),
        ("clip.mp4", "clip.mp4: expected file://PATH or v4l2://DEVICE"),
        ("file://", "file://: expected file://PATH"),
        ("", ": expected file://PATH"),
        ("v4l2:///dev/no-such-camera", "v4l2:///dev/no-such-camera: cannot be opened as video: No such file"),
        ("v4l2:///dev/null", "v4l2:///dev/null: cannot be opened as video"),
        ("file:///no/such/clip.mp4", "file:///no/such/clip.mp4: cannot be opened as video: No such file"),
        ("file:///tmp", "file:///tmp: cannot be opened as video"),
        ("file:///dev/null", "file:///dev/null: cannot be opened as video"),
    ],
)
def test_a_source_that_cannot_work_is_refused_by_name(uri: str, complaint: str) -> None:
    with pytest.raises(CameraError, match=complaint):
        HostCamera(CameraSpec("front", uri))


@pytest.mark.parametrize("data", [b"", b"this is no video\n" * 100, bytes(5000)])
def test_a_file_that_is_no_video_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "clip.mp4").write_bytes(data)
    with pytest.raises(CameraError, match=r"clip\.mp4: cannot be opened as video"):
        _open(tmp_path / "clip.mp4")


def test_a_file_with_sound_only_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match=r"sound\.wav: holds no video stream"):
        _open(write_sound(tmp_path / "sound.wav"))


def test_a_file_without_its_index_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "index-last.mov"  # written without faststart
    write(path, [grain(*SIZE, seed) for seed in range(10)])
    with pytest.raises(CameraError, match=r"index-last\.mov: cannot be opened as video"):
        _open(cut(path, 0.5))


def test_a_codec_that_nobody_knows_is_refused(clip: Path) -> None:
    clip.write_bytes(clip.read_bytes().replace(b"mp4v", b"zzzz").replace(b"esds", b"zzzz"))
    with pytest.raises(CameraError, match=r"clip\.mp4: no decoder for its video"):
        _open(clip)


def test_a_file_uri_never_reaches_the_network(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(CameraError, match="No such file or directory"):
        HostCamera(CameraSpec("front", "file://http://127.0.0.1:9/clip.mp4"))
    clip.rename(tmp_path / "http:clip.mp4")
    assert isinstance(_open(tmp_path / "http:clip.mp4").read(), Frame)


def test_a_relative_path_is_taken_from_here(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clip.parent)
    assert isinstance(HostCamera(CameraSpec("front", "file://clip.mp4"), paced=False).read(), Frame)


def test_an_unpaced_file_has_its_own_time_and_asks_no_clock(clip: Path) -> None:
    clock = LateClock(5)
    camera = HostCamera(CameraSpec("front", f"file://{clip}"), clock, paced=False)
    frames, _ = read_frames(camera)
    assert [frame.t_ns for frame in frames] == [seq * 40_000_000 for seq in range(40)]
    assert clock.readings == []


def test_a_paced_file_keeps_its_intervals_from_the_first_reading_on(clip: Path) -> None:
    clock = LateClock(7_000_000_000)
    frames, _ = read_frames(HostCamera(CameraSpec("front", f"file://{clip}"), clock, paced=True))
    first = clock.readings[0]
    assert [frame.t_ns for frame in frames] == [first + seq * 40_000_000 for seq in range(40)]


def test_two_replays_are_alike(clip: Path) -> None:
    one, other = read_frames(_open(clip))[0], read_frames(_open(clip))[0]
    assert [frame.t_ns for frame in one] == [frame.t_ns for frame in other]
    for a, b in zip(one[::13], other[::13], strict=True):
        np.testing.assert_array_equal(a.picture.rgb(), b.picture.rgb())


def _averaged(picture: Pixels, by: int) -> Pixels:
    height, width = picture.shape[0] // by, picture.shape[1] // by
    return np.asarray(picture.reshape(height, by, width, by, 3).mean((1, 3)).round(), np.uint8)


@pytest.mark.parametrize("by", [2, 4, 5])
@pytest.mark.parametrize(
    "film",
    [
        pytest.param(Film(), id="yuv420p"),
        pytest.param(Film("mjpeg", "yuvj422p"), id="full range, as webcams give it"),
        pytest.param(Film("ffv1", "bgr0"), id="rgb"),
        pytest.param(Film("ffv1", "gray"), id="grey"),
    ],
)
def test_fitted_is_the_area_average_of_the_whole(tmp_path: Path, film: Film, by: int) -> None:
    picture = _first(write(tmp_path / "clip.mkv", [_smooth(640, 480)], film)).picture
    wanted = _averaged(picture.rgb(), by)
    difference = np.abs(picture.fitted(640 // by, 480 // by).astype(int) - wanted)
    assert float(difference.mean()) < 2
    assert int(difference.max()) <= 12


def _smooth(width: int, height: int) -> Pixels:
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 80), np.cos(y / 60), np.sin((x + y) / 100)]
    return np.asarray(128 + 90 * np.stack(waves, 2), np.uint8)


@pytest.mark.parametrize("size", [(178, 146), (322, 182), (1278, 718), (50, 34)])
def test_rows_of_any_width_lie_straight(tmp_path: Path, size: tuple[int, int]) -> None:
    picture = _first(write(tmp_path / "clip.mkv", [scene(*size)], Film("ffv1", "bgr0"))).picture
    np.testing.assert_array_equal(picture.rgb(), scene(*size))
    small = picture.fitted(size[0] - 5, size[1] - 3)
    wanted = ArrayPicture(scene(*size)).fitted(size[0] - 5, size[1] - 3)
    assert small.shape == wanted.shape
    assert float(np.abs(small.astype(int) - wanted).mean()) < 4


@pytest.mark.parametrize(
    ("matrix", "quarters_clockwise"),
    [
        pytest.param((1, 0, 0, 1), 0, id="upright"),
        pytest.param((0, 1, -1, 0), 1, id="90, as phones film upright"),
        pytest.param((-1, 0, 0, -1), 2, id="180"),
        pytest.param((0, -1, 1, 0), 3, id="270"),
    ],
)
def test_a_film_is_shown_as_its_matrix_turns_it(
    tmp_path: Path, matrix: tuple[int, int, int, int], quarters_clockwise: int
) -> None:
    upright = scene(240, 320)
    stored = np.ascontiguousarray(np.rot90(upright, quarters_clockwise))  # lain down against the turn
    picture = _first(patch_matrix(write(tmp_path / "clip.mp4", [stored]), matrix)).picture
    assert (picture.width_px, picture.height_px) == (240, 320)
    for box in [(240, 320), (120, 160), (500, 80)]:
        small, wanted = picture.fitted(*box), ArrayPicture(upright).fitted(*box)
        assert small.shape == wanted.shape
        assert float(np.abs(small.astype(int) - wanted).mean()) < 6
        assert small.flags.c_contiguous or quarters_clockwise == 0
    assert picture.rgb() is picture.rgb()
    assert picture.rgb().shape == (320, 240, 3)


def test_what_is_converted_once_is_not_converted_again(clip: Path) -> None:
    picture = _first(clip).picture
    assert picture.rgb() is picture.rgb()
