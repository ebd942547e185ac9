"""Who may say and hear what at the broker: told by what is delivered, for a subscription is granted to anybody."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.broker.mosquitto import Mosquitto
from tests.broker.peer import NOT_AUTHORIZED, Peer
from tests.link.stage import wait_until

VANS = ("van-07", "van-08")
PEOPLE = ("control-room", "console-example", "maintainer-example", "auditor-example")
SAID = ("state", "rsp/1", "evt/match", "evt/audit", "evt/health")
TOLD = ("cmd/narrow", "cmd/operate", "cmd/maintain", "cmd/release", "ack/1")
ODD = ("evt/other", "evt/match/1", "state/1", "cmd", "cmd/narrow/1", "rsp", "ack", "ack/1/2", "", "other")
"""Levels below a van that are none of the project's topics."""

Levels = dict[str, tuple[str, ...]]

WRITES: dict[str, Levels] = {
    "van-07": {"van-07": SAID},
    "van-08": {"van-08": SAID},
    "control-room": dict.fromkeys(VANS, ("ack/1",)),
    "console-example": dict.fromkeys(VANS, ("cmd/narrow", "cmd/operate", "cmd/release")),
    "maintainer-example": dict.fromkeys(VANS, ("cmd/narrow", "cmd/maintain")),
    "auditor-example": dict.fromkeys(VANS, ()),
}
READS: dict[str, Levels] = {
    "van-07": {"van-07": (*TOLD, "cmd/other")},
    "van-08": {"van-08": (*TOLD, "cmd/other")},
    "control-room": dict.fromkeys(VANS, ("state", "evt/match", "evt/audit", "evt/health")),
    "console-example": dict.fromkeys(VANS, SAID),
    "maintainer-example": dict.fromkeys(VANS, ("state", "rsp/1")),
    "auditor-example": dict.fromkeys(VANS, ("state", "evt/audit")),
}
"""By client and van, the levels below ``lfr/v1/VAN``; what is not here is forbidden."""

OF_VAN_07 = [f"lfr/v1/van-07/{level}" for level in (*SAID, *TOLD)]
FILTERS = (
    *("#", "+/#", "+/+/+/#", "lfr/#", "lfr/v1/van-07/#", "lfr/v1/+/cmd/+", "lfr/v1/van-07/ack/+", "lfr/v1/+/state"),
    *("$share/g/#", "$share/g/lfr/v1/van-07/#", "$share/g/lfr/v1/van-07/cmd/narrow", "lfr/v1/van-07/cmd/release"),
)

ENDS = {(f"lfr/v1/{van}/{level}", "end") for van in VANS for level in ("cmd/operate", "state")}

Open = Callable[..., Peer]


@pytest.fixture
def connect(mosquitto: Mosquitto) -> Iterator[Open]:
    """Connect with a certificate; left at the end."""
    with ExitStack() as stack:
        yield lambda cn, **more: stack.enter_context(Peer(mosquitto, cn, **more))


def full(levels: Levels) -> set[str]:
    return {f"lfr/v1/{van}/{level}" for van, some in levels.items() for level in some}


def mark_the_end(peers: dict[str, Peer]) -> None:
    """Each hears one last thing that it may hear, and with it all before has arrived."""
    for van in VANS:
        peers["console-example"].publish(f"lfr/v1/{van}/cmd/operate", b"end")
    peers["van-07"].publish("lfr/v1/van-07/state", b"end")
    for peer in peers.values():
        peer.wait_for(b"end")


def test_each_client_says_and_hears_what_the_table_says_and_nothing_else(connect: Open) -> None:
    peers = {cn: connect(cn) for cn in WRITES}
    for peer in peers.values():
        peer.subscribe("#")
    topics = [f"lfr/v1/{van}/{level}" for van in VANS for level in (*SAID, *TOLD, *ODD)]
    topics += ["lfr/v1/state", "lfr/v2/van-07/state", "other", "van-07/state", "$SYS/x", "$CONTROL/dynamic-security/v1"]
    taken = {
        cn: {topic for topic in topics if peer.publish(topic, cn.encode()) != NOT_AUTHORIZED}
        for cn, peer in peers.items()
    }
    mark_the_end(peers)
    assert taken == {cn: full(levels) for cn, levels in WRITES.items()}
    heard = {
        cn: {(m.topic, m.payload.decode()) for m in peer.heard if m.payload != b"end"} for cn, peer in peers.items()
    }
    assert heard == {
        reader: {(topic, writer) for writer in WRITES for topic in full(WRITES[writer]) & full(READS[reader])}
        for reader in READS
    }


@pytest.mark.parametrize("wanted", FILTERS)
def test_van_08_hears_nothing_of_van_07s_neither_live_nor_retained(connect: Open, wanted: str) -> None:
    writers = {cn: connect(cn) for cn in ("van-07", "control-room", "console-example", "maintainer-example")}
    for writer, peer in writers.items():
        for topic in sorted(full({"van-07": WRITES[writer]["van-07"]})):
            peer.publish(topic, b"retained", retain=True)
    van_08 = connect("van-08")
    van_08.subscribe(wanted)
    for writer, peer in writers.items():
        for topic in sorted(full({"van-07": WRITES[writer]["van-07"]})):
            peer.publish(topic, b"live")
    van_08.subscribe("lfr/v1/van-08/cmd/narrow")
    writers["console-example"].publish("lfr/v1/van-08/cmd/narrow", b"end")
    van_08.wait_for(b"end")
    assert set(van_08.payloads) == {b"end"}


def test_van_08_cannot_speak_as_van_07_nor_to_it(connect: Open) -> None:
    witnesses = {cn: connect(cn) for cn in ("van-07", "van-08", "control-room", "console-example", "auditor-example")}
    for peer in witnesses.values():
        peer.subscribe("lfr/#")
    answers = [
        witnesses["van-08"].publish(topic, b"forged", retain=retain) for topic in OF_VAN_07 for retain in (False, True)
    ]
    for peer in witnesses.values():
        peer.subscribe("lfr/#")  # anew: what is retained comes again
    mark_the_end(witnesses)
    assert set(answers) == {NOT_AUTHORIZED}
    assert [cn for cn, peer in witnesses.items() if b"forged" in peer.payloads] == []


def test_a_will_in_van_07s_name_is_not_published_for_van_08(connect: Open) -> None:
    control_room = connect("control-room")
    control_room.subscribe("lfr/#")
    forger = connect("van-08", will=("lfr/v1/van-07/state", b"forged"))
    honest = connect("van-07", will=("lfr/v1/van-07/state", b"gone"))
    forger.vanish()
    honest.vanish()
    control_room.wait_for(b"gone")
    assert control_room.payloads == [b"gone"]


@pytest.mark.parametrize("cn", PEOPLE)
def test_who_is_no_van_has_no_topics_of_a_van(connect: Open, cn: str) -> None:
    witnesses = {witness: connect(witness) for witness in (*PEOPLE, *VANS)}
    for peer in witnesses.values():
        peer.subscribe("#")
    answers = {witnesses[cn].publish(f"lfr/v1/{cn}/{level}", b"as a van") for level in SAID}
    mark_the_end(witnesses)
    assert answers == {NOT_AUTHORIZED}
    assert {payload for peer in witnesses.values() for payload in peer.payloads} == {b"end"}


@pytest.mark.parametrize("claim", ["van-07", "control-room"])
def test_a_claimed_user_name_counts_for_nothing_beside_the_certificate(connect: Open, claim: str) -> None:
    van_08 = connect("van-08", username=claim)
    van_08.subscribe("#")
    van_07, console = connect("van-07"), connect("console-example")
    van_07.publish("lfr/v1/van-07/evt/match", b"event")
    console.publish("lfr/v1/van-07/cmd/narrow", b"command")
    console.publish("lfr/v1/van-08/cmd/narrow", b"end")
    van_08.wait_for(b"end")
    assert van_08.payloads == [b"end"]
    assert van_08.publish("lfr/v1/van-07/state", b"forged") == NOT_AUTHORIZED


@pytest.mark.parametrize("cn", ["+", "#"])
def test_a_certificate_named_like_a_wildcard_opens_nothing(connect: Open, cn: str) -> None:
    wild, van_07, console = connect(cn), connect("van-07"), connect("console-example")
    wild.subscribe("#")
    van_07.subscribe("#")
    console.publish("lfr/v1/van-07/cmd/narrow", b"command")
    console.publish("lfr/v1/van-07/cmd/operate", b"command")
    van_07.publish("lfr/v1/van-07/state", b"state", retain=True)
    answers = {wild.publish(topic, b"wild") for topic in OF_VAN_07}
    wild.subscribe("lfr/v1/+/state")  # its answer comes after what was queued for it
    assert wild.heard == []
    assert answers == {NOT_AUTHORIZED}


def test_one_who_calls_itself_van_07_neither_ends_its_connection_nor_takes_its_messages(connect: Open) -> None:
    van_07 = connect("van-07", session_s=600)
    van_07.subscribe("lfr/v1/van-07/cmd/+")
    hijacker = connect("van-08", client_id="van-07", session_s=600)
    hijacker.subscribe("lfr/v1/van-07/cmd/+")
    console = connect("console-example")
    console.publish("lfr/v1/van-07/cmd/narrow", b"command")
    van_07.wait_for(b"command")
    assert (hijacker.found_session, hijacker.heard) == (False, [])
    assert not van_07.lost.is_set()


def test_one_who_calls_itself_van_07_does_not_inherit_what_waits_for_it(mosquitto: Mosquitto, connect: Open) -> None:
    with Peer(mosquitto, "van-07", session_s=600) as van_07:
        van_07.subscribe("lfr/v1/van-07/cmd/+")
    connect("console-example").publish("lfr/v1/van-07/cmd/narrow", b"command")
    hijacker = connect("van-08", client_id="van-07", session_s=600)
    hijacker.subscribe("lfr/v1/van-07/cmd/+")
    back = connect("van-07", session_s=600)
    back.wait_for(b"command")
    assert (hijacker.found_session, hijacker.heard) == (False, [])
    assert back.found_session


def test_two_connections_of_one_certificate_are_one_session(connect: Open) -> None:
    watching = connect("console-example", client_id="watching")
    connect("console-example", client_id="commanding")
    wait_until(watching.lost.is_set, "the end of the first")


def test_a_person_is_let_in_by_the_command_that_the_file_shows(mosquitto: Mosquitto, connect: Open) -> None:
    acl = mosquitto.acl.read_text("utf-8")
    (command,) = [line.strip("# ") for line in acl.splitlines() if line.startswith("#     sed ")]
    subprocess.run(["bash", "-c", command], cwd=mosquitto.acl.parent, check=True)
    mosquitto.reload()
    ada, van_07 = connect("console-ada"), connect("van-07")
    ada.subscribe("lfr/#")
    van_07.subscribe("lfr/#")
    assert ada.publish("lfr/v1/van-07/cmd/narrow", b"command") != NOT_AUTHORIZED
    assert ada.publish("lfr/v1/console-ada/state", b"as a van") == NOT_AUTHORIZED
    van_07.wait_for(b"command")
    van_07.publish("lfr/v1/van-07/evt/match", b"event")
    ada.wait_for(b"event")


@pytest.mark.parametrize("cn", ["van-07", "console-example"])
def test_two_lines_in_the_acl_silence_one_who_is_connected_at_once(
    mosquitto: Mosquitto, connect: Open, cn: str
) -> None:
    peers = {name: connect(name) for name in ("van-07", "van-08", "console-example", "auditor-example")}
    for peer in peers.values():
        peer.subscribe("lfr/#")
    with mosquitto.acl.open("a") as acl:
        acl.write(f"\nuser {cn}\ntopic deny #\n")
    mosquitto.reload()
    answers = {peers[cn].publish(topic, b"unheard") for topic in OF_VAN_07}
    peers["van-08"].publish("lfr/v1/van-08/state", b"end")
    peers["auditor-example"].wait_for(b"end")
    assert answers == {NOT_AUTHORIZED}
    assert [name for name, peer in peers.items() if b"unheard" in peer.payloads] == []
    assert peers[cn].heard == []


def test_every_person_in_the_shipped_file_is_denied_the_topics_of_a_van_of_that_name() -> None:
    text = (Path(__file__).parents[2] / "ota/broker/acl").read_text("utf-8")
    blocks = [block.splitlines() for block in text.split("\n\n") if block.startswith("user ")]
    assert tuple(block[0].split()[1] for block in blocks) == PEOPLE
    assert [block[1].split() for block in blocks] == [["topic", "deny", f"lfr/v1/{cn}/#"] for cn in PEOPLE]
