"""The stage of the link stories: a real broker and link process, match's end of the wall, a control room."""

from __future__ import annotations

import contextlib
import json
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from firmware import wire
from firmware.link.broker import EmbeddedBroker
from firmware.link.subscriber import Watcher
from firmware.wire import FromLink, FromMatch, MatchEvent, Status

VAN = "van-07"
ROOT = Path(__file__).parents[2]
PATIENCE_S = 30.0


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Return as soon as ``condition`` holds; fail, naming ``what``, when it does not within ``PATIENCE_S``."""
    give_up_at = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up_at, f"waited in vain for: {what}"
        time.sleep(0.02)


def an_event(event_id: str, crop_bytes: int = 2_000) -> MatchEvent:
    return MatchEvent(
        id=event_id,
        van=VAN,
        camera="front",
        entry="entry-31",
        category="court-order",
        similarity=0.71,
        threshold=0.55,
        margin=0.2,
        observations=3,
        first_t_ns=1_000,
        decided_t_ns=2_000,
        decided_utc="2026-03-01T12:00:00Z",
        expires_utc="2026-03-02T12:00:00Z",
        clock_trusted=True,
        watchlist_digest="sha256:aa",
        model_digest="sha256:bb",
        crop_jpeg=b"\xff\xd8" + bytes(crop_bytes),
    )


def a_status(mode: str = "watching") -> Status:
    return Status(
        mode=mode,
        wall="no network",
        alarms=(),
        frames=100,
        dropped=1,
        faces=20,
        tracks=5,
        embeddings=9,
        events=1,
        templates_wiped=4,
        template_life_p99_s=0.4,
        entries=12,
        cameras={"front": "ok"},
    )


class Broker:
    """An embedded broker that can die and come back on its port."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._broker = EmbeddedBroker(port)

    def start(self) -> None:
        self._broker.__enter__()

    def die(self) -> None:
        self._broker.__exit__(None, None, None)


@contextlib.contextmanager
def broker_to_be() -> Iterator[Broker]:
    """A broker that is not there yet; gone at the end."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    broker = Broker(port)
    try:
        yield broker
    finally:
        broker.die()


class Link:
    """The link process of one van, started with ``python -m firmware.link``."""

    def __init__(self, folder: Path, broker_port: int) -> None:
        self.socket = folder / "wall" / "link.sock"
        self.outbox = folder / "outbox.db"
        self.config = folder / "van.toml"
        self.lines: list[dict[str, Any]] = []
        self._port = broker_port
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def configure(self, *more: str) -> None:
        """Write the configuration; ``more`` lines go into its ``[link]`` table."""
        top = [f'van = "{VAN}"', f'socket = "{self.socket}"']
        table = ["[link]", f'outbox = "{self.outbox}"', f"broker_port = {self._port}", *more]
        self.config.write_text("\n".join([*top, *table, "[match]", 'of = "the other room"']), "utf-8")

    def launch(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "firmware.link", str(self.config)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._process = process
        self._reader = threading.Thread(target=self._read, args=(process,))
        self._reader.start()
        return process

    def start(self, *more: str) -> None:
        self.lines.clear()
        self.configure(*more)
        self.launch()
        self.wait_for("link_started")

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        return self._end(signal.SIGTERM)

    def wait_for_exit(self) -> int:
        assert self._process is not None
        assert self._reader is not None
        code = self._process.wait(PATIENCE_S)
        self._reader.join()
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()
        self._process = None
        return code

    def take_file_descriptors(self) -> None:
        """From now on the process can open nothing more."""
        assert self._process is not None
        _, hard = resource.prlimit(self._process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(self._process.pid, resource.RLIMIT_NOFILE, (3, hard))

    def fill_disk(self) -> None:
        """From now on the kernel refuses every write of the process to a file."""
        self._limit_files(0)

    def free_disk(self) -> None:
        self._limit_files(resource.RLIM_INFINITY)

    def said(self, event: str) -> list[dict[str, Any]]:
        return [line for line in list(self.lines) if line["event"] == event]

    def wait_for(self, event: str) -> dict[str, Any]:
        wait_until(lambda: self.said(event), f"log line '{event}' in {self.lines}")
        return self.said(event)[-1]

    def wait_for_delivered(self, count: int) -> None:
        wait_until(lambda: len(self.said("event_delivered")) >= count, f"{count} delivered in {self.lines}")

    def close(self) -> None:
        if self._process is not None:
            self.kill()

    def _limit_files(self, size: int) -> None:
        assert self._process is not None
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def _end(self, number: int) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        return self.wait_for_exit()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.lines.append(json.loads(line))


class Match:
    """The match process's end of the wall."""

    def __init__(self, path: Path) -> None:
        self.peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.peer.settimeout(PATIENCE_S)
        self.peer.connect(str(path))

    def send(self, message: FromMatch) -> None:
        wire.send(self.peer, message)

    def hand_over(self, event: MatchEvent) -> FromLink | None:
        self.send(event)
        return wire.receive_from_link(self.peer)

    def is_dropped(self) -> bool:
        try:
            return self.peer.recv(1) == b""
        except ConnectionResetError:
            return True

    def die(self) -> None:
        self.peer.close()


class ControlRoom:
    """Who receives the events of the van: the project's own subscriber in a thread."""

    def __init__(self, port: int) -> None:
        self.events: list[MatchEvent] = []
        self._stop = threading.Event()
        self.watcher = Watcher("127.0.0.1", port, VAN)
        self._thread = threading.Thread(target=self.watcher.run, args=(self.events.append, self._stop))
        self._thread.start()
        self.wait_for_subscription()

    @property
    def ids(self) -> list[str]:
        return [event.id for event in self.events]

    def wait_for_subscription(self) -> None:
        wait_until(self.watcher.subscribed.is_set, "subscription")

    def wait_for(self, *ids: str) -> None:
        wait_until(lambda: set(ids) <= set(self.ids), f"events {ids}, not {self.ids}")

    def leave(self) -> None:
        self._stop.set()
        self._thread.join()


class Listener:
    """A plain MQTT 5 client that keeps what it hears on one topic filter."""

    def __init__(self, port: int, topic: str) -> None:
        self.heard: list[MQTTMessage] = []
        self._subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = lambda _client, _data, message: self.heard.append(message)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._client.subscribe(topic, qos=1)
        assert self._subscribed.wait(PATIENCE_S)

    def say(self, topic: str, payload: bytes) -> None:
        self._client.publish(topic, payload, qos=1).wait_for_publish(PATIENCE_S)

    def last(self) -> dict[str, Any]:
        wait_until(lambda: self.heard, "a message")
        decoded: dict[str, Any] = json.loads(self.heard[-1].payload)
        return decoded

    def __enter__(self) -> Listener:  # noqa: PYI034  typing.Self came with Python 3.11
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()
