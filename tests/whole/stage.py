"""The whole way as it is deployed: a van's two sides, Mosquitto with the shipped rights and TLS, the receipt daemon.

The van looks at nothing (``tests.match.desk``): what it says is made up, all else is real and in processes of its own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from firmware.envelope import public_hex
from tests.broker.mosquitto import Mosquitto
from tests.keyring import KEYRING
from tests.link.stage import VAN, wait_until
from tests.match.desk import DONE
from tests.source import BARE_PATH, ROOT


class Child:
    """A process that is started again and again; its whole output lines are kept over its lives."""

    def __init__(self, *arguments: str, errors: Path) -> None:
        self.lines: list[str] = []
        self._arguments = arguments
        self._errors = errors
        self._popen: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def start(self) -> None:
        with self._errors.open("a") as errors:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", *self._arguments],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": BARE_PATH},
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._reader = threading.Thread(target=self._read, args=(self._popen,))
        self._reader.start()

    def kill(self, number: int = signal.SIGKILL) -> int:
        assert self._popen is not None
        assert self._reader is not None
        assert self._popen.poll() is None, self._errors.read_text()
        self._popen.send_signal(number)
        code = self._popen.wait(60)
        self._reader.join()
        return code

    def _read(self, popen: subprocess.Popen[str]) -> None:
        assert popen.stdout is not None
        with popen.stdout:
            for line in popen.stdout:  # as they come; one that a kill cut in the middle was not said
                self.lines += [line.strip()] * line.endswith("\n")


class Deployment:
    """One van, one broker, one control room.

    Args:
        folder: for all their files.
        say: how many possible matches the van says in each of its lives, and how many seconds apart.
    """

    def __init__(self, folder: Path, say: tuple[int, float]) -> None:
        self.folder = folder
        self.keys = KEYRING.write(folder / "van")
        (folder / "broker").mkdir()
        self.broker = Mosquitto(folder / "broker")
        self.socket = folder / "wall" / "link.sock"
        count, pause_s = say
        self.match = Child(
            "tests.match.desk", str(self.keys), str(self.socket), str(count), str(pause_s), errors=folder / "match.log"
        )
        self.link = Child("firmware.link", str(self._write_van()), errors=folder / "link.err")
        self.room = Child(
            "firmware.control.cli", "receipt", "--config", str(self._write_ctl()), errors=folder / "room.err"
        )

    @property
    def children(self) -> tuple[Child, Child, Child]:
        return (self.link, self.match, self.room)

    @property
    def said(self) -> list[str]:
        """The ids of what the van has said: a line comes when it is stored."""
        return [line for line in list(self.match.lines) if line != DONE]

    def in_outbox(self) -> set[str]:
        """Read while the van is dead."""
        return {id_ for (id_,) in _query(self.keys / "state/outbox.db", "SELECT id FROM rows")}

    def in_control_room(self) -> list[str]:
        """In the order of their arrival; read while the daemon is dead."""
        return [id_ for (id_,) in _query(self.folder / "inbox.db", "SELECT id FROM messages ORDER BY rowid")]

    def __enter__(self) -> Deployment:  # noqa: PYI034  typing.Self came with Python 3.11
        self.broker.start()
        for child in self.children:
            child.start()
        return self

    def __exit__(self, *_: object) -> None:
        for child in self.children:
            with contextlib.suppress(AssertionError):
                child.kill()
        self.broker.stop()

    def wait_for_receipts(self) -> None:
        """Until the van has said all that it says in this life, and its outbox is empty."""
        wait_until(lambda: self.match.lines and self.match.lines[-1] == DONE, "an empty outbox")

    def _write_van(self) -> Path:
        van = self.broker.client_certificate(VAN)
        path = self.folder / "van.toml"
        path.write_text(
            f"""van = "{VAN}"
socket = "{self.socket}"
[match]
[link]
broker_host = "127.0.0.1"
broker_port = {self.broker.port}
[link.tls]
ca = "{self.broker.ca}"
cert = "{van.certificate}"
key = "{van.key}"
""",
            "utf-8",
        )
        return path

    def _write_ctl(self) -> Path:
        room = self.broker.client_certificate("control-room")
        path = self.folder / "ctl.toml"
        path.write_text(
            f"""reading_keys = ["{self.keys}/reader.age"]
[vans]
{VAN} = "{public_hex(KEYRING.van)}"
[broker]
port = {self.broker.port}
[broker.tls]
ca = "{self.broker.ca}"
cert = "{room.certificate}"
key = "{room.key}"
[receipt]
key = "{self.keys}/control-room-1.pem"
store = "{self.folder}/inbox.db"
""",
            "utf-8",
        )
        return path


def _query(path: Path, query: str) -> Iterator[tuple[str]]:
    with contextlib.closing(sqlite3.connect(path)) as db:
        yield from db.execute(query).fetchall()
