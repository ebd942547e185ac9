"""The stage of the link stories: a real broker and link process, and match's end of the wall."""

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
from typing import Any, TypeVar

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from firmware import framing, wire
from firmware.link.broker import EmbeddedBroker
from firmware.wire import FromLink, FromMatch, Hello, Linked, Publish, Sent

VAN = "van-07"
BOOT = "0123456789abcdef" * 2
ROOT = Path(__file__).parents[2]
PATIENCE_S = 30.0
_M = TypeVar("_M", bound=FromLink)


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Return as soon as ``condition`` holds; fail, naming ``what``, when it does not within ``PATIENCE_S``."""
    give_up_at = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up_at, f"waited in vain for: {what}"
        time.sleep(0.02)


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
        self.config = folder / "van.toml"
        self.lines: list[dict[str, Any]] = []
        self._port = broker_port
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def configure(self, *more: str) -> None:
        """Write the configuration; ``more`` lines go into its ``[link]`` table."""
        top = [f'van = "{VAN}"', f'socket = "{self.socket}"']
        table = ["[link]", f"broker_port = {self._port}", *more]
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

    def said(self, event: str) -> list[dict[str, Any]]:
        return [line for line in list(self.lines) if line["event"] == event]

    def wait_for(self, event: str) -> dict[str, Any]:
        wait_until(lambda: self.said(event), f"log line '{event}' in {self.lines}")
        return self.said(event)[-1]

    def close(self) -> None:
        if self._process is not None:
            self.kill()

    def _end(self, number: int) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        return self.wait_for_exit()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.lines.append(json.loads(line))


class Match:
    """The match process's end of the wall: what it is told is in ``told``."""

    def __init__(self, path: Path) -> None:
        self.told: list[FromLink] = []
        self.peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.peer.settimeout(PATIENCE_S)
        self.peer.connect(str(path))
        self._reader = threading.Thread(target=self._read)
        self._refs = 0

    def send(self, message: FromMatch) -> None:
        framing.send(self.peer, message)

    def greet(self, boot: str = BOOT) -> None:
        """Say who it is, and read from now on."""
        self.send(Hello(boot))
        self.listen()

    def listen(self) -> None:
        """Read from now on."""
        self._reader.start()

    def come_up(self, boot: str = BOOT) -> None:
        """Greet, and wait until there is a line to the broker."""
        self.greet(boot)
        self.wait_until_linked()

    def wait_until_linked(self, connections: int = 1) -> None:
        wait_until(
            lambda: any(one.connected and one.connections >= connections for one in self.all(Linked)),
            f"connection {connections}, not {self.told}",
        )

    def publish(self, channel: wire.OutChannel, payload: bytes, tail: str = "", expiry_s: int | None = None) -> int:
        """Send one; returns its ref."""
        self._refs += 1
        self.send(Publish(ref=self._refs, channel=channel, payload=payload, tail=tail, expiry_s=expiry_s))
        return self._refs

    def deliver(self, channel: wire.OutChannel, payload: bytes, tail: str = "", expiry_s: int | None = None) -> int:
        """Send one and wait; returns the code of its answer."""
        ref = self.publish(channel, payload, tail, expiry_s)
        wait_until(lambda: any(one.ref == ref for one in self.all(Sent)), f"an answer to {ref}")
        return next(one.code for one in self.all(Sent) if one.ref == ref)

    def all(self, kind: type[_M]) -> list[_M]:
        return [one for one in list(self.told) if isinstance(one, kind)]

    def wait_for(self, kind: type[_M], count: int = 1) -> _M:
        wait_until(lambda: len(self.all(kind)) >= count, f"{count} of {kind} in {self.told}")
        return self.all(kind)[-1]

    def is_dropped(self) -> bool:
        """Without a reader: whether link closed the connection."""
        try:
            while self.peer.recv(65_536):
                pass
        except ConnectionResetError:
            return True
        return True

    def ended(self) -> bool:
        """With a reader: whether link closed the connection."""
        return not self._reader.is_alive()

    def die(self) -> None:
        with contextlib.suppress(OSError):
            self.peer.shutdown(socket.SHUT_RDWR)
        if self._reader.ident is not None:
            self._reader.join()
        self.peer.close()

    def _read(self) -> None:
        with contextlib.suppress(OSError, framing.WireError):
            while (message := wire.receive_from_link(self.peer)) is not None:
                self.told.append(message)


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

    def say(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(PATIENCE_S)

    def last(self) -> dict[str, Any]:
        wait_until(lambda: self.heard, "a message")
        decoded: dict[str, Any] = json.loads(self.heard[-1].payload)
        return decoded

    def __enter__(self) -> Listener:  # noqa: PYI034  typing.Self came with Python 3.11
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()
