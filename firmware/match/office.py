"""What the match process speaks and listens with, whether or not it looks. Knows how these parts are put together;
refuses to know when they are used.
"""

from __future__ import annotations

import secrets
import time
import uuid
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

from board.board import Board
from board.clock import BUILD_FLOOR, Clock
from firmware.envelope import load_signer
from firmware.log import Log
from firmware.match.adoption import Adoption, Change
from firmware.match.agent_line import AgentLine
from firmware.match.arming import Arming, Supplies
from firmware.match.commands import Commands, Machinery, NoLists
from firmware.match.database import DiskError
from firmware.match.decision import PossibleMatch
from firmware.match.gate import Gate
from firmware.match.intake import Intake
from firmware.match.kept import Kept, KeptError
from firmware.match.mailbox import Desk, Mailbox
from firmware.match.networks import open_networks
from firmware.match.opener import Opener
from firmware.match.orders import StandingOrders
from firmware.match.outbound import Outbound
from firmware.match.outbox import Outbox
from firmware.match.proofs import Proofs
from firmware.match.release import Standing
from firmware.match.revocations import Revocations
from firmware.match.seal import Sealer
from firmware.match.secret_memory import best_kind
from firmware.match.settings import MatchFile, MatchSettings
from firmware.match.status import Status
from firmware.match.voice import Origin, Voice
from firmware.messages import Versions
from firmware.policy.trust import Policy, load_policy
from models.calibrated import Calibrated, Use
from models.calibration import CalibrationError
from ota.archive import digest
from ota.content import NO_END


@dataclass(frozen=True)
class Office:
    """What this process speaks and listens with, whether or not it looks.

    Attributes:
        status: how it is doing.
        outbox: holds what must not be lost.
        voice: says things.
        commands: carries out.
        mailbox, outbound: the way in and out.
        kept: what came over the air and is started with.
        arming: gets the list, where that is an update agent.
    """

    status: Status
    outbox: Outbox
    voice: Voice
    commands: Commands
    mailbox: Mailbox
    outbound: Outbound
    kept: Kept
    arming: Arming | None = None

    @property
    def has_lost_its_list(self) -> bool:
        """It came by a release, and its time is over, or it was withdrawn or revoked."""
        return self.arming is not None and self.arming.armed is None

    def calibrate(self, calibrated: Calibrated, until: int = NO_END) -> None:
        """Use lists on its terms, from the next arming on and ``until`` its end, in seconds since the epoch."""
        if self.arming is not None:
            self.arming.calibrate(calibrated, until)
        self.voice.bound_by(calibrated.digest)

    def portrait(self, match: PossibleMatch) -> bytes:
        """Of the entry, for the officer's comparison."""
        listed = None if self.arming is None else self.arming.watchlist
        return b"" if listed is None else listed.portrait(match.candidate.row)


def open_office(file: MatchFile, board: Board, wall: str, log: Log) -> Office:
    """Open all that speaks and listens, and begin to.

    Raises:
        PolicyError, KeyFileError, DiskError, KeptError: the van cannot speak.
    """
    settings, boot, started_s = file.match, secrets.token_hex(16), time.monotonic()
    kept = Kept(settings.state, digest)
    policy = load_policy(kept.policy_folder() or settings.policy)
    signer = load_signer(settings.signing_key)
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
    clock = Clock(time.time, BUILD_FLOOR, _ever_running_s)
    revocations = Revocations(
        settings.state / "revocations.json", log, clock, first_start=is_new, make_room=outbox.make_room
    )
    arming = None
    if file.handover is not None:
        proofs = Proofs(kept, _root(settings), signer.public_key.keyid)
        arming = _arming(file.handover, proofs, Standing(clock, orders, revocations), log)
    voice = Voice(origin, Sealer(signer, policy.recipients), outbox)
    commands = Commands(
        orders,
        Machinery(origin.uptime_s, lambda: end_deployment(outbox, log), board.request_reboot, arming or NoLists()),
    )
    status = Status(time.monotonic, wall, orders, outbox, commands)
    status.arming, status.configured = arming, settings.threshold
    gate = Gate(file.van, boot, policy, log, origin.uptime_s)
    mailbox = Mailbox(Desk(voice, outbox, gate, status.snapshot, lambda: orders.mode), log)
    outbound = Outbound(file.socket, boot, mailbox, log)
    office = Office(status, outbox, voice, commands, mailbox, outbound, kept, arming)
    if arming is not None:
        _take_in(office, arming, gate, file, board)
        _begin_calibrated(office, arming, log)
    office.outbound.start()
    return office


def _take_in(office: Office, arming: Arming, gate: Gate, file: MatchFile, board: Board) -> None:
    """Have models, calibrations and policies taken in that the update agent offers."""
    arming.wake(office.mailbox.nudge)

    def prove(folder: Path) -> None:
        open_networks(board, None, file.match.sizes_px, folder=folder)

    def swap(policy: Policy) -> None:
        gate.policy = policy
        office.voice.adopt(policy)

    def use() -> Use | None:
        return None if arming.fit is None else arming.fit.use

    change = Change(prove, lambda: arming.armed is not None, office.commands.begin_anew, swap, office.calibrate, use)
    adoption = Adoption(office.kept, change)
    arming.handlers.update({"model": adoption.model, "policy": adoption.policy, "calibration": adoption.calibration})


def _begin_calibrated(office: Office, arming: Arming, log: Log) -> None:
    """With what was kept. A damaged calibration is as none, and the agent will offer it again."""
    try:
        content = office.kept.calibration_content()
        if content:
            office.calibrate(Calibrated.read(content), office.kept.calibration_until)
    except (KeptError, CalibrationError) as error:
        office.kept.forget_calibration()
        arming.calibration_fault = f"no calibration: {error}"
        log.alarm("the calibration that was kept cannot be used; it is as if there was none", reason=str(error))


def _arming(socket: Path, proofs: Proofs, standing: Standing, log: Log) -> Arming:
    line = AgentLine(socket, log)
    line.start()
    intake = Intake(line, proofs, standing.clock, log)
    return Arming(Supplies(line, intake, Opener(_ever_running_s), standing, _ever_running_s), best_kind(), log)


def _root(settings: MatchSettings) -> bytes:
    if settings.root is None:
        raise KeptError("match.root: none")  # the configuration was refused before
    try:
        return settings.root.read_bytes()
    except OSError as error:
        raise KeptError(f"match.root: {settings.root}: {error.strerror}") from error


def _ever_running_s() -> float:
    """Monotonic seconds that go on while the machine sleeps: a list's time does too."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def end_deployment(outbox: Outbox, log: Log) -> None:
    """From now on what nobody receipts has its time limit."""
    try:
        outbox.end_deployment()
    except DiskError as error:
        log.alarm("the deployment's end is not written down", reason=str(error))
