"""A Mosquitto of the bench's own on 127.0.0.1, set as in production but for TLS and access lists.

Knows a process, its configuration and what it costs; refuses to know what goes through it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from firmware.bench import BenchError

PROGRAM = "mosquitto"
_BESIDE_PATH = "/usr/sbin:/usr/local/sbin"
"""Debian keeps it where an ordinary user's PATH does not look."""
END_S = 20.0
_TICKS = os.sysconf("SC_CLK_TCK")
_LAST_LINES = 5

SETTINGS = {
    "allow_anonymous": "true",
    "persistence": "true",
    "max_queued_messages": "50000",
    "max_queued_bytes": "536870912",
    "max_inflight_messages": "100",
    "message_size_limit": "524288",
    "max_packet_size": "540672",
    "max_keepalive": "60",
    "max_qos": "1",
    "set_tcp_nodelay": "true",
    "sys_interval": "0",
    "connection_messages": "false",
    "log_dest": "stderr",
}
"""As the shipped configuration has them; see mosquitto.conf(5)."""


@dataclass(frozen=True)
class Usage:
    """What a process has cost so far: CPU seconds, resident memory and its peak in MB."""

    cpu_s: float
    rss_mb: float
    peak_mb: float


def usage(pid: int) -> Usage:
    """What a running process has cost (man 5 proc: ``stat`` fields 14 and 15, ``status``)."""
    ticks = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines())
    rss, peak = (int(status[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return Usage((int(ticks[11]) + int(ticks[12])) / _TICKS, rss, peak)


def find_mosquitto(program: str = PROGRAM) -> str:
    """Where the program is.

    Raises:
        BenchError: it is not installed.
    """
    found = shutil.which(program) or shutil.which(program, path=_BESIDE_PATH)
    if found is None:
        raise BenchError(f"{program} is not installed. Try: sudo apt install mosquitto")
    return found


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Mosquitto:
    """One broker that can be killed and started again over the same files.

    Attributes:
        folder: for its configuration, database and log.
        autosave_s: how often it writes its database; what came since is lost when it is killed.
    """

    folder: Path
    autosave_s: int
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it listens a moment later.

        Raises:
            BenchError: it is not installed.
        """
        config = self.folder / "mosquitto.conf"
        user = pwd.getpwuid(os.getuid()).pw_name  # else root becomes somebody who may not read this folder
        own = {"user": user, "listener": f"{self.port} 127.0.0.1", "persistence_location": f"{self.folder}/"}
        lines = {**own, "autosave_interval": str(self.autosave_s), **SETTINGS}
        config.write_text("".join(f"{name} {value}\n" for name, value in lines.items()), "utf-8")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([find_mosquitto(), "-c", str(config)], stdout=log, stderr=log)

    @property
    def _log(self) -> Path:
        return self.folder / "mosquitto.log"

    def listens(self) -> bool:
        """Whether it lets somebody connect."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def usage(self) -> Usage:
        """What it has cost since it was started last.

        Raises:
            BenchError: it does not run.
        """
        if self._process is None or self._process.poll() is not None:
            last = "\n".join(self._log.read_text("utf-8", "replace").splitlines()[-_LAST_LINES:])
            raise BenchError(f"mosquitto ended by itself\n{last}")
        return usage(self._process.pid)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order; harmless when it has ended."""
        self._end(signal.SIGTERM)

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            try:
                self._process.wait(END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(END_S)
            self._process = None
