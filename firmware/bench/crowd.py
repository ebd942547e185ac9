"""Make a crowd video, its portraits and its truth from a folder of faces; make nothing twice.

Knows files and H.264; refuses to know how any system under test works, and writes no stranger's name.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import msgspec
from rich.console import Console
from rich.progress import track

from firmware.bench.paint import Head, Street, cut_head, draw_walker
from firmware.bench.people import Cast, Finder, Image, cast, listing_digest, people_in, read_photo
from firmware.bench.plan import FPS, HEIGHT_PX, WIDTH_PX, CrowdPlan, CrowdSpec, Walker, plan_crowd

RECIPE = 2  # raise it when the same spec gives another video, so that old ones are made again
ENCODER_OPTIONS = {"preset": "veryfast", "crf": "23", "g": "50"}


class Walk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One walker's time in the street, both frames included; ``entry`` is None for a walker not listed."""

    entry: str | None
    first_frame: int
    last_frame: int


class Truth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What happens in a video of ``frames`` frames at ``fps``, against a list of ``list_size`` entries."""

    frames: int
    fps: int
    list_size: int
    walkers: tuple[Walk, ...]


@dataclass(frozen=True)
class Crowd:
    """The files of one crowd."""

    video: Path
    portraits: Path
    truth: Path

    def read_truth(self) -> Truth:
        """The truth as written when the crowd was made."""
        return msgspec.json.decode(self.truth.read_bytes(), type=Truth)


def make_crowd(faces: Path, out: Path, spec: CrowdSpec, find: Finder, errata: Path | None = None) -> Crowd:
    """Make the crowd of ``spec`` in the folder ``out``, or find it there already made from the same listing.

    Raises:
        BenchError: the faces folder is missing, too small, or holds an unreadable picture.
    """
    people = people_in(faces, errata)
    crowd = Crowd(out / "crowd.mp4", out / "portraits", out / "truth.json")
    seal, made = out / "made-from", _made_from(spec, listing_digest(people))
    if seal.is_file() and seal.read_text("ascii") == made:
        return crowd
    chosen = cast(people, spec.numbers, spec.seed, find)
    plan = plan_crowd(chosen, spec)
    out.mkdir(parents=True, exist_ok=True)
    seal.unlink(missing_ok=True)  # an interrupted making leaves no seal, so it is made again
    _write_portraits(chosen, crowd.portraits)
    crowd.truth.write_bytes(msgspec.json.format(msgspec.json.encode(truth_of(plan, spec))))
    write_video(plan, spec.seed, crowd.video)
    seal.write_text(made, "ascii")
    return crowd


def truth_of(plan: CrowdPlan, spec: CrowdSpec) -> Truth:
    """The plan's truth: entries of listed walkers, no word about who a stranger is."""
    walks = tuple(Walk(w.part.entry, w.first_frame, w.last_frame) for w in plan.walkers)
    return Truth(plan.frames, FPS, spec.numbers.list_size, walks)


def write_video(plan: CrowdPlan, seed: int, path: Path) -> None:
    """Draw and encode every frame of ``plan`` to ``path``: 1280x720, 25 fps, H.264, yuv420p."""
    street, heads = Street(seed), Heads()
    part = path.with_suffix(".part.mp4")
    with av.open(str(part), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(FPS), options=ENCODER_OPTIONS)
        stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        for number in track(range(plan.frames), "Making the crowd", console=Console(stderr=True)):
            picture = draw_frame(plan, number, street, heads)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
    part.replace(path)


class Heads:
    """Heads that were seen in the street; each is cut once, when its walker comes."""

    def __init__(self) -> None:
        """Start with none."""
        self._cut: dict[Path, Head] = {}

    def of(self, walker: Walker) -> Head:
        """The walker's head, cut from the photograph at the first call."""
        part = walker.part
        if part.photo not in self._cut:
            self._cut[part.photo] = cut_head(read_photo(part.photo), part.face)
        return self._cut[part.photo]


def draw_frame(plan: CrowdPlan, number: int, street: Street, heads: Heads) -> Image:
    """Frame ``number`` of the plan: (720, 1280, 3) uint8, BGR; nearer walkers stand before farther ones."""
    picture = street.empty()
    posed = [(pose, w) for w in plan.walkers if (pose := w.pose(number)) is not None]
    for pose, walker in sorted(posed, key=lambda p: p[0].width):
        draw_walker(picture, walker, heads.of(walker), pose)
    return street.exposed(picture)


def _write_portraits(chosen: Cast, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for entry, photo in chosen.portraits.items():
        shutil.copyfile(photo, folder / f"{entry}{photo.suffix.lower()}")


def _made_from(spec: CrowdSpec, listing: str) -> str:
    return hashlib.sha256(f"{RECIPE} {spec!r} {listing}".encode()).hexdigest()
