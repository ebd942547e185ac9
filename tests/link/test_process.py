"""How the link process starts and ends."""

from __future__ import annotations

import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest

from firmware import config
from firmware.link.service import Life
from firmware.link.settings import LinkFile, Tls
from firmware.log import Log
from firmware.wire import Stored
from tests.link.stage import ROOT, Link, Match, an_event


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
        (["event_ttl_s = 0"], "link.event_ttl_s"),
        (["[link.tls]", 'ca = "ca.pem"', 'cert = "van.pem"'], "cert and key belong together"),
        (["[link.tls]", 'ca = "ca.pem"', 'crt = "van.pem"'], "unknown key 'link.tls.crt'; did you mean 'cert'?"),
    ],
)
def test_settings_that_cannot_be_used_are_explained(tmp_path: Path, lines: list[str], complaint: str) -> None:
    path = tmp_path / "van.toml"
    path.write_text("\n".join(['van = "van-07"', 'socket = "s"', "[link]", 'outbox = "o.db"', *lines]), "utf-8")
    with pytest.raises(config.ConfigError) as caught:
        config.load(path, LinkFile)
    assert complaint in str(caught.value)


def test_a_van_id_cannot_widen_a_topic(tmp_path: Path) -> None:
    path = tmp_path / "van.toml"
    path.write_text('van = "van/#"\nsocket = "s"\n[link]\noutbox = "o.db"', "utf-8")
    with pytest.raises(config.ConfigError, match="van"):
        config.load(path, LinkFile)


def test_missing_tls_files_are_a_fault_of_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(config.ConfigError, match=r"absent\.pem"):
        Tls(ca=tmp_path / "absent.pem").context()


def test_an_unreadable_outbox_is_kept_and_the_van_goes_on(link: Link, connect: Callable[[], Match]) -> None:
    damaged = b"this was a database once" * 1000
    link.outbox.write_bytes(damaged)
    link.start()
    alarm = link.wait_for("outbox_unreadable")
    assert alarm["kind"] == "alarm"
    assert Path(alarm["kept_as"]).read_bytes() == damaged
    assert connect().hand_over(an_event("e1")) == Stored("e1")


def test_the_outbox_is_for_this_user_only(link: Link) -> None:
    link.start()
    assert stat.S_IMODE(link.outbox.stat().st_mode) == 0o600


def test_a_stop_without_a_broker_keeps_what_is_stored(link: Link, connect: Callable[[], Match]) -> None:
    link.start()
    connect().hand_over(an_event("e1"))
    link.wait_for("broker_unavailable")
    assert link.stop() == 0
    link.start()
    assert link.said("link_started")[0]["pending"] == 1


def test_a_dead_thread_ends_the_process_with_an_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = StringIO()
    life = Life(threading.Event(), threading.Event(), Log("link", lines))
    monkeypatch.setattr(threading, "excepthook", life.end_on_dead_thread)
    life.worker("returns at once", lambda: None).join()
    assert life.over.is_set()
    assert life.failed.is_set()
    assert '"event":"thread_died","thread":"returns at once"' in lines.getvalue()


def test_a_process_that_lost_a_thread_is_followed_by_one_that_works(link: Link, connect: Callable[[], Match]) -> None:
    link.start()
    link.take_file_descriptors()
    connect()
    assert link.wait_for_exit() == 1
    assert link.said("thread_died")[0]["thread"] == "intake"
    link.start()
    assert connect().hand_over(an_event("e1")) == Stored("e1")
