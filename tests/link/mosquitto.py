"""A real Mosquitto on a free port of the loopback, in plain mode; where it is not installed its tests skip by name."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

from tests.link.stage import Broker, wait_until

EXECUTABLE = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


class Mosquitto(Broker):
    """In place of the embedded broker; it too forgets everything at its end."""

    def __init__(self, folder: Path, port: int) -> None:
        super().__init__(port)
        self._config = folder / "mosquitto.conf"
        self._config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n", "utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [str(EXECUTABLE), "-c", str(self._config)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self._accepts, "Mosquitto")

    def die(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    close = die

    def _accepts(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
