"""The match process: cameras in, sealed messages out through one socket. Knows how the rooms are put together and when
to stop; refuses to know what any of them does.

Order matters: the wall stands before this is imported. A van that was stopped, purged or locked answers and looks at
nothing, also after a restart. A dead thread ends the process; its supervisor starts it again.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from board.board import Board
from board.camera import Frame
from firmware.envelope import load_signer
from firmware.log import Log
from firmware.match.arming import Arming
from firmware.match.decision import PossibleMatch
from firmware.match.looking import Look, Unarmed, enrolled, prepare
from firmware.match.networks import Networks, proven_networks
from firmware.match.office import Office, end_deployment, open_office
from firmware.match.pipeline import PipelineSettings
from firmware.match.release import Fit, terms
from firmware.match.report import event_of
from firmware.match.settings import MatchFile
from firmware.match.threshold import Terms
from firmware.match.wall import WALLED
from firmware.match.watchlist import Watchlist
from models.calibrated import shipped_calibration

START_ANEW = 3
"""Exit code: start this process again, at once."""
_DRAIN_S = 5.0
_POLL_S = 0.2


@dataclass(frozen=True)
class Site:
    """What this process was given."""

    file: MatchFile
    board: Board
    log: Log
    stop: threading.Event


def serve(file: MatchFile, board: Board, wall: str, log: Log, stop: threading.Event) -> int:
    """Look until every camera has ended or ``stop`` is set, and carry out commands; returns the exit code.

    Args:
        file: the configuration.
        board: opens the cameras.
        wall: what :func:`firmware.match.wall.raise_wall` achieved.
        log: the process's log.
        stop: ends the run.

    Raises:
        ModelError: a network is not here or not right.
        WatchlistError: no portrait is fit, or a van was given a folder of them.
        CalibrationError: nothing says how a host may use a folder of portraits with these networks.
        PolicyError, KeyFileError, DiskError: the van cannot speak, so it does not look.
    """
    sys.setswitchinterval(0.0005)
    (log.info if wall == WALLED else log.alarm)("wall", wall=wall)
    office = open_office(file, board, wall, log)
    with contextlib.closing(office.outbox):
        try:
            if not office.status.orders.wiped:
                _see(Site(file, board, log, stop), office)
            _attend(office, stop)
        finally:
            _leave(office, log)
        if office.outbox.in_memory_only:
            log.alarm("messages lost with this process", messages=office.outbox.in_memory_only)
            return 1
    return START_ANEW if office.commands.start_anew else 0


def _see(site: Site, office: Office) -> None:
    """With the list of a folder, or with one list after another as they are released."""
    networks = proven_networks(site.file.match, site.board, office.kept, site.log)
    office.voice.given(networks.vision.digest, "")
    if site.file.match.portraits is not None:
        _look_for_portraits(site, office, networks, site.file.match.portraits)
    elif office.arming is not None:
        _look_when_released(site, office, office.arming, networks)


def _look_for_portraits(site: Site, office: Office, networks: Networks, portraits: Path) -> None:
    calibrated = shipped_calibration(PipelineSettings().use(networks.vision))
    office.calibrate(calibrated)
    watchlist = enrolled(portraits, networks.vision, site.board, site.log)
    _look(site, office, networks, watchlist, terms(calibrated, len(watchlist)))


def _look_when_released(site: Site, office: Office, arming: Arming, networks: Networks) -> None:
    settings, vision = site.file.match, networks.vision
    signer = load_signer(settings.signing_key)
    use = PipelineSettings().use(vision)
    arming.fit = Fit(signer.public_key.keyid, use, vision.embedder.dimension, settings.max_entries)
    office.status.standing = (*site.board.alarms, *networks.alarms)
    while not (site.stop.is_set() or office.status.orders.wiped or office.commands.start_anew):
        office.commands.looking = office.commands.looking or Unarmed(vision, settings.threshold)
        _carry_out(office)
        if arming.armed is None:
            office.mailbox.wait(_POLL_S)
            continue
        office.outbox.begin_deployment()
        _look(site, office, networks, arming.armed.watchlist, arming.armed.terms)
        arming.wipe()
        end_deployment(office.outbox, site.log)
        office.voice.given(vision.digest, "")
    office.commands.looking = None


def _look(site: Site, office: Office, networks: Networks, watchlist: Watchlist, terms: Terms) -> None:
    """Until there is nothing left to see, or this van must not look."""
    settings = site.file.match
    floors = terms.floors(office.status.orders.threshold, settings.threshold)
    parts = prepare(settings, floors, site.board, networks, watchlist)
    look = Look(parts, office.status.may_look, site.log)
    office.voice.given(look.model_digest, look.watchlist_digest)
    office.status.look = office.commands.looking = look
    try:
        if not _is_proven(office, site.stop):
            return
        look.open_cameras(settings, site.board)
        with contextlib.closing(look.matches()) as matches:
            if _report(matches, office, site.stop, site.log):
                site.stop.set()
    finally:
        office.commands.looking = None
        look.close()


def _is_proven(office: Office, stop: threading.Event) -> bool:
    """Whether the self-test at the start passed, or one that was ordered since; no camera is opened before."""
    proven = office.commands.prove()
    while not proven:
        if _must_end(office, stop):
            return False
        _carry_out(office)
        office.mailbox.wait(_POLL_S)
        proven = not office.commands.fault
    return True


def _must_end(office: Office, stop: threading.Event) -> bool:
    return stop.is_set() or office.status.orders.wiped or office.commands.start_anew or office.has_lost_its_list


def _report(
    matches: Iterable[tuple[PossibleMatch, Frame] | None], office: Office, stop: threading.Event, log: Log
) -> bool:
    """Store what is decided, and between two frames obey; whether every camera has ended.

    All of a frame's possible matches are stored before anything else: what was decided is not lost to a stop.
    """
    for found in matches:
        if found is not None:
            event = office.voice.possible_match(event_of(*found, office.voice.origin, office.portrait(found[0])))
            office.mailbox.nudge()
            log.info("possible match", id=event.id, camera=event.camera, similarity=event.similarity)
            continue
        _carry_out(office)
        office.commands.go_on_testing()
        if _must_end(office, stop):
            return False
    return True


def _attend(office: Office, stop: threading.Event) -> None:
    """Look at nothing; answer until the van is released and starts anew."""
    while not stop.is_set() and not office.commands.start_anew:
        _carry_out(office)
        office.mailbox.wait(_POLL_S)


def _carry_out(office: Office) -> None:
    if not office.outbound.alive:
        raise RuntimeError("the outbound thread is dead")
    office.status.beat()
    office.status.orders.tend()
    if office.arming is not None:
        office.arming.tend()
    while (order := office.mailbox.take_order()) is not None:
        office.mailbox.settle(order, office.commands.carry_out(order))


def _leave(office: Office, log: Log) -> None:
    """What was ordered until now is done; what comes now finds nobody and is not answered."""
    try:
        _carry_out(office)
    finally:
        if office.arming is not None:
            office.arming.close()
    office.status.ended = True
    end_deployment(office.outbox, log)
    office.outbound.drain(_DRAIN_S)
    office.outbound.close()
    counters = office.mailbox.snapshot().counters
    log.info(
        "ended",
        frames=counters.frames,
        dropped=counters.dropped,
        faces=counters.faces,
        tracks=counters.tracks,
        embeddings=counters.embeddings,
        events=counters.alerts,
        templates_wiped=counters.templates_wiped,
        template_life_p99_s=counters.template_life_p99_s,
        waiting=counters.waiting,
    )
