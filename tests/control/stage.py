"""The stage of the control room's stories: brokers, keys, a configured console and its processes."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pyrage.x25519 import Identity
from securesystemslib.signer import CryptoSigner

from firmware.control.keys import make_keys
from firmware.control.session import Address
from firmware.control.unseal import Unsealer
from firmware.envelope import load_signer, public_hex, public_key
from firmware.link.broker import EmbeddedBroker
from tests.source import BARE_PATH

VAN, OTHER = "van-07", "van-08"
PATIENCE_S = 30.0
MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/opt/homebrew/sbin")


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Return as soon as ``condition`` holds; fail, naming ``what``, when it does not within ``PATIENCE_S``."""
    give_up_at = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up_at, f"waited in vain for: {what}"
        time.sleep(0.01)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


@contextlib.contextmanager
def iotcore(port: int = 0) -> Iterator[int]:
    with EmbeddedBroker(port or free_port()) as broker:
        yield broker.port


@contextlib.contextmanager
def mosquitto(folder: Path) -> Iterator[int]:
    """Mosquitto, plain text on loopback; skips by name where it is not installed."""
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed (apt-get install mosquitto)")
    port = free_port()
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 100\n", "utf-8"
    )
    with subprocess.Popen([MOSQUITTO, "-c", str(config)], stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: _listens(port), "mosquitto")
        yield port
        process.terminate()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class Keys:
    """Everybody's keys, in files of ``folder``."""

    folder: Path
    reading_key: Identity = field(default_factory=Identity.generate)

    def signer(self, name: str) -> CryptoSigner:
        path = self.folder / f"{name}.pem"
        return load_signer(path if path.exists() else make_keys(self.folder, name, age=False).key)

    def path(self, name: str) -> Path:
        self.signer(name)
        return self.folder / f"{name}.pem"

    def reading_key_file(self) -> Path:
        path = self.folder / "console.age"
        path.write_text(f"# the console's\n{self.reading_key}\n", "utf-8")
        path.chmod(0o600)
        return path

    def policy(self) -> Path:
        """A folder with ``keys.json``: two operators, an authoriser, a control room."""
        roles = {"ada": "operator", "bob": "operator", "eve": "authoriser", "room": "control-room"}
        holders = [
            {"holder": name, "roles": [role], "public": public_hex(self.signer(name))} for name, role in roles.items()
        ]
        recipients = [str(self.reading_key.to_public())]
        listed = {"v": 1, "holders": holders, "recipients": recipients}
        (self.folder / "keys.json").write_text(json.dumps(listed), "utf-8")
        return self.folder

    def unsealer(self, *vans: str) -> Unsealer:
        return Unsealer(
            {van: public_key(public_hex(self.signer(van))) for van in vans or (VAN, OTHER)}, (self.reading_key,)
        )

    def config(self, port: int, *more: str) -> Path:
        """A console's ``ctl.toml`` for both vans."""
        lines = [
            f'reading_keys = ["{self.reading_key_file()}"]',
            *(line for line in more if not line.startswith("receipt.")),
            f"[vans]\n{VAN} = '{public_hex(self.signer(VAN))}'\n{OTHER} = '{public_hex(self.signer(OTHER))}'",
            f"[broker]\nport = {port}",
            f'[receipt]\nkey = "{self.path("room")}"\nstore = "{self.folder / "inbox.db"}"',
            *(line.removeprefix("receipt.") for line in more if line.startswith("receipt.")),
        ]
        path = self.folder / "ctl.toml"
        path.write_text("\n".join(lines), "utf-8")
        return path


def at(port: int, name: str = "console") -> Address:
    return Address("127.0.0.1", port, name)


def ctl(*arguments: str | Path, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
    """``kerbside-ctl ...``, to its end."""
    command = [sys.executable, "-m", "firmware.control.cli", *(str(argument) for argument in arguments)]
    environment = {**os.environ, "COLUMNS": "200", "PYTHONPATH": BARE_PATH}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout_s, env=environment)


class Daemon:
    """A ``kerbside-ctl`` that runs on: its lines as they come, and its end."""

    def __init__(self, *arguments: str | Path) -> None:
        self.lines: list[str] = []
        self.errors: list[str] = []
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "firmware.control.cli", *(str(argument) for argument in arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": BARE_PATH, "COLUMNS": "200"},
        )
        self._readers = [
            threading.Thread(target=self._read, args=pair)
            for pair in ((self._popen.stdout, self.lines), (self._popen.stderr, self.errors))
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, pipe: Any, into: list[str]) -> None:
        into.extend(pipe)

    def said(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in list(self.lines)]
        return [line for line in lines if line["event"] == event]

    def wait_for(self, event: str) -> dict[str, Any]:
        wait_until(lambda: self.said(event), f"'{event}' in {self.lines} {self.errors}")
        return self.said(event)[-1]

    def limit_files(self, size: int) -> None:
        """From now on the kernel refuses every byte that it would write to a file beyond ``size``."""
        resource.prlimit(self._popen.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def is_over(self) -> bool:
        return self._popen.poll() is not None

    def end(self, number: int = signal.SIGTERM) -> int:
        self._popen.send_signal(number)
        code = self._popen.wait(PATIENCE_S)
        for reader in self._readers:
            reader.join()
        for pipe in (self._popen.stdout, self._popen.stderr):
            assert pipe is not None
            pipe.close()
        return code
