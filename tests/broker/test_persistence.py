"""What the broker keeps for a control room that is away, and what it loses although it had acknowledged it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker.mosquitto import LOOPBACK, WHERE, Mosquitto, needs_mosquitto
from tests.broker.peer import Peer

DAY_S = 86_400
EVENT = "lfr/v1/van-07/evt/match"
STATE = "lfr/v1/van-07/state"
MANY = 5_000
"""Five times of what Mosquitto keeps unless told otherwise."""

SUBSCRIBER = shutil.which("mosquitto_sub", path=WHERE)


@pytest.fixture
def saves_on_demand(tmp_path: Path) -> Iterator[Mosquitto]:
    """Saves only when it is told to, so that a test knows what a crash loses."""
    with Mosquitto(tmp_path / "mosquitto", changes={"autosave_interval": "0"}) as broker:
        yield broker


def leave_a_session(broker: Mosquitto) -> None:
    with Peer(broker, "control-room", session_s=DAY_S) as control_room:
        control_room.subscribe("lfr/v1/+/evt/#")


def publish(broker: Mosquitto, *payloads: bytes) -> set[str]:
    """The broker's answers."""
    with Peer(broker, "van-07") as van:
        return {van.publish(EVENT, payload) for payload in payloads}


def catch_up(broker: Mosquitto) -> list[bytes]:
    """What waited for the control room, and after it one more event, which marks the end."""
    with Peer(broker, "control-room", session_s=DAY_S) as control_room:
        assert control_room.found_session
        publish(broker, b"end")
        control_room.wait_for(b"end")
        return control_room.payloads


def test_a_control_room_that_was_away_gets_all_in_order(mosquitto: Mosquitto) -> None:
    leave_a_session(mosquitto)
    sent = [b"%d" % number for number in range(MANY)]
    with Peer(mosquitto, "van-07") as van:
        for payload in sent:
            van.send(EVENT, payload)
        van.wait_for_answers(MANY)
    assert catch_up(mosquitto) == [*sent, b"end"]


def test_a_restart_loses_nothing(mosquitto: Mosquitto) -> None:
    leave_a_session(mosquitto)
    publish(mosquitto, b"1", b"2", b"3")
    mosquitto.stop()
    mosquitto.start()
    assert catch_up(mosquitto) == [b"1", b"2", b"3", b"end"]


@needs_mosquitto
def test_a_crash_loses_what_was_acknowledged_since_the_last_save(saves_on_demand: Mosquitto) -> None:
    """Why an acknowledgement of the broker deletes no event: only the control room's signed receipt does."""
    leave_a_session(saves_on_demand)
    publish(saves_on_demand, b"saved")
    saves_on_demand.save()
    answers = publish(saves_on_demand, b"acknowledged and lost")
    saves_on_demand.kill()
    saves_on_demand.start()
    assert answers == {"Success"}
    assert catch_up(saves_on_demand) == [b"saved", b"end"]


@needs_mosquitto
def test_a_crash_keeps_the_vans_states_of_the_last_save(saves_on_demand: Mosquitto) -> None:
    with Peer(saves_on_demand, "van-07") as van:
        van.publish(STATE, b"state", retain=True)
    saves_on_demand.save()
    saves_on_demand.kill()
    saves_on_demand.start()
    with Peer(saves_on_demand, "auditor-example") as auditor:
        auditor.subscribe("lfr/v1/+/state")
        auditor.wait_for(b"state")


@needs_mosquitto
def test_it_saves_by_itself(tmp_path: Path) -> None:
    """As it is shipped, in seconds and not in changes; only sooner, so that the test need not wait for long."""
    with Mosquitto(tmp_path / "mosquitto", changes={"autosave_interval": "1"}) as broker:
        leave_a_session(broker)
        publish(broker, b"event")
        broker.wait_for_save()
        broker.kill()
        broker.start()
        assert catch_up(broker) == [b"event", b"end"]


@pytest.mark.skipif(SUBSCRIBER is None, reason="mosquitto_sub is not installed (Debian, Ubuntu: mosquitto-clients)")
def test_the_plain_mosquitto_sub_serves_as_a_control_room(mosquitto: Mosquitto) -> None:
    paths = mosquitto.client_certificate("control-room")
    place = ["-h", LOOPBACK, "-p", str(mosquitto.port), "-V", "5", "-q", "1", "-c", "-i", "any", "-x", str(DAY_S)]
    keys = ["--cafile", str(mosquitto.ca), "--cert", str(paths.certificate), "--key", str(paths.key)]
    command = [str(SUBSCRIBER), *place, *keys, "-t", "lfr/v1/+/evt/#", "-v"]
    subprocess.run([*command, "-E"], check=True, timeout=60)  # subscribe and go
    publish(mosquitto, b"sealed")
    heard = subprocess.run([*command, "-C", "1"], check=True, capture_output=True, text=True, timeout=60)
    assert heard.stdout == f"{EVENT} sealed\n"
