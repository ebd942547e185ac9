"""The supervisor with an update agent: three real processes of a van that nothing is published for."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

from firmware.log import Log
from firmware.supervisor import NOT_CONFIGURED, Supervisor
from tests.keyring import KEYRING
from tests.link.stage import VAN, Broker, wait_until
from tests.ota.agency import Fleet
from tests.ota.throwaway import VAN as KEY_ID
from tests.ota.throwaway import Repository
from tests.room import ControlRoom


def write_config(folder: Path, port: int) -> Path:
    """A van without a list, its agent, and a repository in a folder."""
    fleet = Fleet(folder / "server", Repository(int(time.time())))
    (folder / "root.json").write_bytes(fleet.repository.trusted_root)
    keys = KEYRING.write(folder / "keys")
    path = folder / "van.toml"
    path.write_text(
        f"""van = "{VAN}"
socket = "{folder}/wall/link.sock"
handover = "{folder}/wall/agent.sock"
[match]
signing_key = "{keys}/van.pem"
policy = "{keys}/policy"
root = "{folder}/root.json"
state = "{folder}/state"
outbox_reserve_mb = 0
[[match.cameras]]
name = "front"
source = "file://{folder}/nothing.mp4"
[agent]
url = "{fleet.folder.as_uri()}"
root = "{folder}/root.json"
state = "{folder}/agent"
key_id = "{KEY_ID}"
[link]
broker_port = {port}
""",
        "utf-8",
    )
    return path


class Appliance:
    """The supervisor on a thread, and all that its processes and itself said."""

    def __init__(self, config: Path) -> None:
        self.code: int | None = None
        self.began_anew: list[int] = []
        self._own = StringIO()
        self._said = config.with_name("log.jsonl")
        self._stop = threading.Event()
        self._output = self._said.open("wb")
        self._supervisor = Supervisor(
            config, Log("run", self._own), self._output, agent=True, before_match=self._before_match
        )
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def said(self, event: str) -> list[dict[str, object]]:
        lines = [*self._said.read_text("utf-8").splitlines(), *self._own.getvalue().splitlines()]
        return [line for line in map(json.loads, lines) if line["event"] == event]

    def wait_for(self, event: str, count: int = 1) -> None:
        wait_until(lambda: len(self.said(event)) >= count, f"{count} lines '{event}'")

    def pid(self, module: str) -> int:
        return self._running()[module]

    def modules(self) -> set[str]:
        return set(self._running())

    def end(self) -> int | None:
        self._stop.set()
        self._thread.join()
        self._output.close()
        return self.code

    def join(self) -> int | None:
        self._thread.join(30)
        return self.code

    def _run(self) -> None:
        self.code = self._supervisor.run(self._stop)

    def _before_match(self) -> None:
        self.began_anew.append(len(self.said("update agent connected")))

    def _running(self) -> dict[str, int]:
        threads = Path("/proc/self/task").iterdir()
        pids = [int(pid) for thread in threads for pid in (thread / "children").read_text("ascii").split()]
        words = {pid: Path(f"/proc/{pid}/cmdline").read_text("utf-8").split("\0") for pid in pids}
        return {word: pid for pid, command in words.items() for word in command[:4] if word.startswith("firmware.")}


@pytest.fixture
def appliance(tmp_path: Path, broker: Broker) -> Iterator[Appliance]:
    appliance = Appliance(write_config(tmp_path, broker.port))
    yield appliance
    appliance.end()


def test_agent_link_and_match_run_and_a_killed_agent_is_started_again(
    control_room: ControlRoom, appliance: Appliance
) -> None:
    wait_until(lambda: control_room.states and control_room.state().updates is not None, "a van with an agent")
    assert appliance.modules() == {"firmware.agent", "firmware.link", "firmware.match"}
    appliance.wait_for("update agent connected")
    os.kill(appliance.pid("firmware.agent"), signal.SIGKILL)
    appliance.wait_for("update agent connected", 2)
    (ended,) = appliance.said("process ended")
    assert (ended["module"], ended["code"]) == ("firmware.agent", -signal.SIGKILL)
    assert appliance.began_anew == []
    assert appliance.end() == 0


def test_before_match_starts_anew_there_is_time_for_its_engines(
    control_room: ControlRoom, appliance: Appliance
) -> None:
    wait_until(lambda: control_room.states and control_room.state().mode == "unarmed", "its first state")
    appliance.wait_for("update agent connected")
    assert control_room.order("reboot", "maintainer-1").outcome == "done"
    appliance.wait_for("update agent connected", 2)
    assert appliance.began_anew == [1], "once, and before the second match process was there"
    assert appliance.said("process ended") == []


def test_an_agent_that_is_not_configured_right_ends_all(tmp_path: Path, broker: Broker) -> None:
    config = write_config(tmp_path, broker.port)
    (tmp_path / "root.json").write_text("{}")
    appliance = Appliance(config)
    assert appliance.join() == NOT_CONFIGURED
    assert appliance.end() == NOT_CONFIGURED
    assert appliance.modules() == set()
