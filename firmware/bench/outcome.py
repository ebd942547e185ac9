"""What a system under test writes about one run: its possible matches and what they cost.

Knows the JSON both systems share; refuses to know which system wrote it. Unknown fields are left alone.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from firmware.bench import BenchError


class Event(msgspec.Struct, frozen=True):
    """One possible match; frames count from 0, ``similarity`` is a cosine in [-1, 1]."""

    entry: str
    similarity: float
    first_frame: int
    decided_frame: int


class Summary(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a run cost. Times cover the video alone: loading networks and portraits came before."""

    frames: int
    wall_s: float
    cpu_s: float
    fps: float
    peak_rss_mb: float
    faces: int
    tracks: int | None = None
    embeddings: int | None = None
    template_life_p99_s: float | None = None


class Outcome(msgspec.Struct, frozen=True):
    """One run of one system."""

    events: tuple[Event, ...]
    summary: Summary


def write_outcome(outcome: Outcome, path: Path) -> None:
    """Write ``outcome`` to ``path`` as JSON."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(outcome)))


def read_outcome(path: Path) -> Outcome:
    """Read what :func:`write_outcome` or ``kerbside replay --json`` wrote.

    Raises:
        BenchError: no such file, or not this JSON; the text names the field.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Outcome)
    except OSError as error:
        raise BenchError(f"{path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise BenchError(f"{path}: {error}") from error
