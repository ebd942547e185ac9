"""How recognition falls with the quality of the probe, way by way. Knows templates and rates; draws no conclusion.

The enrolled portraits stay as they are. Each probe is made worse in one way (:mod:`models.evaluation.degrade`), laid on
a frame, and goes the way of a frame; pose is the photograph's own. FNMR is of the comparisons that were made, as
ISO/IEC 19795-1 has it; faces that were not found are counted beside it (failure to acquire), and in TPIR they are lost.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from models.evaluation.degrade import Degradation, degradations
from models.evaluation.frame import Shown, Way, fitting, laid
from models.faces import F32
from models.intervals import Counts, Rate, clustered
from models.plan import Progress
from models.quality import pose

ENTRIES = 500
"""Portraits on the list that is searched."""
PROBES = 600
"""Photographs that are degraded."""
MIN_PROBES = 30
"""A stratum of fewer is left out, and said."""
YAWS_DEG = (0, 10, 20, 30, 45, 90)
"""Borders of the bins of pose."""
PLAIN, POSE = "as it is", "pose"
Index = npt.NDArray[np.intp]


class Stratum(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Probes of one quality.

    Attributes:
        kind: how they are worse.
        amount: by how much; of pose the lower border of the bin.
        words: kind and amount with its unit.
        probes: photographs.
        fta: failure to acquire: probes whose face was not found again.
        fnmr: false non-match rate of the others at the threshold of verification; none where none was found.
        fmr: false match rate of the same probes with the other entries, at the same threshold.
        tpir: probes, found or not, whose own entry came first and reached the threshold of search.
    """

    kind: str
    amount: float
    words: str
    probes: int
    fta: Rate
    fnmr: Rate | None
    fmr: Rate | None
    tpir: Rate


class StrataReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All strata.

    Attributes:
        entries: portraits on the list, one a label.
        verification: threshold for FNMR and FMR.
        search: threshold for TPIR.
        strata: the undegraded first.
        left_out: strata with too few probes, in words.
    """

    entries: int
    verification: float
    search: float
    strata: tuple[Stratum, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Thresholds:
    """At which similarities are judged: single comparisons, and searches of the whole list."""

    verification: float
    search: float


@dataclass(frozen=True)
class Sample:
    """What is searched for in what.

    Attributes:
        entries: (entries) images that are enrolled, one a label.
        probes: (n) other images of these labels.
        own: (n) place of each probe's own entry.
    """

    entries: Index
    probes: Index
    own: Index


@dataclass(frozen=True)
class Images:
    """The images of a set.

    Attributes:
        labels: (images).
        vectors: (images, d) templates, both passes.
        read: gives an image, from its number.
    """

    labels: npt.NDArray[np.int64]
    vectors: F32
    read: Callable[[int], Shown]


def draw(labels: npt.NDArray[np.int64], rng: np.random.Generator, entries: int = ENTRIES) -> Sample:
    """Enrol one image a label, of labels with more than one while there are any; the others of theirs are probes.

    Raises:
        ValueError: no label has two images.
    """
    order = rng.permutation(len(labels))
    grouped = order[np.argsort(labels[order], kind="stable")]
    groups = np.split(grouped, np.flatnonzero(np.diff(labels[grouped])) + 1)
    shuffled = [groups[place] for place in rng.permutation(len(groups))]
    chosen = sorted(shuffled, key=lambda images: len(images) < 2)[:entries]
    own = np.concatenate([np.full(len(images) - 1, place) for place, images in enumerate(chosen)])
    if not len(own):
        raise ValueError("no label has two images, so there is no mated probe")
    mixed = rng.permutation(len(own))
    others = np.concatenate([images[1:] for images in chosen])
    return Sample(np.array([images[0] for images in chosen]), others[mixed], own[mixed].astype(np.intp))


def measure(
    photos: Images,
    sample: Sample,
    way: Way,
    thresholds: Thresholds,
    progress: Progress = lambda what, done, of: None,
) -> StrataReport:
    """Measure every stratum: the undegraded and the poses with all probes, the others with :data:`PROBES` of them.

    Args:
        photos: of the set.
        sample: as drawn.
        way: of a frame through the networks.
        thresholds: that the rates are at.
        progress: called with ("probes of falling quality", done, all).

    Raises:
        ModelError: as the networks say.
    """
    ways = list(degradations())
    seen = _look(photos, sample, way, ways, progress)
    judge = _Judge(photos.vectors[sample.entries], sample.own, thresholds)
    strata = [judge.stratum(PLAIN, 0, PLAIN, seen.asked[:, 0], seen.templates[:, 0])]
    strata += [
        judge.stratum(POSE, low, f"yaw of {low} to {high} degrees", seen.turned(low, high), seen.templates[:, 0])
        for low, high in itertools.pairwise(YAWS_DEG)
    ]
    strata += [
        judge.stratum(one.kind.name, one.amount, _words(one), seen.asked[:, place], seen.templates[:, place])
        for place, one in enumerate(ways, 1)
    ]
    return StrataReport(
        entries=len(sample.entries),
        verification=thresholds.verification,
        search=thresholds.search,
        strata=tuple(one for one in strata if isinstance(one, Stratum)),
        left_out=tuple(one for one in strata if isinstance(one, str)),
    )


@dataclass(frozen=True)
class _Seen:
    """What became of n probes, as they are and in each way.

    Attributes:
        asked: (n, 1 + ways) whether the probe was made so.
        templates: (n, 1 + ways, d) f32, NaN where no face was found.
        yaws_deg: (n), to either side.
    """

    asked: npt.NDArray[np.bool_]
    templates: F32
    yaws_deg: npt.NDArray[np.float64]

    def turned(self, low: float, high: float) -> npt.NDArray[np.bool_]:
        """The probes whose yaw lies in between."""
        return (self.yaws_deg >= low) & (self.yaws_deg < high)


def _look(photos: Images, sample: Sample, way: Way, ways: list[Degradation], progress: Progress) -> _Seen:
    count = len(sample.probes)
    templates = np.full((count, 1 + len(ways), photos.vectors.shape[1]), np.nan, np.float32)
    seen = _Seen(np.zeros(templates.shape[:2], bool), templates, np.zeros(count))
    for row, image in enumerate(sample.probes):
        progress("probes of falling quality", row, count)
        photo = fitting(photos.read(int(image)))
        seen.yaws_deg[row] = abs(pose(photo.face.landmarks[0]).yaw_deg)
        versions = [photo, *(worse(photo) for worse in (ways if row < PROBES else []))]
        seen.asked[row, : len(versions)] = [version is not None for version in versions]
        for place, template in _templates(versions, way):
            templates[row, place] = template
    progress("probes of falling quality", count, count)
    return seen


def _templates(versions: list[Shown | None], way: Way) -> Iterator[tuple[int, F32]]:
    """The template of each version whose face is found; one core detects while the other embeds."""
    with ThreadPoolExecutor(1) as ahead:
        found = ahead.map(lambda version: version and way.find(laid(version)), versions)
        for place, frame in enumerate(found):
            if frame is not None:
                yield place, way.template(frame)


@dataclass(frozen=True)
class _Judge:
    """What probes are judged by: ``entries`` (N, d), ``own`` (n) the place of each probe's entry, and thresholds."""

    entries: F32
    own: Index
    thresholds: Thresholds

    def stratum(self, kind: str, amount: float, words: str, asked: npt.NDArray[np.bool_], looked: F32) -> Stratum | str:
        """Of the probes in ``asked`` (n) with templates ``looked`` (n, d), NaN where no face was found."""
        if asked.sum() < MIN_PROBES:
            return f"{words}: {asked.sum()} probes, at least {MIN_PROBES} are measured"
        own = self.own[asked]
        found = ~np.isnan(looked[asked, 0])
        similarities = np.where(found[:, None], np.nan_to_num(looked[asked]) @ self.entries.T, -1)
        rows = np.arange(len(own))
        mate = similarities[rows, own]
        first = similarities.argmax(1) == own
        similarities[rows, own] = -1
        false = (similarities >= self.thresholds.verification).sum(1)
        return Stratum(
            kind=kind,
            amount=amount,
            words=words,
            probes=len(own),
            fta=self._rate(own, ~found),
            fnmr=self._of_found(own, found, mate < self.thresholds.verification, 1),
            fmr=self._of_found(own, found, false, len(self.entries) - 1),
            tpir=self._rate(own, first & (mate >= self.thresholds.search)),
        )

    def _of_found(self, own: Index, found: npt.NDArray[np.bool_], events: npt.ArrayLike, trials: int) -> Rate | None:
        """None where no face was found."""
        return self._rate(own[found], np.asarray(events)[found], trials) if found.any() and trials else None

    def _rate(self, own: Index, events: npt.ArrayLike, trials: int = 1) -> Rate:
        """Of trials that come in clusters: each label's."""
        count = len(self.entries)
        sums: Counts = np.bincount(own, np.asarray(events, np.float64), count).astype(np.int64)
        return clustered(sums, np.bincount(own, minlength=count).astype(np.int64) * trials)


def _words(one: Degradation) -> str:
    return f"{one.kind.name} {one.amount:g} {one.kind.unit}"
