"""A van of the bench of lists: agent, link and match under their supervisor, and a console that orders it about.

Knows processes, orders and states; refuses to know how long anything may take, and what is on a list.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from firmware.bench import BenchError
from firmware.bench.fleet_broker import usage
from firmware.control import commands, orders
from firmware.control.commands import Wish
from firmware.control.exchange import Exchange
from firmware.control.room import Room
from firmware.demo_papers import VAN, Papers
from firmware.envelope import load_signer
from firmware.log import Log
from firmware.messages import State
from firmware.supervisor import Supervisor

PATIENCE_S = 60.0
_WATCH_EVERY_S = 0.005
_MODULES = {
    "firmware.agent": "agent",
    "firmware.link": "link",
    "firmware.match": "match",
    "firmware.match.opening": "opening",
}


@dataclass
class Peaks:
    """Most memory that this program's descendants were seen to hold, MB, by what they are."""

    mb: dict[str, float] = field(default_factory=dict)

    def watch(self, over: threading.Event) -> None:
        """Until ``over`` is set; one that lives shorter than a look takes may be missed."""
        while not over.wait(_WATCH_EVERY_S):
            for pid, name in _descendants().items():
                with contextlib.suppress(OSError, KeyError, ValueError):  # it has just ended
                    self.mb[name] = max(self.mb.get(name, 0.0), usage(pid).peak_mb)


def _descendants() -> dict[int, str]:
    """Process ids of the van below this one, and what each is."""
    found: dict[int, str] = {}
    left = [os.getpid()]
    while left:
        pid = left.pop()
        with contextlib.suppress(OSError):
            for thread in Path(f"/proc/{pid}/task").iterdir():
                left += map(int, (thread / "children").read_text("ascii").split())
            words = Path(f"/proc/{pid}/cmdline").read_text("utf-8").split("\0")
            name = next((_MODULES[word] for word in words[:4] if word in _MODULES), "")
            if name:
                found[pid] = name
    return found


class RunningVan:
    """The van and whoever orders it about, as long as both run.

    Args:
        papers: of the van and of the console.
        room: the console.
        exchange: of this van.
    """

    def __init__(self, papers: Papers, room: Room, exchange: Exchange) -> None:
        self._keys = papers.keys
        self._room = room
        self._exchange = exchange

    def wait_for(self, what: str, holds: Callable[[State], bool]) -> State:
        """The first state in which this holds.

        Raises:
            BenchError: none came in time.
        """
        give_up_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < give_up_s:
            state = self._exchange.hear_van(PATIENCE_S).state  # returns with the next message, or soon without one
            if state is not None and holds(state):
                return state
        raise BenchError(f"waited {PATIENCE_S:.0f} s in vain for {what}")

    def order(self, wish: Wish, *holders: str) -> float:
        """Have the van carry it out; the seconds from its sending until its answer.

        Raises:
            BenchError: it did not.
            NoAnswer, Unavailable: nothing was heard of it.
        """
        sight = self._exchange.hear_van(PATIENCE_S)
        command = orders.compose(wish, sight, self._room, secrets.token_hex(16))
        ready = commands.sign(command, [load_signer(self._keys / f"{holder}.pem") for holder in holders])
        order = orders.explain(ready, sight, self._room)
        begun_s = time.perf_counter()
        answer = self._exchange.send(command, ready, order.topic_class, PATIENCE_S)
        if answer.outcome != "done":
            raise BenchError(f"{wish.cmd}: {answer.outcome} {answer.why}")
        return time.perf_counter() - begun_s


@contextlib.contextmanager
def running(papers: Papers, room: Room, folder: Path, peaks: Peaks) -> Iterator[RunningVan]:
    """A van that has just been started; what its processes say goes to files in ``folder``."""
    over = threading.Event()
    with (folder / "log.jsonl").open("ab") as output, (folder / "run.jsonl").open("a") as own:
        supervisor = Supervisor(papers.van, Log("run", own), output, agent=True)
        threads = [
            threading.Thread(target=supervisor.run, args=(over,), name="appliance"),
            threading.Thread(target=peaks.watch, args=(over,), name="peaks"),
        ]
        for thread in threads:
            thread.start()
        try:
            with room.exchange(VAN) as exchange:
                yield RunningVan(papers, room, exchange)
        finally:
            over.set()
            for thread in threads:
                thread.join()
