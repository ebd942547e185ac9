"""What one client may ask of the broker, what becomes of a retained command, and what the broker's log tells."""

from __future__ import annotations

from typing import Any

import pytest
from paho.mqtt.subscribeoptions import SubscribeOptions

from tests.broker.mosquitto import Mosquitto
from tests.broker.peer import AS_SENT, Heard, Peer
from tests.link.stage import wait_until

EVENT = "lfr/v1/van-07/evt/match"
COMMAND = "lfr/v1/van-07/cmd/operate"
LARGEST = 512 * 1024
NEVER_RETAINED = SubscribeOptions(qos=1, retainAsPublished=True, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)


def test_the_largest_event_passes(mosquitto: Mosquitto) -> None:
    with Peer(mosquitto, "van-07") as van, Peer(mosquitto, "control-room") as control_room:
        control_room.subscribe("lfr/v1/+/evt/#")
        largest = b"e" * LARGEST
        assert van.publish(EVENT, largest) == "Success"
        control_room.wait_for(largest)


@pytest.mark.parametrize("size", [LARGEST + 1024, 16 * LARGEST])
def test_more_is_cut_off_and_disturbs_nobody(mosquitto: Mosquitto, size: int) -> None:
    with (
        Peer(mosquitto, "van-08") as flooder,
        Peer(mosquitto, "van-07") as van,
        Peer(mosquitto, "control-room") as control_room,
    ):
        control_room.subscribe("lfr/v1/+/evt/#")
        flooder.send("lfr/v1/van-08/evt/match", bytes(size))
        wait_until(flooder.lost.is_set, "the flooder's end")
        van.publish(EVENT, b"event")
        control_room.wait_for(b"event")
        assert control_room.payloads == [b"event"]


def test_a_client_is_told_the_limits(mosquitto: Mosquitto) -> None:
    with Peer(mosquitto, "van-07") as van:
        told: Any = van.told
    limits = (told.ServerKeepAlive, told.MaximumPacketSize, told.MaximumQoS, told.ReceiveMaximum)
    assert limits == (60, LARGEST + 1024, 1, 100)
    assert getattr(told, "TopicAliasMaximum", 0) == 0


@pytest.mark.parametrize(
    ("options", "live", "late"),
    [
        (SubscribeOptions(qos=1), [False], [True]),
        (AS_SENT, [True], [True]),
        (NEVER_RETAINED, [True], []),
    ],
    ids=["by default", "as sent", "and none that was retained before"],
)
def test_a_retained_command_is_delivered_and_the_subscription_decides_if_the_flag_shows(
    mosquitto: Mosquitto, options: SubscribeOptions, live: list[bool], late: list[bool]
) -> None:
    """So a van asks for flags as sent, and refuses what carries one: the broker refuses nothing."""
    with Peer(mosquitto, "console-example") as console:
        with Peer(mosquitto, "van-07") as van:
            van.subscribe(COMMAND, options)
            assert console.publish(COMMAND, b"retained", retain=True) == "Success"
            console.publish(COMMAND, b"end")
            van.wait_for(b"end")
            assert van.heard == [*(Heard(COMMAND, b"retained", flag) for flag in live), Heard(COMMAND, b"end")]
        with Peer(mosquitto, "van-07") as van:
            van.subscribe(COMMAND, options)
            console.publish(COMMAND, b"end")
            van.wait_for(b"end")
            assert van.heard == [*(Heard(COMMAND, b"retained", flag) for flag in late), Heard(COMMAND, b"end")]


def test_the_log_names_clients_but_no_topic_and_no_payload(mosquitto: Mosquitto) -> None:
    with Peer(mosquitto, "van-07") as van, Peer(mosquitto, "van-08") as other:
        van.subscribe("lfr/#")
        van.publish(EVENT, b"payload")
        other.publish(EVENT, b"payload")
    mosquitto.stop()
    assert "van-07" in mosquitto.log
    assert [word for word in ("lfr/", "payload", "evt") if word in mosquitto.log] == []


def test_the_plain_variant_for_other_tests_is_open_to_all_and_bounded_alike(plain_mosquitto: Mosquitto) -> None:
    with Peer(plain_mosquitto, "anybody") as anybody, Peer(plain_mosquitto, "somebody") as somebody:
        somebody.subscribe("#")
        assert anybody.publish(EVENT, b"event") == "Success"
        somebody.wait_for(b"event")
        told: Any = anybody.told
    assert (told.MaximumPacketSize, told.ReceiveMaximum) == (LARGEST + 1024, 100)
