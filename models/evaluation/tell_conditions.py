"""What is told of conditions: quality, size, time, other people's networks. Knows an evaluation; computes nothing."""

from __future__ import annotations

from models.evaluation.axes import linear, named, probit, upto
from models.evaluation.detector import DetectorReport
from models.evaluation.discard import DISCARDED, Characteristic, QualityReport
from models.evaluation.peer import PeerPoint, PeersReport
from models.evaluation.rounding import counted, in_words, plain, share, wanted
from models.evaluation.section import Plot, Section, Table
from models.evaluation.speed import SpeedReport
from models.evaluation.strata import PLAIN, StrataReport, Stratum
from models.evaluation.svg import Point, Series, bare
from models.evaluation.tell_recognition import DET_SHARES, MISSED_SHARES
from models.intervals import Rate

_BEST = 5
"""Measures that the plot shows; the table has them all."""
FEWEST_ERRORS = 30
"""With fewer, the order of measures is mostly chance."""
_SHARES = [0.2 * step for step in range(6)]


def strata(one: StrataReport) -> Section:
    """Probes of falling quality."""
    rows = tuple(
        (
            each.words,
            f"{each.probes:,}",
            f"{share(each.fta)}, {each.fta.events:,}",
            f"{share(each.fnmr)}, {counted(each.fnmr)}",
            f"{share(each.fmr)}, {counted(each.fmr)}",
            f"{share(each.tpir)}, {each.tpir.events:,}",
        )
        for each in one.strata
    )
    kinds = list(dict.fromkeys(each.kind for each in one.strata if each.kind != PLAIN))
    left_out = f" Left out: {'; '.join(one.left_out)}." if one.left_out else ""
    return Section(
        "Quality of the probe",
        f"One portrait of each of {one.entries:,} people is enrolled as it is; other photographs of them are made "
        "worse in one way, laid on a grey frame of 1280 x 720 and go the way of a camera's frame: detection on the "
        "frame, landmarks close up, alignment, two passes. Pose is the photograph's own. FTA (failure to acquire, "
        "ISO/IEC 19795-1): no face found. FNMR and FMR are of the others, at the threshold "
        f"{one.verification:.4f}; TPIR is of all, at {one.search:.4f}. Darkening adds no noise as a real sensor would, "
        f"and real pictures are worse in several ways at once.{left_out}",
        (Table(("probes", "number", "FTA", "FNMR", "FMR", "TPIR"), rows),),
        tuple(_stratum_plot(kind, [each for each in one.strata if each.kind in {PLAIN, kind}]) for kind in kinds),
    )


def detector(one: DetectorReport) -> Section:
    """Recall by width, and faces where none are."""
    widths = sorted({each.width_px for each in one.recalls})
    canvases = list(dict.fromkeys(each.canvas for each in one.recalls))
    series = tuple(
        Series(
            f"{canvas} canvas",
            tuple(_point(widths.index(r.width_px), r.recall) for r in one.recalls if r.canvas == canvas),
        )
        for canvas in canvases
    )
    return Section(
        "Faces found, by their width",
        "Photographs are scaled and laid anywhere on a frame of 1280 x 720. The truth is the detector's own box on the "
        "photograph at full size, so a face that it misses even there is in no figure here. Found: an intersection "
        "over union of a half at least.",
        (
            Table(
                ("width of the face, px", "canvas", "recall", "found"),
                tuple((f"{r.width_px}", r.canvas, share(r.recall), counted(r.recall)) for r in one.recalls),
            ),
            Table(
                ("pictures without a face", "canvas", "with a face found", "pictures", "faces found"),
                tuple(
                    (f.made, f.canvas, share(f.pictures), counted(f.pictures), f"{f.faces:,}") for f in one.false_faces
                ),
            ),
        ),
        (
            Plot(
                "Recall over the width of a face on the frame, with 95 % intervals",
                named("width of the face, px", [f"{width}" for width in widths]),
                linear("recall", _SHARES, "%"),
                series,
            ),
        ),
    )


def quality(one: QualityReport) -> Section:
    """Error-versus-discard characteristics."""
    rows = tuple(
        (each.measure, plain(each.area, each.low, each.high), *(share(point.fnmr) for point in each.points))
        for each in one.characteristics
    )
    highest = max(point.fnmr.high for each in one.characteristics for point in each.points)
    few = f" With {one.errors} errors the order says little." if one.errors < FEWEST_ERRORS else ""
    return Section(
        "Which figure of quality foretells errors",
        f"Error-versus-discard characteristic (ISO/IEC 29794-1) of {one.comparisons:,} mated comparisons of "
        f"{one.labels:,} people, {one.errors:,} of them below the threshold {one.threshold:.4f}. Those are discarded "
        "first whose worse photograph is worst by the figure. Area: 0 as if it knew the errors, 1 no better than "
        f"chance.{few} A figure that hardly varies in the set, such as size where all are cropped alike, can "
        "show nothing.",
        (Table(("figure", "area", *(f"FNMR, {100 * part:g} % discarded" for part in DISCARDED)), rows),),
        (
            Plot(
                "FNMR over the share of comparisons discarded",
                linear("discarded", DISCARDED, "%"),
                upto("FNMR", highest, "%"),
                tuple(_discards(each) for each in one.characteristics[:_BEST]),
            ),
        ),
    )


def speed(one: SpeedReport, runner: str) -> Section:
    """Time of each stage."""
    rows = tuple((each.stage, f"{each.runs}", f"{each.median_ms:.2f}", f"{each.p95_ms:.2f}") for each in one.stages)
    return Section(
        "Time of each stage",
        f"{runner}; one picture at a time, on the machine that ran the evaluation, with whatever else it had to do.",
        (Table(("stage", "runs", "median ms", "95th percentile ms"), rows),),
    )


def peers(one: PeersReport) -> Section:
    """Others on the same files."""
    rows = tuple(
        (
            each.name,
            f"{share(each.found)}, {counted(each.found)}",
            share(each.pairs),
            *(_marked(point) for point in each.points),
            *(in_words(point.tpir, point.low, point.high) for point in each.searches),
        )
        for each in one.peers
    )
    first = one.peers[0]
    columns = [f"FNMR at FMR {wanted(point.wanted)}" for point in first.points]
    columns += [f"TPIR at FPIR {wanted(point.wanted)}" for point in first.searches]
    absent = f" Not measured: {'; '.join(one.absent)}." if one.absent else ""
    searched = f" TPIR is of lists of {one.entries:,} entries with one portrait each." if one.entries else ""
    return Section(
        "Peers",
        "The same files, pairs, labels and measures; each takes the most prominent face that it finds, with its own "
        "defaults. Rates are of the photographs in which it found one; a given pair with a photograph without a face "
        f"counts as not the same.{searched}{absent}",
        (Table(("pipeline", "face found", "pairs told apart", *columns), rows),),
        (
            Plot(
                "Detection error trade-off of each pipeline",
                probit("FMR", DET_SHARES),
                probit("FNMR", MISSED_SHARES),
                tuple(Series(each.name, bare(each.det), dots=False) for each in one.peers),
            ),
        ),
    )


def _marked(point: PeerPoint) -> str:
    return "; ".join(part for part in (share(point.fnmr), point.mark) if part)


def _point(x: float, rate: Rate) -> Point:
    return Point(x, rate.rate, rate.low, rate.high)


def _stratum_plot(kind: str, shown: list[Stratum]) -> Plot:
    names = [each.kind if each.kind == PLAIN else f"{each.amount:g}" for each in shown]
    return Plot(
        f"TPIR and FTA by {kind}, with 95 % intervals",
        named(kind, names),
        linear("share of probes", _SHARES, "%"),
        (
            Series("TPIR", tuple(_point(place, each.tpir) for place, each in enumerate(shown))),
            Series("FTA: no face found", tuple(_point(place, each.fta) for place, each in enumerate(shown))),
        ),
    )


def _discards(one: Characteristic) -> Series:
    return Series(one.measure, tuple(_point(point.share, point.fnmr) for point in one.points))
