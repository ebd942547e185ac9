"""A process of the appliance under test: its log lines as they come, and its end."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from tests.keyring import KEYRING
from tests.link.stage import VAN, wait_until
from tests.source import BARE_PATH, ROOT

END_S = 60.0


class Process:
    """``python -m MODULE ...`` with its output in ``lines``.

    Args:
        arguments: after ``python -m``.
        cwd: where it runs; the repository unless told.
        environment: more variables.
        output: keeps every byte of its output and errors.
    """

    def __init__(
        self, *arguments: str, cwd: Path = ROOT, environment: dict[str, str] | None = None, output: Path | None = None
    ) -> None:
        self.lines: list[dict[str, Any]] = []
        self.errors = ""
        self._output = output
        self._popen = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": BARE_PATH, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._readers = [threading.Thread(target=read) for read in (self._read_lines, self._read_errors)]
        for reader in self._readers:
            reader.start()

    @property
    def pid(self) -> int:
        return self._popen.pid

    def said(self, event: str) -> list[dict[str, Any]]:
        return [line for line in list(self.lines) if line["event"] == event]

    def wait_for(self, event: str, count: int = 1) -> dict[str, Any]:
        wait_until(lambda: len(self.said(event)) >= count, f"{count} lines '{event}' in {self.lines} {self.errors}")
        return self.said(event)[-1]

    def send(self, number: int) -> None:
        self._popen.send_signal(number)

    def wait(self) -> int:
        code = self._popen.wait(END_S)
        for reader in self._readers:
            reader.join()
        return code

    def stop(self) -> int:
        self.send(signal.SIGTERM)
        return self.wait()

    def write_nothing(self) -> None:
        """From now on the kernel refuses every byte that it would write to a file."""
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (0, 0))

    def children(self) -> dict[str, int]:
        """Running children's process ids by the module that they run."""
        pids = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        words = {int(pid): Path(f"/proc/{pid}/cmdline").read_text().split("\0") for pid in pids}
        return {word: pid for pid, command in words.items() for word in command if word.startswith("firmware.")}

    def end(self) -> None:
        """Make sure that it is gone."""
        self._popen.kill()
        self.wait()
        for pipe in (self._popen.stdout, self._popen.stderr):
            assert pipe is not None
            pipe.close()

    def _read_lines(self) -> None:
        assert self._popen.stdout is not None
        for text in self._popen.stdout:
            self._keep(text)
            self.lines.append(json.loads(text))

    def _read_errors(self) -> None:
        assert self._popen.stderr is not None
        for text in self._popen.stderr:
            self._keep(text)
            self.errors += text

    def _keep(self, text: str) -> None:
        with (self._output or Path(os.devnull)).open("a") as output:
            output.write(text)


def write_config(folder: Path, portraits: Path, cameras: dict[str, str], *more: str, broker_port: int = 1) -> Path:
    """A van's configuration in ``folder``: cameras by name, and ``more`` lines for its ``[match]`` table."""
    tables = [
        line for name, uri in cameras.items() for line in ("[[match.cameras]]", f'name = "{name}"', f'source = "{uri}"')
    ]
    keys = KEYRING.write(folder / "keys")
    path = folder / "van.toml"
    path.write_text(
        "\n".join(
            [
                f'van = "{VAN}"',
                f'socket = "{folder}/wall/link.sock"',
                "[match]",
                f'portraits = "{portraits}"',
                f'signing_key = "{keys}/van.pem"',
                f'policy = "{keys}/policy"',
                f'state = "{folder}/state"',
                "outbox_reserve_mb = 0",
                *more,
                *tables,
                "[link]",
                f"broker_port = {broker_port}",
            ]
        ),
        "utf-8",
    )
    return path
