"""A log line is one JSON object that journald and a person can read."""

from __future__ import annotations

import json
import threading
from io import StringIO

from firmware.log import Log


def test_a_line_names_time_process_kind_event_and_fields() -> None:
    stream = StringIO()
    log = Log("link", stream, now=lambda: 1_000.12345)
    log.info("broker_connected", host="127.0.0.1", port=1883)
    log.alarm("outbox_full", limit_mb=0.5, ok=False, why=None)
    assert [json.loads(line) for line in stream.getvalue().splitlines()] == [
        {
            "t": 1000.123,
            "process": "link",
            "kind": "info",
            "event": "broker_connected",
            "host": "127.0.0.1",
            "port": 1883,
        },
        {"t": 1000.123, "process": "link", "kind": "alarm", "event": "outbox_full"}
        | {"limit_mb": 0.5, "ok": False, "why": None},
    ]


def test_an_event_with_line_breaks_stays_one_line() -> None:
    stream = StringIO()
    Log("link", stream).info("odd", text="two\nlines")
    assert stream.getvalue().count("\n") == 1


def test_lines_of_several_threads_stay_whole() -> None:
    stream = StringIO()
    log = Log("link", stream)

    def write() -> None:
        for _ in range(50):
            log.info("x" * 200)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([json.loads(line) for line in stream.getvalue().splitlines()]) == 200
