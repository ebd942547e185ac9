"""Plan a crowd: from which frame to which frame each walker is in the street, and on which path.

Knows time, geometry and the cast; refuses to know pixels. The same cast, spec and seed give the same plan.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from firmware.bench.people import Cast, Numbers, Part

WIDTH_PX, HEIGHT_PX, FPS = 1280, 720, 25
IN_VIEW = 6
HORIZON_PX = 70  # eyes at the camera's own height would stand on this line
DROP_PER_FACE = 3.0  # the camera is higher than heads: a head is this many face widths below the horizon
FADE_FRAMES = 5
PATH_CHOICES = 4  # the clearest of so many paths is walked: people avoid each other, and still overlap at times
APPROACHING_SHARE, CONSTANT_SHARE = 0.5, 0.2


@dataclass(frozen=True)
class CrowdSpec:
    """What crowd to make.

    Attributes:
        numbers: how many walk, and are listed.
        seed: of everything that is left to chance.
        life_frames: a walker's mean time in the street.
        in_view: about so many are in the street at once.
        pause_frames: how long each of their places is empty before the next one comes.

    Raises:
        ValueError: a life under 20 frames, nobody in view, or a negative pause.
    """

    numbers: Numbers = field(default_factory=lambda: Numbers(walkers=100, listed=24, list_size=500))
    seed: int = 0
    life_frames: int = 90
    in_view: int = IN_VIEW
    pause_frames: int = 0

    def __post_init__(self) -> None:
        """Refuse a life too short to walk, and a street in which nobody can."""
        for name, value, least in (
            ("life_frames", self.life_frames, 20), ("in_view", self.in_view, 1), ("pause_frames", self.pause_frames, 0)
        ):  # fmt: skip
            if value < least:
                raise ValueError(f"{name}: expected at least {least}, got {value}")


@dataclass(frozen=True)
class Path2D:
    """A straight walk as the camera sees it: centre of the face and its width, in px, at both ends."""

    start_x: float
    start_width: float
    end_x: float
    end_width: float
    rise_y: float


@dataclass(frozen=True)
class Look:
    """How one walker differs from the photograph: sway, light and focus. Angles in degrees, blur as sigma in px."""

    sway_deg: float
    sway_frames: float
    phase: float
    gain: float
    bias: float
    blur_px: float
    coat: tuple[int, int, int]
    legs: tuple[int, int, int]


@dataclass(frozen=True)
class Pose:
    """Where a walker's face is in one frame: centre and width in px, lean in degrees, opacity in [0, 1], light gain."""

    x: float
    y: float
    width: float
    lean_deg: float
    opacity: float
    gain: float


@dataclass(frozen=True)
class Walker:
    """One walk from ``first_frame`` to ``last_frame``, both included; ``part.entry`` is None for a stranger."""

    part: Part
    first_frame: int
    last_frame: int
    path: Path2D
    look: Look

    def pose(self, frame: int) -> Pose | None:
        """The walker's pose in ``frame``; None before the walk and after it."""
        if not self.first_frame <= frame <= self.last_frame:
            return None
        age, left = frame - self.first_frame, self.last_frame - frame
        x, width = _seen(self.path, age / max(age + left, 1))
        swing = math.sin(2 * math.pi * (age / self.look.sway_frames + self.look.phase))
        step = math.sin(4 * math.pi * (age / self.look.sway_frames))
        return Pose(
            x=x + 0.06 * width * swing,
            y=HORIZON_PX + DROP_PER_FACE * width + self.path.rise_y + 0.03 * width * step,
            width=width,
            lean_deg=self.look.sway_deg * swing,
            opacity=min(1.0, (age + 1) / FADE_FRAMES, (left + 1) / FADE_FRAMES),
            gain=self.look.gain * (1 + 0.12 * math.sin(x / 190 + self.look.phase)),  # sun and shade along the street
        )


@dataclass(frozen=True)
class CrowdPlan:
    """A whole crowd: walkers in order of appearance, and the frames the video has."""

    walkers: tuple[Walker, ...]
    frames: int


def plan_crowd(cast: Cast, spec: CrowdSpec) -> CrowdPlan:
    """Give every part a time, a path and a look; about ``spec.in_view`` walkers are in the street at once."""
    rng = np.random.default_rng([spec.seed, 2])
    free_from = [int(rng.integers(0, 12)) for _ in range(spec.in_view)]
    walkers: list[Walker] = []
    for i in rng.permutation(len(cast.parts)):
        slot = int(np.argmin(free_from))
        life = round(spec.life_frames * float(rng.uniform(0.75, 1.25)))
        first = free_from[slot]
        walk = (cast.parts[i], first, first + life - 1)
        choices = [Walker(*walk, _path(rng), _look(rng)) for _ in range(PATH_CHOICES)]
        beside = [w for w in walkers if w.last_frame >= first]
        walkers.append(min(choices, key=lambda w: _overlaps(w, beside)))
        free_from[slot] = first + life - 2 * FADE_FRAMES + spec.pause_frames  # without one they cross at the edge
    walkers.sort(key=lambda w: w.first_frame)
    return CrowdPlan(tuple(walkers), max(w.last_frame for w in walkers) + 1)


def _overlaps(walker: Walker, beside: list[Walker]) -> int:
    """In how many looks, one every four frames, the walker's face meets another's."""
    met = 0
    for frame in range(walker.first_frame, walker.last_frame, 4):
        mine = walker.pose(frame)
        theirs = [pose for w in beside if (pose := w.pose(frame)) is not None]
        met += sum(_meet(mine, pose) for pose in theirs) if mine else 0
    return met


def _meet(one: Pose, other: Pose) -> bool:
    reach = 0.65 * (one.width + other.width)
    return abs(one.x - other.x) < reach and abs(one.y - other.y) < reach


def _seen(path: Path2D, share: float) -> tuple[float, float]:
    """Where a steady walk in the world is seen: 1/width and x/width are linear in time, not x and width."""
    near = 1 / path.start_width + share * (1 / path.end_width - 1 / path.start_width)
    middle = WIDTH_PX / 2
    start, end = (path.start_x - middle) / path.start_width, (path.end_x - middle) / path.end_width
    return middle + (start + share * (end - start)) / near, 1 / near


def _path(rng: np.random.Generator) -> Path2D:
    rise = float(rng.uniform(-35, 45))
    side = 1 if rng.random() < 0.5 else -1
    kind = rng.random()
    if kind < APPROACHING_SHARE:
        start_x = WIDTH_PX / 2 + float(rng.uniform(-330, 330))
        end_x = WIDTH_PX / 2 + side * float(rng.uniform(150, 660))
        return Path2D(start_x, float(rng.uniform(38, 48)), end_x, float(rng.uniform(85, 112)), rise)
    width = float(rng.uniform(42, 92))
    other = width if kind < APPROACHING_SHARE + CONSTANT_SHARE else width * float(rng.uniform(0.75, 1.35))
    out = WIDTH_PX / 2 + 10
    return Path2D(WIDTH_PX / 2 - side * out, width, WIDTH_PX / 2 + side * out, other, rise)


def _look(rng: np.random.Generator) -> Look:
    def colour(low: int, high: int) -> tuple[int, int, int]:
        base = float(rng.uniform(low, high))
        blue, green, red = (int(np.clip(base + rng.normal(0, 22), 10, 235)) for _ in range(3))
        return blue, green, red

    return Look(
        sway_deg=float(rng.uniform(1.5, 8.0)),
        sway_frames=float(rng.uniform(22, 40)),
        phase=float(rng.random()),
        gain=float(rng.uniform(0.75, 1.12)),
        bias=float(rng.uniform(-15, 15)),
        blur_px=float(rng.uniform(0.3, 1.1)),
        coat=colour(30, 190),
        legs=colour(25, 110),
    )
