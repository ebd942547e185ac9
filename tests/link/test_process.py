"""How the link process starts and ends."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest

from firmware import config
from firmware.link.service import Life
from firmware.link.settings import LinkFile
from firmware.log import Log
from firmware.tls import Tls
from tests.link.stage import ROOT, Broker, Link, Match


def test_a_misspelt_key_is_named_with_its_path_and_what_was_meant(link: Link) -> None:
    link.configure('broker_hots = "127.0.0.1"')
    command = [sys.executable, "-m", "firmware.link", str(link.config)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr == f"{link.config}: unknown key 'link.broker_hots'; did you mean 'broker_host'?\n"
    assert ended.stdout == ""


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (['broker_host = "broker.example"'], "add a [link.tls] table with 'ca'"),
        (["broker_port = 70000"], "link.broker_port"),
        (['outbox = "o.db"'], "unknown key 'link.outbox'"),
        (["outbox_max_mb = 1"], "unknown key 'link.outbox_max_mb'"),
        (["event_ttl_s = 1"], "unknown key 'link.event_ttl_s'"),
        (["[link.tls]", 'ca = "ca.pem"', 'cert = "van.pem"'], "cert and key belong together"),
        (["[link.tls]", 'ca = "ca.pem"', 'crt = "van.pem"'], "unknown key 'link.tls.crt'; did you mean 'cert'?"),
    ],
)
def test_settings_that_cannot_be_used_are_explained(tmp_path: Path, lines: list[str], complaint: str) -> None:
    path = tmp_path / "van.toml"
    path.write_text("\n".join(['van = "van-07"', 'socket = "s"', "[link]", *lines]), "utf-8")
    with pytest.raises(config.ConfigError) as caught:
        config.load(path, LinkFile)
    assert complaint in str(caught.value)


@pytest.mark.parametrize("van", ["van/#", "van+", "van 7", "", "van-07\\n"])
def test_a_van_id_cannot_widen_a_topic(tmp_path: Path, van: str) -> None:
    path = tmp_path / "van.toml"
    path.write_text(f'van = "{van}"\nsocket = "s"\n[link]\n', "utf-8")
    with pytest.raises(config.ConfigError, match="van"):
        config.load(path, LinkFile)


def test_missing_tls_files_are_a_fault_of_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(config.ConfigError, match=r"absent\.pem"):
        Tls(ca=tmp_path / "absent.pem").context("link.tls")


def test_a_stop_without_a_broker_ends_well(link: Link, connect: Callable[[], Match]) -> None:
    link.start()
    connect().greet()
    link.wait_for("broker_unavailable")
    assert link.stop() == 0
    assert link.said("link_stopped") == [link.lines[-1]]


def test_link_leaves_no_file_but_its_lock(broker: Broker, link: Link, connect: Callable[[], Match]) -> None:
    link.start()
    match = connect()
    match.come_up()
    match.deliver("match", b"x")
    assert link.stop() == 0
    left = {path.name: path.stat().st_size for path in link.socket.parent.iterdir() if not path.is_socket()}
    assert left == {"link.sock.lock": 0}


def test_a_dead_thread_ends_the_process_with_an_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = StringIO()
    life = Life(threading.Event(), threading.Event(), Log("link", lines))
    monkeypatch.setattr(threading, "excepthook", life.end_on_dead_thread)
    thread = threading.Thread(target=lambda: 1 / 0, name="divides")
    thread.start()
    thread.join()
    assert life.over.is_set()
    assert life.failed.is_set()
    assert '"event":"thread_died","thread":"divides"' in lines.getvalue()


def test_a_process_that_lost_a_thread_is_followed_by_one_that_works(
    broker: Broker, link: Link, connect: Callable[[], Match]
) -> None:
    link.start()
    link.take_file_descriptors()
    connect()
    assert link.wait_for_exit() == 1
    assert link.said("thread_died")[0]["thread"] == "relay"
    link.start()
    connect().come_up()
