"""The ends of the fleet bench: what a simulated van believes, what the control room takes, who may connect when."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner

from firmware import envelope
from firmware.bench import BenchError
from firmware.bench.fleet_broker import Mosquitto, free_port
from firmware.bench.fleet_line import AT_ONCE, Door, Line
from firmware.bench.fleet_loop import Loop
from firmware.bench.fleet_papers import FleetSpec, Plan, prepare
from firmware.bench.fleet_room import MOST_IDS, Room, receipts
from firmware.bench.fleet_van import Tally, Van
from firmware.envelope import PayloadType
from firmware.messages import Hint, Receipt
from tests.bench.mosquitto import needs_mosquitto

A, B = "van-0000", "van-0001"
EVENT, EVENT_OF_B = f"{A}-00000000", f"{B}-00000000"
STRANGE = CryptoSigner(Ed25519PrivateKey.from_private_bytes(bytes(32)))


@pytest.fixture(scope="module")
def plan() -> Plan:
    return prepare(FleetSpec(vans=2, seconds=1, events_per_minute=0.0), lambda *_: None)


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


def receipt(van: str, signer: CryptoSigner, payload_type: PayloadType = envelope.RECEIPT) -> bytes:
    return envelope.sign(msgspec.json.encode(Receipt(v=1, van=van, ids=(EVENT,))), payload_type, signer)


def hears(van: Van, payload: bytes, *, retained: bool = False) -> None:
    van.line.on_message("", payload, retained)


@pytest.fixture
def tally() -> Tally:
    return Tally()


@pytest.fixture
def van(plan: Plan, loop: Loop, tally: Tally) -> Van:
    """With one event told, without a connection."""
    van = Van(plan.papers[0], Door(loop, free_port(), lambda: 0.0), plan.room.public_key, tally)
    van.say_event()
    return van


def test_a_van_keeps_an_event_until_the_control_rooms_receipt(plan: Plan, van: Van, tally: Tally) -> None:
    assert (van.waiting, tally.events, tally.receipted) == (1, 1, 0)
    hears(van, receipt(A, plan.room))
    hears(van, receipt(A, plan.room))
    assert (van.waiting, tally.receipted, len(tally.latency_s), tally.refused) == (0, 1, 1, 0)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    broker = Mosquitto(tmp_path, 10)
    broker.start()
    yield broker
    broker.stop()


@needs_mosquitto
def test_what_was_told_without_a_connection_goes_out_with_the_next_one(
    plan: Plan, loop: Loop, broker: Mosquitto
) -> None:
    assert loop.until(broker.listens, 20.0)
    door, heard = Door(loop, broker.port, lambda: 0.0), list[tuple[str, bytes]]()
    listener = Line(door, "listener", (match(A),))
    listener.on_message = lambda name, payload, _retained: heard.append((name, payload))
    listener.open()
    assert loop.until(lambda: listener.up, 20.0)
    van = Van(plan.papers[0], door, plan.room.public_key, Tally())
    van.say_event()
    van.line.open()
    assert loop.until(lambda: len(heard) == 1, 20.0)
    assert heard == [(match(A), plan.papers[0].events[0][1])]
    for line in (van.line, listener):
        line.close()


def test_a_van_believes_no_other_receipt(plan: Plan, van: Van, tally: Tally) -> None:
    not_believed = (
        (receipt(A, STRANGE), False),
        (receipt(B, plan.room), False),
        (receipt(A, plan.room, envelope.COMMAND), False),
        (receipt(A, plan.room), True),
        (receipt(A, plan.room)[:-9], False),
        (envelope.sign(b"{}", envelope.RECEIPT, plan.room), False),
        (b"\xff", False),
    )
    for payload, retained in not_believed:
        hears(van, payload, retained=retained)
    assert (van.waiting, tally.receipted, tally.refused) == (1, 0, len(not_believed))


@pytest.fixture
def room(plan: Plan, tmp_path: Path) -> Iterator[Room]:
    keys = {papers.van: papers.sealer.signer.public_key for papers in plan.papers}
    with (tmp_path / "events").open("ab") as store:
        yield Room(keys, plan.reading_key, store)


def match(van: str) -> str:
    return f"lfr/v1/{van}/evt/match"


def state(van: str) -> str:
    return f"lfr/v1/{van}/state"


def test_the_control_room_stores_before_it_receipts_and_each_id_once(plan: Plan, room: Room, tmp_path: Path) -> None:
    (_, first), (_, of_b) = plan.papers[0].events[0], plan.papers[1].events[0]
    assert room.take([(match(A), first), (match(B), of_b)]) == {A: [EVENT], B: [EVENT_OF_B]}
    assert (tmp_path / "events").read_bytes() == first + b"\n" + of_b + b"\n"
    assert room.take([(match(A), first)]) == {A: [EVENT]}
    assert (tmp_path / "events").read_bytes().count(first) == 1
    assert (room.tally.events, room.tally.repeated, room.tally.refused) == (2, 1, 0)


def test_the_control_room_takes_nothing_else(plan: Plan, room: Room, tmp_path: Path) -> None:
    papers, other = plan.papers
    (_, sealed), signer = papers.events[0], papers.sealer.signer
    hidden = envelope.read(sealed).payload
    offered = [
        (match(B), sealed),
        (match("van-9999"), sealed),
        (match(A), envelope.sign(hidden, envelope.MATCH, STRANGE)),
        (match(A), envelope.sign(hidden, envelope.AUDIT, signer)),
        (match(A), envelope.sign(b"no age file", envelope.MATCH, signer)),
        (match(B), envelope.sign(hidden, envelope.MATCH, other.sealer.signer)),
        (match(A), papers.state(1, 0.0)),
        (state(B), envelope.sign(envelope.read(papers.state(1, 0.0)).payload, envelope.STATE, other.sealer.signer)),
        (match(A), b"{"),
    ]
    assert room.take(offered) == {}
    assert (room.tally.events, room.tally.states, room.tally.refused) == (0, 0, len(offered))
    assert (tmp_path / "events").read_bytes() == b""


def test_the_control_room_tells_new_states_from_old_ones_and_a_will_from_both(plan: Plan, room: Room) -> None:
    papers = plan.papers[0]
    will = msgspec.json.encode(Hint(boot=papers.boot))
    room.take([(state(A), payload) for payload in (papers.state(2, 0.0), papers.state(1, 0.0), will)])
    assert (room.tally.states, room.tally.old_states, room.tally.hints, room.tally.refused) == (1, 1, 1, 0)


def test_a_receipt_holds_a_hundred_ids_at_most(plan: Plan) -> None:
    ids = [f"{A}-{n:08}" for n in range(MOST_IDS + 1)]
    signed = receipts({A: ids, B: [EVENT_OF_B]}, plan.room)
    assert [name.removeprefix("lfr/v1/") for name, _ in signed] == [
        f"{A}/ack/{ids[0]}",
        f"{A}/ack/{ids[100]}",
        f"{B}/ack/{EVENT_OF_B}",
    ]
    found = [msgspec.json.decode(envelope.read(payload).payload, type=Receipt) for _, payload in signed]
    assert [one for receipt in found[:2] for one in receipt.ids] == ids


def test_timers_are_called_in_their_order_and_each_once(loop: Loop) -> None:
    called: list[str] = []
    loop.after(0.0, lambda: called.append("first"))
    loop.after(0.0, lambda: called.append("second"))
    assert loop.until(lambda: len(called) >= 2, 10.0)
    loop.turn(0.0)
    assert called == ["first", "second"]
    assert not loop.until(lambda: False, 0.0)


def test_a_line_without_a_broker_tries_again_and_holds_nobody_up(loop: Loop) -> None:
    tries: list[float] = []

    def chance() -> float:
        """Makes every wait the least one, and that one nothing."""
        tries.append(-1.0)
        return tries[-1]

    door = Door(loop, free_port(), chance)
    line = Line(door, "van-1", ("a",))
    line.open()
    assert loop.until(lambda: len(tries) > 20, 10.0)
    assert not line.publish("a", b"")
    line.close()
    assert loop.until(lambda: door.under_way == set(), 10.0)


def test_only_some_lines_shake_hands_at_a_time_and_none_while_it_is_shut(loop: Loop) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=2 * AT_ONCE) as deaf:
        door = Door(loop, deaf.getsockname()[1], lambda: 0.0, shut=True)
        lines = [Line(door, f"van-{n}", ("a",)) for n in range(AT_ONCE + 5)]
        for line in lines:
            line.open()
        assert door.under_way == set()
        door.unlock()
        assert door.under_way == {line.name for line in lines[:AT_ONCE]}
        for line in lines:
            line.close()


def test_a_broker_that_does_not_run_is_said_to_have_ended(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path, 10)
    (tmp_path / "mosquitto.log").write_text("Error: no such thing\n")
    with pytest.raises(BenchError, match="ended by itself\nError: no such thing"):
        broker.usage()
    assert not broker.listens()
    broker.stop()
