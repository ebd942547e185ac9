"""``python -m tests.match.lying_opening STATEMENT SOCKET``: answers as the opening process does, with one thing wrong.

Its list has three entries with portraits of one byte; STATEMENT changes what it says of it.
"""

from __future__ import annotations

import socket
import sys
import time

import msgspec
import numpy as np

from firmware import framing
from firmware.match.opened import Layout, Opened, Ready, Wanted
from firmware.match.secret_memory import SecretMemory, secret_memory
from tests.match.lists import a_head, entries, random_units


def main(statement: str, descriptor: int) -> None:
    """Say one key, hear one wish, and answer it."""
    facts: dict[str, object] = {
        "count": 3,
        "entries": entries(("entry-0", "entry-1", "entry-2")),
        "listed": lambda count: entries(tuple(f"entry-{number}" for number in range(count))),
        "more": entries(("entry-3",)),
        "ends": np.array([1, 2, 3]),
        "portraits": 3,
        "linger_s": 0,
    }
    exec(statement, {}, facts)  # noqa: S102  the tests' own words
    with socket.socket(fileno=descriptor) as peer:
        framing.send(peer, Ready("age1yven9q3e9v9c072wgm5kdezle9tds44apfhn99d97lhrs79l6v8s5chke0"))
        framing.receive(peer, msgspec.msgpack.Decoder(Wanted))
        socket.recv_fds(peer, 1, 1)
        memory, answer = lied(facts)
        framing.send(peer, answer)
        socket.send_fds(peer, [b"\0"], [memory.descriptor])
        time.sleep(msgspec.convert(facts["linger_s"], float))


def lied(facts: dict[str, object]) -> tuple[SecretMemory, Opened]:
    head = msgspec.msgpack.encode(a_head(facts["entries"]))  # type: ignore[arg-type]  # what the statement made of it
    count = msgspec.convert(facts["count"], int)
    layout = Layout(count, 128, len(head), count)
    memory = secret_memory(layout.size)
    layout.templates(memory)[:] = random_units(count)
    layout.ends(memory)[:] = np.asarray(facts["ends"], np.int64)
    layout.head(memory)[:] = np.frombuffer(head, np.uint8)
    said = msgspec.convert(facts["portraits"], int)
    return memory, Opened(kind=memory.kind, entries=count, dimension=128, head_bytes=len(head), portrait_bytes=said)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
