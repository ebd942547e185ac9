"""Who sits at the agent's desk, and whether the match process is well: a real socket, virtual seconds."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

from firmware.agent.conversation import Bulletin
from firmware.agent.desk import HEALTHY_S, SILENCE_S, Desk
from firmware.framing import framed
from firmware.handover import Ask, Beat, Report
from firmware.log import Log
from ota.installer import HEALTHY_S as GATE_S
from ota.installer import HealthGate


class Room:
    """A desk, and a peer that has connected."""

    def __init__(self, folder: Path) -> None:
        self.now_s = 0.0
        self.said = StringIO()
        bulletin = Bulletin(Report(floor=0, checked=0, fault=""))
        self.desk = Desk(folder / "s", bulletin, lambda: self.now_s, Log("agent", self.said))
        self.peer = socket.socket(socket.AF_UNIX)
        self.peer.connect(str(folder / "s"))
        self.desk.serve(1.0)

    def say(self, message: Ask | Beat) -> None:
        self.peer.sendall(framed(message))
        self.desk.serve(1.0)

    def pass_time(self, seconds: float) -> None:
        self.now_s += seconds
        self.desk.serve(0.0)

    @property
    def reasons(self) -> list[str]:
        lines = [json.loads(line) for line in self.said.getvalue().splitlines()]
        return [line["reason"] for line in lines if line["event"] == "handover ended"]

    def close(self) -> None:
        self.peer.close()
        self.desk.close()


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    room = Room(tmp_path)
    yield room
    room.close()


def test_who_has_only_connected_is_not_well(room: Room) -> None:
    assert not room.desk.healthy


def test_a_match_whose_loop_goes_round_is_well_for_a_while(room: Room) -> None:
    room.say(Beat())
    room.pass_time(HEALTHY_S)
    assert room.desk.healthy
    room.pass_time(0.1)
    assert not room.desk.healthy


def test_other_words_do_not_say_that_the_loop_goes_round(room: Room) -> None:
    room.say(Ask())
    assert not room.desk.healthy
    assert room.desk.inbox.get_nowait() == Ask()


def test_a_beat_is_nothing_that_the_agent_has_to_answer(room: Room) -> None:
    room.say(Beat())
    assert room.desk.inbox.empty()


def test_who_says_nothing_for_a_minute_is_dropped(room: Room) -> None:
    room.pass_time(SILENCE_S)
    assert room.reasons == []
    room.pass_time(0.1)
    assert room.reasons == ["match dropped: has said nothing for 60 s"]
    assert not room.desk.healthy


def test_who_beats_stays(room: Room) -> None:
    for _ in range(30):
        room.say(Beat())
        room.pass_time(5)
    assert room.reasons == []
    assert room.desk.healthy


def test_a_mute_peer_proves_no_software(room: Room) -> None:
    gate = HealthGate(lambda: room.desk.healthy, lambda: room.now_s)
    judged = []
    for _ in range(int(GATE_S) + 20):
        room.pass_time(1)
        judged.append(gate.judge())
    assert set(judged) == {""}
