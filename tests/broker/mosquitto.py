"""The real Mosquitto with the configuration that is shipped: only its paths, port and user are this test's own.

Knows how to start, kill and reload the broker; not who speaks to it (``peer.py`` does).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import pwd
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import pytest

from tests.broker.certificates import Authority, Paths
from tests.link.stage import wait_until
from tests.source import ROOT

SHIPPED = ROOT / "ota/broker"
WHERE = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
BINARY = shutil.which("mosquitto", path=WHERE)
MISSING = "mosquitto is not installed (Debian, Ubuntu: mosquitto and mosquitto-clients)"
needs_mosquitto = pytest.mark.skipif(BINARY is None, reason=MISSING)
"""For tests that start a :class:`Mosquitto` of their own; the fixture ``mosquitto`` skips by itself."""

LOOPBACK = "127.0.0.1"
END_S = 60.0

FIRST_PORT, PORTS = 20_000, 12_000
"""Below what Linux gives to clients (ip_local_port_range), so that none takes a broker's port while it is down."""

FOLDERS = {"/etc/mosquitto/": "etc/", "/var/lib/mosquitto/": "lib/", "/run/mosquitto/": "run/"}
OPEN_TO_ALL: dict[str, str | None] = {
    **dict.fromkeys(("tls_version", "cafile", "certfile", "keyfile", "crlfile", "require_certificate")),
    **dict.fromkeys(("use_identity_as_username", "use_username_as_clientid", "acl_file")),
    "allow_anonymous": "true",
}
"""What makes a plain-text broker without rights of the shipped configuration: ``None`` takes a line out."""

ADDED = ("log_type information",)
"""Tells of starts, saves and reloads, which a test waits for."""
SERVES = " running\n"


def derived(text: str, folder: Path, changes: Mapping[str, str | None]) -> str:
    """The configuration ``text`` with its places below ``folder`` and some options changed.

    Raises:
        KeyError: an option to change is not there exactly once: the test would not test what is shipped.
    """
    for there, here in FOLDERS.items():
        text = text.replace(there, f"{folder}/{here}")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    for option, value in changes.items():
        (place,) = [number for number, line in enumerate(lines) if line.split()[0] == option] or [-1]
        if place < 0:
            raise KeyError(option)
        lines[place] = f"# {option}" if value is None else f"{option} {value}"
    return "\n".join([*lines, *ADDED, ""])


def _free_port() -> int:
    while True:
        port = FIRST_PORT + secrets.randbelow(PORTS)
        with contextlib.suppress(OSError), socket.create_server((LOOPBACK, port)):
            return port


class Mosquitto:
    """One broker on the loopback, started by hand or between enter and exit; its port and files outlive its process.

    Args:
        folder: configuration, certificates, database and log; each broker has its own.
        plain: without TLS and rights, as it must never be deployed: for benches, and tests of other rooms.
        changes: more options that differ from what is shipped.

    Raises:
        FileNotFoundError: Mosquitto is not installed.
    """

    def __init__(self, folder: Path, *, plain: bool = False, changes: Mapping[str, str | None] | None = None) -> None:
        if BINARY is None:
            raise FileNotFoundError(MISSING)
        self.port = _free_port()
        self.authority = Authority(folder / "pki", dt.datetime.now(dt.timezone.utc))
        self.ca = self.authority.ca
        self.acl = folder / "etc/acl"
        self.certs = folder / "etc/certs"
        self.plain = plain
        self._folder = folder
        self._clients: dict[str, Paths] = {}
        self._process: subprocess.Popen[bytes] | None = None
        for name in FOLDERS.values():
            (folder / name).mkdir()
        shutil.copy(SHIPPED / "acl", self.acl)
        self._install_certificates()
        place: dict[str, str | None] = {
            "listener": f"{self.port} {LOOPBACK}",
            "user": pwd.getpwuid(os.getuid()).pw_name,  # root would else become a user that cannot read ``folder``
        }
        all_changes = {**place, **(OPEN_TO_ALL if plain else {}), **(changes or {})}
        (folder / "etc/mosquitto.conf").write_text(
            derived((SHIPPED / "mosquitto.conf").read_text("utf-8"), folder, all_changes), "utf-8"
        )

    @property
    def log(self) -> str:
        """All that it said since its folder is there."""
        return (self._folder / "log").read_text("utf-8")

    def client_certificate(self, cn: str) -> Paths:
        """The certificate and key of the client of that name, always the same."""
        return self._clients.setdefault(cn, self.authority.client(cn))

    def client_context(self, cn: str) -> ssl.SSLContext:
        """What the client of that name connects with."""
        paths = self.client_certificate(cn)
        context = ssl.create_default_context(cafile=str(self.ca))
        context.load_cert_chain(paths.certificate, paths.key)
        return context

    def start(self) -> None:
        """Returns when it serves; its port accepts a little before it would survive a :meth:`reload`."""
        (self._folder / "log").touch()
        before = self.log.count(SERVES)
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen([str(BINARY), "-c", str(self._folder / "etc/mosquitto.conf")], stderr=log)
        wait_until(lambda: self._is_up(before), "mosquitto's start")

    def kill(self) -> None:
        """As a power cut: it saves nothing."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """As an administrator: it saves what it has. Nothing happens to one that is not running."""
        self._end(signal.SIGTERM)

    def save(self) -> None:
        """Make it write its database now, as it does by itself every ``autosave_interval``."""
        before = self._saved_ns
        self._send(signal.SIGUSR1)
        wait_until(lambda: self._saved_ns != before, "a save")

    def wait_for_save(self) -> None:
        """Until it has saved by itself, with all that it acknowledged before this call: it does one thing at a time."""
        before = self._saved_ns
        wait_until(lambda: self._saved_ns != before, "a save")

    def reload(self) -> None:
        """Make it read its acl and options anew."""
        before = self.log.count("Reloading config")
        self._send(signal.SIGHUP)
        wait_until(lambda: self.log.count("Reloading config") > before, "reload")

    def renew(self) -> None:
        """Give it a new certificate of its own, which it reads at its next start or reload."""
        server = self.authority.server()
        shutil.copy(server.certificate, self.certs / "broker.crt")
        shutil.copy(server.key, self.certs / "broker.key")

    def revoke(self, paths: Paths) -> None:
        """Put a certificate on its list of revoked ones, which it reads at its next start or reload."""
        self.authority.revoke(paths)
        (self.certs / "revoked.crl").write_bytes(self.authority.revocations())

    def __enter__(self) -> Mosquitto:  # noqa: PYI034  typing.Self came with Python 3.11
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _saved_ns(self) -> int:
        """When the database was last written; it is written aside and then put in place."""
        database = self._folder / "lib/mosquitto.db"
        return database.stat().st_mtime_ns if database.exists() else 0

    def _install_certificates(self) -> None:
        self.certs.mkdir()
        shutil.copy(self.ca, self.certs / "ca.crt")
        self.renew()
        (self.certs / "revoked.crl").write_bytes(self.authority.revocations())

    def _is_up(self, before: int) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log
        return self.log.count(SERVES) > before

    def _send(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._send(number)
            self._process.wait(END_S)
            self._process = None
