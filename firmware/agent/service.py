"""The agent's process: the agent on the main thread, match's desk on another. Knows how they are put together.

Refuses to know what either does. A dead thread ends the process; its supervisor starts it again.
"""

from __future__ import annotations

import queue
import random
import signal
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from firmware.agent.conversation import Bulletin
from firmware.agent.desk import Desk
from firmware.agent.rooms import METADATA, Bench, open_agent
from firmware.agent.settings import AgentFile, read_root
from firmware.agent.words import bulletin_of
from firmware.handover import Ask, Report, Verdict
from firmware.log import Log
from ota.agent import Agent
from ota.target import UpdateError

START_ALL_ANEW = 4
STEP_EVERY_S = 1.0
_NOTHING = Bulletin(Report(floor=0, checked=0, fault="never-checked"))
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass
class Life:
    """Whether the process goes on, and what its end means."""

    log: Log
    over: threading.Event = field(default_factory=threading.Event)
    code: int = 0

    def end(self, code: int) -> None:
        """The first word counts."""
        if not self.over.is_set():
            self.code = code
            self.over.set()

    def end_on_dead_thread(self, death: threading.ExceptHookArgs) -> None:
        """For ``threading.excepthook``."""
        self.log.alarm("thread_died", error=f"{death.exc_type.__name__}: {death.exc_value}")
        self.end(1)

    def fail_start(self, sha256: str) -> None:
        """Software on trial was not healthy in this start."""
        self.log.alarm("software did not prove itself in this start", sha256=sha256)
        self.end(START_ALL_ANEW)


def serve(file: AgentFile, log: Log) -> int:
    """Run until a signal or a fault; returns the exit code.

    Raises:
        ConfigError: the TLS files or the root cannot be used.
    """
    life = Life(log)
    threading.excepthook = life.end_on_dead_thread
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: life.end(0))
    root = read_root(file.agent.root)
    try:
        desk = Desk(file.handover, _NOTHING, time.monotonic, log)
    except OSError as error:
        log.alarm("agent cannot run", error=f"{file.handover}: {error.strerror or error}")
        return 1
    bench = Bench(
        root=root,
        boot=_BOOT_ID.read_text("utf-8").strip(),
        chance=random.SystemRandom().random,
        monotonic=time.monotonic,
        healthy=lambda: desk.healthy,
        fail_start=life.fail_start,
        urgent=lambda: life.over.is_set() or not desk.inbox.empty(),
        log=log,
    )
    try:
        _work(open_agent(file.agent, bench), desk, life, file.agent.state / METADATA)
    except (UpdateError, OSError) as error:
        log.alarm("agent cannot run", error=str(error))
        life.end(1)
    log.info("agent_stopped", code=life.code)
    return life.code


def _work(agent: Agent, desk: Desk, life: Life, metadata: Path) -> None:
    threading.Thread(target=desk.run, args=(life.over,), name="desk", daemon=True).start()
    life.log.info("agent_started")
    while not life.over.is_set():
        agent.step()
        desk.post(bulletin_of(agent.standing(), metadata))
        hear(agent, desk.inbox, 0.0 if agent.busy else STEP_EVERY_S)


def hear(agent: Agent, inbox: queue.Queue[Ask | Verdict], wait_s: float) -> None:
    """Wait for match's word, and take in all that is there.

    Raises:
        UpdateError: ``disk``.
    """
    try:
        message: Ask | Verdict | None = inbox.get(timeout=wait_s)
        while message is not None:
            if isinstance(message, Ask):
                agent.ask()
            else:
                agent.answer(message.kind, message.sha256, message.answer, message.why)
            message = None if inbox.empty() else inbox.get_nowait()
    except queue.Empty:
        return
