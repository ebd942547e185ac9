"""What a pre-filter is worth: frames spared, processor time saved net of its own, and faces missed, video by video.

Knows videos, looks and clocks; refuses to know lists and matches. Every frame is looked at by the detector and by the
pre-filter, each look timed alone; the gate then decides over what was seen, so that nothing depends on which of them
was warm: ``python -m firmware.bench.prefilter --faces ../shared/faces/lfw``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from board.camera import CameraError, CameraSpec, Frame
from board.camera_host import HostCamera
from board.picture import Pixels
from firmware.bench import BenchError
from firmware.bench.crowd import make_crowd
from firmware.bench.people import Numbers, yunet_finder
from firmware.bench.plan import CrowdSpec
from firmware.bench.run import ROOT, WEIGHTS
from firmware.demo_files import DemoError, make_files
from firmware.match.finder import Finder
from firmware.match.tracker import Tracker
from models.faces import F32, Faces
from models.manifest import ModelError
from models.prefilter import LOOK_ANYWAY_EVERY, Gate, Prefilter
from models.prefilter_yunet import open_small_yunet
from models.runner_openvino import OpenVinoBackend
from models.vision import open_vision

CANVASES_PX = ((160, 96), (320, 192))
MIN_SCORE = 0.3
"""Of the stand-in, as of detectNet's pre-filter."""
CROWD = CrowdSpec(Numbers(walkers=40, listed=1, list_size=1))
QUIET = CrowdSpec(Numbers(walkers=8, listed=1, list_size=1), in_view=1, pause_frames=300)
"""One walker every 15 s or so: the street is empty for three quarters of the time."""

Clock = Callable[[], float]
OpenPrefilter = Callable[[tuple[int, int]], Prefilter[Pixels]]


@dataclass(frozen=True)
class Look:
    """One frame: what the detector found, what the pre-filter did, and the processor time of each in seconds."""

    t_ns: int
    faces: Faces
    detector_s: float
    boxes: F32
    prefilter_s: float


class Worth(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate made of one video.

    ``skipped`` are frames that the detector was spared, ``asked`` those that the pre-filter was shown. ``missed`` are
    faces in spared frames, ``tracks_missed`` tracks none of whose faces were looked at, and ``longest_miss_s`` the
    longest time for which faces were in view and nobody looked. Times are of the whole video, in processor seconds.
    """

    video: str
    prefilter: str
    frames: int
    with_faces: int
    skipped: int
    asked: int
    faces: int
    missed: int
    tracks: int
    tracks_missed: int
    longest_miss_s: float
    detector_s: float
    prefilter_s: float
    spared_s: float

    @property
    def saved(self) -> float:
        """Share of the detector's time that is saved, net of the pre-filter's; below 0 it costs more than it spares."""
        return (self.spared_s - self.prefilter_s) / self.detector_s


class _Recorded:
    """Answers with what a pre-filter found before, and keeps for which looks it was asked."""

    name = "recorded"

    def __init__(self) -> None:
        self.asked: list[Look] = []

    def boxes(self, image: Look) -> F32:
        self.asked.append(image)
        return image.boxes


def record(
    frames: Iterable[Frame], finder: Finder, open_prefilter: OpenPrefilter, clock: Clock = time.process_time
) -> list[Look]:
    """Every frame's looks. Both networks see the same small picture, and the first one twice, to be warm."""
    looks: list[Look] = []
    prefilter: Prefilter[Pixels] | None = None
    for frame in frames:
        small = finder.shrink(frame)
        if prefilter is None:
            prefilter = open_prefilter((small.shape[0], small.shape[1]))
            prefilter.boxes(small)
            finder.find(frame, small)
        start_s = clock()
        boxes = prefilter.boxes(small)
        middle_s = clock()
        faces = finder.find(frame, small)
        looks.append(Look(frame.t_ns, faces, clock() - middle_s, boxes, middle_s - start_s))
    return looks


def judge(video: str, prefilter: str, looks: list[Look]) -> Worth:
    """Let the shipped gate decide over recorded looks."""
    recorded = _Recorded()
    gate = Gate[Look](recorded)
    looked = [_is_looked_at(gate, look) for look in looks]
    seen = _tracks_seen(looks, looked)
    return Worth(
        video=video,
        prefilter=prefilter,
        frames=len(looks),
        with_faces=sum(len(look.faces) > 0 for look in looks),
        skipped=gate.skipped,
        asked=gate.asked,
        faces=sum(len(look.faces) for look in looks),
        missed=sum(len(look.faces) for look, at in zip(looks, looked, strict=True) if not at),
        tracks=len(seen),
        tracks_missed=sum(not at_all for at_all in seen.values()),
        longest_miss_s=_longest_miss_s(looks, looked),
        detector_s=sum(look.detector_s for look in looks),
        prefilter_s=sum(look.prefilter_s for look in recorded.asked),
        spared_s=sum(look.detector_s for look, at in zip(looks, looked, strict=True) if not at),
    )


def _is_looked_at(gate: Gate[Look], look: Look) -> bool:
    before = gate.skipped
    gate.through("video", look.t_ns, look, lambda: look.faces)
    return gate.skipped == before


def _tracks_seen(looks: list[Look], looked: list[bool]) -> dict[int, bool]:
    """Every track that there is without a gate, and whether any of its faces was looked at behind it."""
    tracker, seen = Tracker("video"), dict[int, bool]()
    for look, at in zip(looks, looked, strict=True):
        for track in tracker.update(look.faces, look.t_ns).seen:
            seen[track.id] = seen.get(track.id, False) or at
    return seen


def _longest_miss_s(looks: list[Look], looked: list[bool]) -> float:
    """From the first frame in which faces were missed to the next that was looked at, the longest such time."""
    longest_ns, since_ns = 0, None
    for look, at in zip(looks, looked, strict=True):
        if since_ns is None and len(look.faces) and not at:
            since_ns = look.t_ns
        longest_ns = max(longest_ns, 0 if since_ns is None else look.t_ns - since_ns)
        since_ns = None if at else since_ns
    return longest_ns / 1e9


def videos(faces: Path, out_dir: Path, assets: Path) -> dict[str, Path]:
    """A crowd, a street that is empty most of the time, and the demo's two real videos.

    Raises:
        BenchError: a folder is missing, or holds too few people.
        DemoError: the demo's wheel is missing.
    """
    find = yunet_finder(WEIGHTS.yunet)
    demo = make_files(out_dir / "demo", assets)
    return {
        "crowd": make_crowd(faces, out_dir / "crowd", CROWD, find).video,
        "quiet street": make_crowd(faces, out_dir / "quiet", QUIET, find).video,
        "one man, always in view": demo.listed,
        "cyclists": demo.passers_by,
    }


def measure(shown: dict[str, Path], canvases_px: Iterable[tuple[int, int]] = CANVASES_PX) -> list[Worth]:
    """Every video with the stand-in on every canvas.

    Raises:
        CameraError: a video cannot be opened.
        ModelError: the networks are not here.
    """
    vision = open_vision(OpenVinoBackend())
    worths = []
    for canvas_px in canvases_px:
        for name, path in shown.items():
            looks = record(_frames(path), Finder(vision), _small_yunet(canvas_px))
            worths.append(judge(name, f"{canvas_px[0]} x {canvas_px[1]}", looks))
    return worths


def _small_yunet(canvas_px: tuple[int, int]) -> OpenPrefilter:
    return lambda picture_hw: open_small_yunet(canvas_px, picture_hw, MIN_SCORE)


def _frames(video: Path) -> Iterator[Frame]:
    camera = HostCamera(CameraSpec("bench", f"file://{video.resolve()}"), paced=False)
    try:
        while isinstance(got := camera.read(), Frame):
            yield got
    finally:
        camera.close()


def table_of(worths: list[Worth]) -> Table:
    """One row a video and canvas."""
    table = Table(title=f"YuNet as a pre-filter of YuNet, every {LOOK_ANYWAY_EVERY}th frame looked at anyway")
    table.add_column("video")
    table.add_column("pre-filter")
    for head in (
        *("frames", "with faces", "spared", "detector ms", "pre-filter ms", "net saving", "faces missed"),
        *("tracks missed", "longest miss"),
    ):
        table.add_column(head, justify="right")
    for worth in worths:
        table.add_row(
            worth.video, worth.prefilter, str(worth.frames), f"{worth.with_faces / worth.frames:.0%}",
            f"{worth.skipped / worth.frames:.0%}", f"{1000 * worth.detector_s / worth.frames:.2f}",
            f"{1000 * worth.prefilter_s / worth.asked:.2f}" if worth.asked else "-",
            f"{round(worth.saved, 2) + 0.0:.0%}",  # no -0%
            f"{worth.missed}/{worth.faces}", f"{worth.tracks_missed}/{worth.tracks}", f"{worth.longest_miss_s:.2f} s",
        )  # fmt: skip
    return table


def main(words: list[str] | None = None) -> int:
    """Run the bench as a command. Returns 0, or 2 with a message on standard error."""
    parser = argparse.ArgumentParser(prog="python -m firmware.bench.prefilter", description=__doc__)
    parser.add_argument("--faces", type=Path, required=True, help="folder of people: NAME/NAME_0001.jpg")
    parser.add_argument("--out", type=Path, default=ROOT / "var/prefilter", help="where the videos are kept")
    parser.add_argument("--assets", type=Path, default=ROOT / "var/assets", help="where the demo's wheel lies")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args(words)
    try:
        worths = measure(videos(asked.faces, asked.out, asked.assets))
    except (BenchError, DemoError, CameraError, ModelError) as error:
        print(error, file=sys.stderr)
        return 2
    if asked.json:
        print(msgspec.json.format(msgspec.json.encode(worths)).decode())
    else:
        Console(width=None if sys.stdout.isatty() else 160).print(table_of(worths))
    return 0


if __name__ == "__main__":
    sys.exit(main())
