"""The match process: cameras in, sealed messages out through one socket. Knows how the rooms are put together and when
to stop; refuses to know what any of them does.

Order matters: the wall stands before this is imported. A van that was stopped, purged or locked answers and looks at
nothing, also after a restart. A dead thread ends the process; its supervisor starts it again.
"""

from __future__ import annotations

import contextlib
import secrets
import sys
import threading
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version

from board.board import Board
from board.camera import Frame
from firmware.envelope import load_signer
from firmware.log import Log
from firmware.match.commands import Commands, Machinery
from firmware.match.database import DiskError
from firmware.match.decision import PossibleMatch
from firmware.match.gate import Gate
from firmware.match.looking import Look, prepare
from firmware.match.mailbox import Desk, Mailbox
from firmware.match.orders import StandingOrders
from firmware.match.outbound import Outbound
from firmware.match.outbox import Outbox
from firmware.match.report import event_of
from firmware.match.seal import Sealer
from firmware.match.settings import MatchFile
from firmware.match.status import Status
from firmware.match.voice import Origin, Voice
from firmware.match.wall import WALLED
from firmware.messages import Versions
from firmware.policy.trust import load_policy

START_ANEW = 3
"""Exit code: start this process again, at once."""
_DRAIN_S = 5.0
_POLL_S = 0.2


@dataclass(frozen=True)
class Office:
    """What this process speaks and listens with, whether or not it looks.

    Attributes:
        status: how it is doing.
        outbox: holds what must not be lost.
        voice: says things.
        commands: carries out.
        mailbox, outbound: the way in and out.
    """

    status: Status
    outbox: Outbox
    voice: Voice
    commands: Commands
    mailbox: Mailbox
    outbound: Outbound


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
        WatchlistError: no portrait is fit.
        PolicyError, KeyFileError, DiskError: the van cannot speak, so it does not look.
    """
    sys.setswitchinterval(0.0005)
    (log.info if wall == WALLED else log.alarm)("wall", wall=wall)
    office = _open(file, board, wall, log)
    with contextlib.closing(office.outbox):
        try:
            if not office.status.orders.wiped:
                _look(file, board, office, stop, log)
            _attend(office, stop)
        finally:
            _leave(office, log)
        if office.outbox.in_memory_only:
            log.alarm("messages lost with this process", messages=office.outbox.in_memory_only)
            return 1
    return START_ANEW if office.commands.start_anew else 0


def _open(file: MatchFile, board: Board, wall: str, log: Log) -> Office:
    settings, boot, started_s = file.match, secrets.token_hex(16), time.monotonic()
    policy = load_policy(settings.policy)
    sealer = Sealer(load_signer(settings.signing_key), policy.recipients)
    is_new = not (settings.state / "outbox.db").exists()
    outbox = Outbox(settings.state / "outbox.db", settings.quota, boot, log, time.monotonic)
    orders = StandingOrders(settings.state / "orders.json", log, first_start=is_new, make_room=outbox.make_room)
    origin = Origin(
        van=file.van,
        boot=boot,
        versions=Versions(kerbside=version("kerbside"), model="", watchlist="", policy=policy.digest),
        uptime_s=lambda: time.monotonic() - started_s,
        now=lambda: datetime.now(timezone.utc),
        new_id=lambda: uuid.uuid4().hex,
    )

    voice = Voice(origin, sealer, outbox)
    commands = Commands(orders, Machinery(origin.uptime_s, lambda: _end_deployment(outbox, log), board.request_reboot))
    status = Status(time.monotonic, wall, orders, outbox, commands)
    gate = Gate(file.van, boot, policy, log, origin.uptime_s)
    mailbox = Mailbox(Desk(voice, outbox, gate, status.snapshot, lambda: orders.mode), log)
    office = Office(status, outbox, voice, commands, mailbox, Outbound(file.socket, boot, mailbox, log))
    office.outbound.start()
    return office


def _end_deployment(outbox: Outbox, log: Log) -> None:
    """From now on what nobody receipts has its time limit."""
    try:
        outbox.end_deployment()
    except DiskError as error:
        log.alarm("the deployment's end is not written down", reason=str(error))


def _look(file: MatchFile, board: Board, office: Office, stop: threading.Event, log: Log) -> None:
    """Until there is nothing left to see, or this van must not look."""
    look = Look(prepare(file.match, office.status.orders.threshold, board, log), office.status.may_look, log)
    office.voice.given(look.model_digest, look.watchlist_digest)
    office.status.look = office.commands.looking = look
    try:
        look.open_cameras(file.match, board)
        with contextlib.closing(look.matches()) as matches:
            if _report(matches, office, stop, log):
                stop.set()
    finally:
        office.commands.looking = None
        look.close()


def _report(
    matches: Iterable[tuple[PossibleMatch, Frame] | None], office: Office, stop: threading.Event, log: Log
) -> bool:
    """Store what is decided, and between two frames obey; whether every camera has ended.

    All of a frame's possible matches are stored before anything else: what was decided is not lost to a stop.
    """
    for found in matches:
        if found is not None:
            event = office.voice.possible_match(event_of(*found, office.voice.origin))
            office.mailbox.nudge()
            log.info("possible match", id=event.id, camera=event.camera, similarity=event.similarity)
            continue
        _carry_out(office)
        if stop.is_set() or office.status.orders.wiped or office.commands.start_anew:
            return False
    return True


def _attend(office: Office, stop: threading.Event) -> None:
    """Look at nothing; answer until the van is released and starts anew."""
    while not stop.is_set() and not office.commands.start_anew:
        _carry_out(office)
        with office.mailbox.changed:
            office.mailbox.changed.wait(_POLL_S)


def _carry_out(office: Office) -> None:
    if not office.outbound.alive:
        raise RuntimeError("the outbound thread is dead")
    office.status.beat()
    office.status.orders.tend()
    while (order := office.mailbox.take_order()) is not None:
        office.mailbox.settle(order, office.commands.carry_out(order))


def _leave(office: Office, log: Log) -> None:
    """What was ordered until now is done; what comes now finds nobody and is not answered."""
    _carry_out(office)
    office.status.ended = True
    _end_deployment(office.outbox, log)
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
