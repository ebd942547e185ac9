"""A match process's way in and out, without the part that looks: real outbox, seal, gate, orders and mailbox.

``python -m tests.match.desk FOLDER SOCKET COUNT PAUSE_S`` is such a process: it says COUNT possible matches, a line on
its output as soon as each is stored, and one when all is receipted; it carries out commands meanwhile.
"""

from __future__ import annotations

import contextlib
import secrets
import sys
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timezone
from io import StringIO
from pathlib import Path

import msgspec

from firmware.envelope import load_signer
from firmware.log import Log
from firmware.match.commands import Commands, Machinery
from firmware.match.gate import Gate
from firmware.match.mailbox import Desk, Mailbox
from firmware.match.orders import StandingOrders
from firmware.match.outbound import Outbound
from firmware.match.outbox import Outbox, Quota
from firmware.match.seal import Sealer
from firmware.match.threshold import Floors
from firmware.match.voice import Origin, Snapshot, Voice
from firmware.messages import Counters, MatchEvent, Mode, Versions
from firmware.policy.trust import load_policy
from tests.events import an_event
from tests.match.orders_given import VAN

DONE = "everything is receipted"
NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


class Bureau:
    """One boot of a van that looks at nothing.

    Args:
        folder: with the keys, for the state.
        uptime_s: monotonic seconds since its start.
        log: where its lines go.
        quota: of its outbox.
    """

    def __init__(
        self,
        folder: Path,
        uptime_s: Callable[[], float],
        log: Log | None = None,
        quota: Quota = Quota(200, 0),  # noqa: B008  frozen
    ) -> None:
        self.log = log or Log("match", StringIO())
        self.boot = secrets.token_hex(16)
        policy = load_policy(folder / "policy")
        versions = Versions(kerbside="0.0", model="m", watchlist="w", policy=policy.digest)
        origin = Origin(VAN, self.boot, versions, uptime_s, lambda: NOW, lambda: uuid.uuid4().hex)
        self.outbox = Outbox(folder / "state" / "outbox.db", quota, self.boot, self.log, time.monotonic)
        self.voice = Voice(origin, Sealer(load_signer(folder / "van.pem"), policy.recipients), self.outbox)
        self.orders = StandingOrders(folder / "state" / "orders.json", self.log, first_start=True)
        self.commands = Commands(self.orders, Machinery(uptime_s, self.outbox.end_deployment, lambda: False))
        self.gate = Gate(VAN, self.boot, policy, self.log, uptime_s)
        self.mailbox = Mailbox(
            Desk(self.voice, self.outbox, self.gate, self.snapshot, lambda: self.orders.mode), self.log
        )

    def say(self, crop_bytes: int = 2_000) -> str:
        """One possible match; stored when this returns."""

        def make(id_: str, sequence: int) -> MatchEvent:
            return msgspec.structs.replace(an_event(id_, sequence, crop_bytes), boot=self.boot)

        event = self.voice.possible_match(make)
        self.mailbox.nudge()
        return event.id

    def carry_out(self) -> None:
        while (order := self.mailbox.take_order()) is not None:
            self.mailbox.settle(order, self.commands.carry_out(order))

    def snapshot(self) -> Snapshot:
        mode: Mode = self.orders.mode
        return Snapshot(
            mode, walled=True, wall="", alarms=(), entries=3, floors=Floors(0.46), counters=Counters(), cameras={}
        )


def main(folder: Path, socket: Path, count: int, pause_s: float) -> None:
    started_s = time.monotonic()
    bureau = Bureau(folder, lambda: time.monotonic() - started_s, Log("match", sys.stderr))
    with contextlib.closing(bureau.outbox):
        outbound = Outbound(socket, bureau.boot, bureau.mailbox, bureau.log)
        outbound.start()
        for _ in range(count):
            sys.stdout.write(bureau.say() + "\n")
            sys.stdout.flush()
            bureau.carry_out()
            time.sleep(pause_s)
        while outbound.alive and bureau.outbox.count():
            bureau.carry_out()
            time.sleep(0.01)
        sys.stdout.write(f"{DONE}\n")
        sys.stdout.flush()
        while outbound.alive:
            bureau.carry_out()
            time.sleep(0.01)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
