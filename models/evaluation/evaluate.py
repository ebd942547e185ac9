"""Put an evaluation together: read, look, compare, search. Knows the order of the parts; computes nothing itself."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np

from models.evaluation.beyond import Further, Subject, look_further
from models.evaluation.cache import Cache
from models.evaluation.conditions import Conditions
from models.evaluation.corpus import Corpus
from models.evaluation.doubtful import Doubtful, doubtful
from models.evaluation.errata import Errata
from models.evaluation.faults import Fault, Kind, counted
from models.evaluation.groups import Groups, group_curves, regrouped
from models.evaluation.identification import identify
from models.evaluation.labelled import Labelled, labelled
from models.evaluation.peers import Task
from models.evaluation.report import Evaluation, Reading
from models.evaluation.tail import fit_tail
from models.evaluation.telling import tell_apart
from models.evaluation.templates import Measured, measure
from models.evaluation.verification import fmr_curve, verify
from models.plan import Progress
from models.vision import Vision

SEEDS = 10
_TAIL_SEED = 0


@dataclass(frozen=True)
class Asked:
    """What is computed beyond the usual.

    Attributes:
        seeds: draws of each list.
        fit_tail: extrapolates false match rates.
        strata: probes of falling quality, faces of falling size, the time of each stage.
        peers: other people's networks on the same files.
    """

    seeds: int = SEEDS
    fit_tail: bool = False
    strata: bool = False
    peers: bool = False


@dataclass(frozen=True)
class Findings:
    """An evaluation, and what only the keeper of the set may see.

    Attributes:
        evaluation: figures.
        faults: of the set, by name.
        doubtful: comparisons that point at wrong labels, under the labels that the evaluation is judged by.
        measured: what was seen.
    """

    evaluation: Evaluation
    faults: tuple[Fault, ...]
    doubtful: tuple[Doubtful, ...]
    measured: Measured


def evaluate(
    corpus: Corpus, vision: Vision, cache: Cache | None, asked: Asked, progress: Progress = lambda what, done, of: None
) -> Findings:
    """Measure a model on a set.

    Args:
        corpus: the set.
        vision: the model.
        cache: of this model's templates.
        asked: what is computed.
        progress: called with (what is being done, steps done, steps).

    Raises:
        EvaluationError: nothing can be compared.
        ModelError: as the networks say.
    """
    seen = measure(corpus.photos, vision, cache, progress)
    return judge(corpus, seen, vision, asked, progress)


def judge(
    corpus: Corpus, seen: Measured, vision: Vision, asked: Asked, progress: Progress = lambda what, done, of: None
) -> Findings:
    """As :func:`evaluate`, of photographs that were looked at already.

    Raises:
        EvaluationError: nothing can be compared.
    """
    as_they_are = under(Errata(), seen)
    faults = [*corpus.faults, *seen.faults, *_singles(as_they_are)]
    raw, doubts = _reading(as_they_are, corpus.groups, asked, faults, progress)
    raw = _with_pairs(raw, corpus, seen)
    reviewed = None
    if corpus.errata is not None:
        groups = None if corpus.groups is None else regrouped(corpus.groups, corpus.errata, faults.append)
        told = list[Fault]()
        reviewed, doubts = _reading(under(corpus.errata, seen), groups, asked, told, progress)
        known = {(fault.kind, fault.where) for fault in faults}
        faults += [fault for fault in told if (fault.kind, fault.where) not in known]
    evaluation = Evaluation(
        model=vision.digest,
        space=vision.embedder.space,
        runner=vision.runner,
        evaluation=corpus.digest,
        seeds=asked.seeds,
        files=len(corpus.photos),
        faults=counted(faults),
        raw=raw,
        reviewed=reviewed,
        same=len(corpus.errata.same) if corpus.errata else 0,
        dropped=len(corpus.errata.dropped) if corpus.errata else 0,
        conditions=_conditions(reviewed or raw, corpus, seen, vision, asked, progress),
    )
    return Findings(evaluation, tuple(faults), doubts, seen)


def _conditions(
    judged: Reading, corpus: Corpus, seen: Measured, vision: Vision, asked: Asked, progress: Progress
) -> Conditions:
    errata = corpus.errata or Errata()
    labels = errata.relabelled(corpus.photos)
    task = Task(labels, corpus.pairs, _absent(corpus), asked.seeds) if asked.peers else None
    subject = Subject.of(under(errata, seen), seen, judged)
    return look_further(subject, vision, Further(asked.strata, task), progress)


def under(errata: Errata, seen: Measured) -> Labelled:
    """What was seen, under the labels that errata leave."""
    labels = errata.relabelled(seen.photos)
    kept = np.array([photo in labels for photo in seen.photos], np.bool_)
    return labelled(labels.items(), seen.vectors[kept])


def _singles(one: Labelled) -> list[Fault]:
    return [Fault(Kind.SINGLE, name) for name, size in zip(one.names, one.sizes, strict=True) if size == 1]


def _reading(
    one: Labelled, groups: Groups | None, asked: Asked, faults: list[Fault], progress: Progress
) -> tuple[Reading, tuple[Doubtful, ...]]:
    progress("comparisons", 0, 1)
    verification, doubts = verify(one), doubtful(one)
    reading = Reading(
        images=len(one.photos),
        people=one.people,
        curve=fmr_curve(one),
        groups=() if groups is None else group_curves(one, groups, faults.append),
        ungrouped=0 if groups is None else sum(name not in groups for name in one.names),
        verification=verification,
        identification=identify(one, asked.seeds, lambda done, of: progress("searches", done, of)),
        doubtful=len(doubts),
        doubtful_people=len({name.split("/")[0] for pair in doubts for name in (pair.one, pair.other)}),
        tail=fit_tail(one, np.random.default_rng(_TAIL_SEED)) if asked.fit_tail else None,
    )
    return reading, doubts


def _with_pairs(raw: Reading, corpus: Corpus, seen: Measured) -> Reading:
    rows = {photo.name: row for row, photo in enumerate(seen.photos)}
    pairs = tell_apart(corpus.pairs, _absent(corpus), seen.vectors, rows)
    return msgspec.structs.replace(raw, verification=msgspec.structs.replace(raw.verification, pairs=pairs))


def _absent(corpus: Corpus) -> int:
    """Pairs that name a photograph that the set does not have."""
    return sum(fault.kind is Kind.ABSENT_PAIR for fault in corpus.faults)
