"""The wire from a decision to the control room's receipt: real outbox, seal, gate, link, broker and receipt daemon.

Knows which parts run and what is timed; refuses to know what any of them does. The van looks at nothing: its events are
made up, and everything after the decision is what a van runs. Plain TCP on loopback; three processes beside this one.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from firmware.bench import BenchError
from firmware.bench.fleet_broker import Mosquitto, usage
from firmware.bench.fleet_papers import Advance
from firmware.bench.wire_report import Flow, RoundTrip, WireReport
from firmware.control.keys import NewKeys, make_keys
from firmware.envelope import load_signer
from firmware.log import Log
from firmware.match.gate import Gate
from firmware.match.mailbox import Desk, Mailbox
from firmware.match.outbound import Outbound
from firmware.match.outbox import Outbox, Quota
from firmware.match.seal import Sealer
from firmware.match.threshold import Floors
from firmware.match.voice import Origin, Snapshot, Voice
from firmware.memory import peak_rss_mb
from firmware.messages import Counters, MatchEvent, Versions
from firmware.policy.trust import load_policy

VAN = "bench-van"
CROP_BYTES = 6_000
"""More than twice the demo's."""
_NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
_PATIENCE_S = 120.0
_SEALED = 500
_ROUND_TRIPS = 200
_DIGEST = "9c" * 32


@dataclass(frozen=True)
class WireSpec:
    """How many events go through while everything is connected, and how many are queued before anything is."""

    events: int = 5_000
    queued: int = 20_000


def run_wire(spec: WireSpec, advance: Advance) -> WireReport:
    """Seal alone; one event at a time; as fast as it can; and a long queue.

    Raises:
        BenchError: a part is not installed, or did not come up, or something was lost.
        OSError: the folder cannot be written.
    """
    with TemporaryDirectory(prefix="kerbside-wire-") as name, contextlib.ExitStack() as ends:
        folder = Path(name)
        broker = Mosquitto(folder, autosave_s=10)
        broker.start()
        ends.callback(broker.stop)
        _wait(broker.listens, "the broker")
        van = _Van(folder, _write_papers(folder, broker.port))
        ends.callback(van.close)
        sealed = van.seal(_SEALED)
        room = ends.enter_context(_process(folder, "firmware.control.cli", "receipt", "--config", f"{folder}/ctl.toml"))
        with _process(folder, "firmware.link", f"{folder}/van.toml"):
            van.outbound.start()
            _wait(lambda: van.mailbox.connected, "the broker's answer")
            round_trip = van.round_trips(_ROUND_TRIPS, advance)
            flow = van.flow(spec.events, advance)
        _wait(lambda: not van.mailbox.connected, "the link's end")
        van.queue(spec.queued, advance)
        begun_s = time.perf_counter()
        with _process(folder, "firmware.link", f"{folder}/van.toml") as link:
            drain = van.drain(spec.queued, begun_s, advance)
            peaks = {
                "link": usage(link).peak_mb,
                "receipt daemon": usage(room).peak_mb,
                "broker": broker.usage().peak_mb,
            }
        return WireReport(sealed, round_trip, flow, drain, {"van": peak_rss_mb(), **peaks}, van.lost)


class _Van:
    """A van's way out, without eyes."""

    def __init__(self, folder: Path, van: NewKeys) -> None:
        log = Log("bench", StringIO())
        boot, begun_s = secrets.token_hex(16), time.monotonic()
        policy = load_policy(folder)
        versions = Versions(kerbside="bench", model=_DIGEST, watchlist=_DIGEST, policy=policy.digest)
        origin = Origin(VAN, boot, versions, lambda: time.monotonic() - begun_s, lambda: _NOW, lambda: uuid.uuid4().hex)
        self._crop = secrets.token_bytes(CROP_BYTES)
        self._sealer = Sealer(load_signer(van.key), policy.recipients)
        self._outbox = Outbox(folder / "outbox.db", Quota(2_000, 0), boot, log, time.monotonic)
        self._voice = Voice(origin, self._sealer, self._outbox)
        gate = Gate(VAN, boot, policy, log, origin.uptime_s)
        self.mailbox = Mailbox(Desk(self._voice, self._outbox, gate, _calm, lambda: "seeing"), log)
        self.outbound = Outbound(folder / "link.sock", boot, self.mailbox, log)
        self._said = 0

    @property
    def lost(self) -> int:
        """Events that were said and neither wait nor were receipted."""
        return self._said - self._outbox.count() - self.mailbox.snapshot().counters.receipted

    def seal(self, count: int) -> float:
        """Milliseconds for one event, median."""
        times_s = []
        for number in range(count):
            begun_s = time.perf_counter()
            self._sealer.match(self._event(uuid.uuid4().hex, number))
            times_s.append(time.perf_counter() - begun_s)
        return 1e3 * statistics.median(times_s)

    def round_trips(self, count: int, advance: Advance) -> RoundTrip:
        """One event at a time, from the decision until its receipt was checked and its row deleted."""
        times_s = []
        for number in range(count):
            begun_s = time.perf_counter()
            self._say()
            self._wait_until_empty()
            times_s.append(time.perf_counter() - begun_s)
            advance("one at a time", number + 1, count)
        p50, p95 = statistics.median(times_s), statistics.quantiles(times_s, n=20)[-1]
        return RoundTrip(count, 1e3 * p50, 1e3 * p95)

    def flow(self, count: int, advance: Advance) -> Flow:
        """As fast as events can be sealed and stored, until the last receipt."""
        begun_s = time.perf_counter()
        self.queue(count, advance)
        return self.drain(count, begun_s, advance)

    def queue(self, count: int, advance: Advance) -> None:
        """Say that many; each is on disk before the next."""
        for number in range(count):
            self._say()
            if number % 100 == 99:
                advance("sealed and stored", number + 1, count)

    def drain(self, count: int, begun_s: float, advance: Advance) -> Flow:
        """Until all that waits is receipted."""
        give_up_s = time.monotonic() + _PATIENCE_S
        while waiting := self._outbox.count():
            if time.monotonic() > give_up_s:
                raise BenchError(f"{waiting} events were not receipted within {_PATIENCE_S:.0f} s")
            advance("receipted", count - waiting, count)
            time.sleep(0.02)
        wall_s = time.perf_counter() - begun_s
        return Flow(count, wall_s, count / wall_s)

    def close(self) -> None:
        """End."""
        self.outbound.close()
        self._outbox.close()

    def _say(self) -> None:
        self._voice.possible_match(self._event)
        self._said += 1
        self.mailbox.nudge()

    def _wait_until_empty(self) -> None:
        with self.mailbox.changed:
            if not self.mailbox.changed.wait_for(lambda: not self._outbox.count(), _PATIENCE_S):
                raise BenchError(f"no receipt within {_PATIENCE_S:.0f} s")

    def _event(self, id_: str, sequence: int) -> MatchEvent:
        return MatchEvent(
            id=id_,
            van=VAN,
            boot=self._voice.origin.boot,
            sequence=sequence,
            camera="front",
            entry="entry-1",
            category="bench",
            similarity=0.6,
            threshold=0.5,
            margin=0.2,
            observations=3,
            first_t_ns=1,
            decided_t_ns=2,
            decided_utc=_NOW.isoformat(),
            expires_at=_NOW.isoformat(),
            clock_trusted=False,
            watchlist_digest=_DIGEST,
            model_digest=_DIGEST,
            crop_jpeg=self._crop,
        )


def _calm() -> Snapshot:
    return Snapshot("seeing", True, "bench", (), 1, Floors(0.46), Counters(), {})  # noqa: FBT003


def _write_papers(folder: Path, port: int) -> NewKeys:
    """Keys, the policy, and the configurations of link and of the receipt daemon; returns the van's keys."""
    van, room = make_keys(folder, "van", age=False), make_keys(folder, "room", age=True)
    holder = {"holder": "room", "roles": ["control-room", "operator"], "public": room.public}
    (folder / "keys.json").write_text(
        json.dumps({"v": 1, "holders": [holder], "recipients": [room.recipient]}), "utf-8"
    )
    (folder / "van.toml").write_text(
        f'van = "{VAN}"\nsocket = "{folder}/link.sock"\n[match]\n[link]\nbroker_port = {port}\n', "utf-8"
    )
    (folder / "ctl.toml").write_text(
        f"""reading_keys = ["{folder}/room.age"]
[vans]
{VAN} = "{van.public}"
[broker]
port = {port}
[receipt]
key = "{folder}/room.pem"
store = "{folder}/inbox.db"
""",
        "utf-8",
    )
    return van


@contextlib.contextmanager
def _process(folder: Path, module: str, *arguments: str) -> Iterator[int]:
    """``python -m MODULE``, with its output in a file; gives its process id."""
    with (folder / f"{module}.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", module, *arguments], stdout=log, stderr=log)
    try:
        yield process.pid
        if process.poll() is not None:
            raise BenchError(f"{module} ended by itself: {(folder / f'{module}.log').read_text('utf-8')[-500:]}")
    finally:
        process.terminate()
        process.wait()


def _wait(condition: Callable[[], bool], what: str) -> None:
    give_up_s = time.monotonic() + _PATIENCE_S
    while not condition():
        if time.monotonic() > give_up_s:
            raise BenchError(f"waited {_PATIENCE_S:.0f} s in vain for {what}")
        time.sleep(0.02)
