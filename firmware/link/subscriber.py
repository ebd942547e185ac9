"""The control room's side, as small as it can be: show each possible match of one van once, as it arrives.

Knows MQTT 5 and how an event reads; refuses to know the van's process, its outbox and who the entry is.
It shares nothing with the publisher but the wire's schema, so it is an independent witness in the demo and the tests.
"""

from __future__ import annotations

import argparse
import queue
import re
import secrets
import signal
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from firmware.wire import MatchEvent, WireError, decode_event

REMEMBERED_IDS = 10_000
WAITING_MAX = 1_000
POLL_S = 0.2


class Watched(msgspec.Struct):
    """What one :class:`Watcher` saw. ``overflowed`` counts messages lost because ``on_event`` was too slow."""

    events: int = 0
    duplicates: int = 0
    malformed: int = 0
    overflowed: int = 0


class Watcher:
    """A subscription to one van's possible matches.

    Args:
        host: the broker's name or address.
        port: its TCP port.
        van: the van's id.

    ``subscribed`` is set while the broker has granted the subscription.
    """

    def __init__(self, host: str, port: int, van: str) -> None:
        self.subscribed = threading.Event()
        self.watched = Watched()
        self._host = host
        self._port = port
        self._topic = f"lfr/v1/{van}/evt/match"
        self._waiting: queue.Queue[bytes] = queue.Queue(WAITING_MAX)
        self._seen: OrderedDict[str, None] = OrderedDict()

    def run(self, on_event: Callable[[MatchEvent], None], stop: threading.Event) -> Watched:
        """Call ``on_event`` in this thread, once for each event id, until ``stop``; connects again after every loss.

        Raises:
            OSError: nobody answers at ``host`` and ``port`` at the start.
        """
        # A name of its own and a clean start, or a broker that forgot us refuses the second connection.
        name = f"watcher-{secrets.token_hex(8)}"
        client = Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=MQTTProtocolVersion.MQTTv5)
        client.reconnect_delay_set(min_delay=1, max_delay=5)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.connect(self._host, self._port, keepalive=20, clean_start=True)
        client.loop_start()
        try:
            while not stop.is_set():
                self._take(on_event)
        finally:
            client.disconnect()
            client.loop_stop()
        return self.watched

    def _take(self, on_event: Callable[[MatchEvent], None]) -> None:
        try:
            event = decode_event(self._waiting.get(timeout=POLL_S))
        except queue.Empty:
            return
        except WireError:
            self.watched.malformed += 1
            return
        if event.id in self._seen:
            self.watched.duplicates += 1
            return
        self._seen[event.id] = None
        if len(self._seen) > REMEMBERED_IDS:
            self._seen.popitem(last=False)
        self.watched.events += 1
        on_event(event)

    def _on_connect(self, client: Client, *_: object) -> None:
        client.subscribe(self._topic, qos=1)

    def _on_subscribe(self, _client: Client, _data: object, _mid: int, reasons: list[ReasonCode], *_: object) -> None:
        if not any(reason.is_failure for reason in reasons):
            self.subscribed.set()

    def _on_disconnect(self, *_: object) -> None:
        self.subscribed.clear()

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        try:
            self._waiting.put_nowait(bytes(message.payload))
        except queue.Full:
            self.watched.overflowed += 1


def watch(host: str, port: int, van: str, on_event: Callable[[MatchEvent], None], stop: threading.Event) -> Watched:
    """:meth:`Watcher.run` in one call.

    Raises:
        OSError: nobody answers at ``host`` and ``port`` at the start.
    """
    return Watcher(host, port, van).run(on_event, stop)


def line(event: MatchEvent) -> str:
    """One line for a person. It says *possible*: an officer decides."""
    text = (
        f"possible match  entry {event.entry} ({event.category})  similarity {event.similarity:.3f}"
        f"  threshold {event.threshold:.3f}  camera {event.camera}  observations {event.observations}"
        f"  {event.decided_utc}{'' if event.clock_trusted else ' (clock not trusted)'}  id {event.id}"
    )
    return _printable(text)


def json_line(event: MatchEvent) -> str:
    """The event as one JSON line without the crop."""
    fields: dict[str, Any] = msgspec.structs.asdict(event)
    del fields["crop_jpeg"]
    return msgspec.json.encode(fields).decode()


def save_crop(event: MatchEvent, folder: Path) -> Path:
    """Write the crop into ``folder``; the id comes from the network, so it never becomes a path.

    Raises:
        OSError: the folder is not writable.
    """
    path = folder / f"{re.sub(r'[^A-Za-z0-9_-]', '_', event.id)[:100]}.jpg"
    path.write_bytes(event.crop_jpeg)
    return path


def _printable(text: str) -> str:
    """What comes from the network must not steer the terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m firmware.link.subscriber", description="Show possible matches.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--van", required=True, metavar="ID")
    parser.add_argument("--json", action="store_true", help="one JSON line for each event, without the crop")
    parser.add_argument("--save", type=Path, metavar="DIR", help="write each crop as a JPEG into DIR")
    parser.add_argument("--count", type=int, metavar="N", help="leave after N events")
    return parser.parse_args()


def main() -> int:
    """Exit code 0 after ``--count`` events or a signal, 1 when nobody answers."""
    arguments = _arguments()
    stop = threading.Event()
    shown: list[str] = []

    def show(event: MatchEvent) -> None:
        sys.stdout.write((json_line(event) if arguments.json else line(event)) + "\n")
        sys.stdout.flush()
        if arguments.save is not None:
            arguments.save.mkdir(parents=True, exist_ok=True)
            save_crop(event, arguments.save)
        shown.append(event.id)
        if len(shown) == arguments.count:
            stop.set()

    def leave(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    try:
        watched = watch(arguments.host, arguments.port, arguments.van, show, stop)
    except OSError as error:
        sys.stderr.write(f"broker {arguments.host}:{arguments.port}: {error}\n")
        return 1
    sys.stderr.write(_summary(watched) + "\n")
    return 0


def _summary(watched: Watched) -> str:
    return (
        f"{watched.events} possible matches, {watched.duplicates} duplicates, "
        f"{watched.malformed} malformed, {watched.overflowed} overflowed"
    )


if __name__ == "__main__":
    sys.exit(main())
