"""What a van's configuration says about matching. Knows the keys and their limits; the threshold can only be raised."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from board.camera import CameraSpec
from firmware.match.outbox import Quota
from firmware.match.vigil import Vigilance
from ota.content import MAX_ENTRIES

USUAL_PX = (1280, 720)
"""What a camera sends that is asked for no size (jetson-utils: videoOptions)."""
_Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,64}\Z")]
_Source = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]+://.+\Z")]
_Side = Annotated[int, msgspec.Meta(ge=160, le=3840)]
_Fps = Annotated[float, msgspec.Meta(ge=1, le=120)]
_Threshold = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]


class CameraSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One ``[[match.cameras]]`` table: see :class:`board.camera.CameraSpec`."""

    name: _Name
    source: _Source
    size_px: tuple[_Side, _Side] | None = None
    fps: _Fps | None = None
    mounting: Literal["upright", "upside-down"] = "upright"

    @property
    def spec(self) -> CameraSpec:
        """For the board."""
        return CameraSpec(self.name, self.source, self.size_px, self.fps, self.mounting)


class MatchSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The ``[match]`` table. ``threshold`` is a cosine to ask for at least, on top of what the calibration asks for.

    ``signing_key`` is the van's own (Ed25519, PKCS#8 PEM), ``policy`` the folder of who may command it and read its
    events, ``state`` that of what outlives a restart: the outbox and the standing orders. ``outbox_*_mb`` are units of
    1,000,000 bytes.
    ``portraits`` is a folder of pictures to try things with on a host, in place of signed lists from ``handover``;
    ``root`` is the root metadata that came with the release: from it match proves who signed what is handed over.
    ``max_entries`` is the longest list that this van takes.
    ``self_test_min`` is from one self-test to the next, ``no_faces_min`` how long a camera may show no face before a
    person is told.
    ``prefilter`` names a network of jetson-inference that spares the detector empty frames; off when absent.
    """

    signing_key: Path
    policy: Path
    state: Path
    cameras: Annotated[tuple[CameraSettings, ...], msgspec.Meta(min_length=1, max_length=8)]
    portraits: Path | None = None
    root: Path | None = None
    threshold: _Threshold = 0.0
    prefilter: Literal["facedetect", "peoplenet"] | None = None
    max_entries: Annotated[int, msgspec.Meta(ge=1, le=MAX_ENTRIES)] = MAX_ENTRIES
    self_test_min: Annotated[float, msgspec.Meta(ge=1, le=60)] = 5
    no_faces_min: Annotated[float, msgspec.Meta(ge=1, le=1440)] = 10
    outbox_max_mb: Annotated[float, msgspec.Meta(gt=0, le=100_000)] = 256
    outbox_reserve_mb: Annotated[float, msgspec.Meta(ge=0, le=1_000)] = 16

    def __post_init__(self) -> None:
        """Refuse two cameras of one name.

        Raises:
            ValueError: names the camera.
        """
        names = [camera.name for camera in self.cameras]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"two cameras are called {min(twice)}")

    @property
    def sizes_px(self) -> tuple[tuple[int, int], ...]:
        """(width, height) of the pictures that the cameras will send."""
        return tuple(dict.fromkeys(camera.size_px or USUAL_PX for camera in self.cameras))

    @property
    def quota(self) -> Quota:
        """Of the outbox."""
        return Quota(self.outbox_max_mb, self.outbox_reserve_mb)

    @property
    def vigilance(self) -> Vigilance:
        """How the look is watched."""
        return Vigilance(self.sizes_px, self.self_test_min * 60, self.no_faces_min * 60)


class MatchFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole configuration file as ``match`` reads it; what is the other rooms' stays opaque.

    ``handover`` is the socket on which the update agent listens.
    """

    van: _Name
    socket: Path
    match: MatchSettings
    handover: Path | None = None
    link: object = None
    agent: object = None

    def __post_init__(self) -> None:
        """Refuse two sources of lists, and none.

        Raises:
            ValueError: names both keys.
        """
        one_source(self.match, self.handover)


def one_source(match: MatchSettings, handover: Path | None) -> None:
    """Refuse two sources of lists, none, and one whose signatures nobody could verify.

    Raises:
        ValueError: names the keys.
    """
    if (match.portraits is None) == (handover is None):
        which = "neither" if handover is None else "both"
        raise ValueError(f"a list comes from 'handover', or on a host from 'match.portraits'; here is {which}")
    if handover is not None and match.root is None:
        raise ValueError("'handover' needs 'match.root', the root metadata that came with the release")
