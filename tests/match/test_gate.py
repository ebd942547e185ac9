"""The gate: what a hostile broker, network or link may try, and what an operator may do."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware import envelope
from firmware.log import Log
from firmware.match.gate import MOST_A_MINUTE, MOST_A_SECOND, REMEMBERED, Again, Gate, Order, Refused
from firmware.messages import MAX_COMMAND_BYTES, MAX_LIFETIME_S, Command
from firmware.policy.trust import load_policy
from firmware.wire import Heard
from tests.keyring import Keyring
from tests.match.orders_given import BOOT, VAN, Console, heard

KEYRING = Keyring()


class Uptime:
    """Seconds since this boot's start that pass only when told to."""

    def __init__(self) -> None:
        self.now_s = 10.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def uptime() -> Uptime:
    return Uptime()


@pytest.fixture
def log() -> StringIO:
    return StringIO()


@pytest.fixture
def gate(tmp_path: Path, uptime: Uptime, log: StringIO) -> Gate:
    return Gate(VAN, BOOT, KEYRING.policy(tmp_path), Log("match", log), uptime)


@pytest.fixture
def console() -> Console:
    return Console(KEYRING)


def why(found: object) -> str:
    assert isinstance(found, Refused), found
    return found.why


def test_an_operators_command_passes_with_who_gave_it(gate: Gate, console: Console) -> None:
    order = gate.hear(console.says("pause", "operator-1"), "seeing")
    assert isinstance(order, Order)
    assert (order.name, order.by) == ("pause", frozenset({KEYRING.keyid("operator-1")}))
    assert not gate.refused


def test_a_replayed_command_is_answered_again_and_not_carried_out_again(gate: Gate, console: Console) -> None:
    said = console.says("pause", "operator-1")
    order = gate.hear(said, "seeing")
    assert gate.hear(said, "seeing") == Again(order.command.id, None)  # type: ignore[union-attr]  # it is an order
    gate.answered(order, b"the answer")  # type: ignore[arg-type]
    assert gate.hear(said, "paused") == Again("command-000001", b"the answer")
    assert not gate.refused


def test_an_answer_that_is_no_longer_remembered_is_refused_by_its_counter(
    gate: Gate, console: Console, uptime: Uptime
) -> None:
    first = console.says("status", "operator-1", exp_up=300.0)
    gate.hear(first, "seeing")
    holders = itertools.cycle(["operator-1", "operator-2", "authoriser-1", "maintainer-1"])
    for _ in range(REMEMBERED):
        uptime.now_s += 0.6
        assert isinstance(gate.hear(console.says("status", next(holders), exp_up=300.0), "seeing"), Order)
    assert why(gate.hear(first, "seeing")) == "counter"


def twice(console: Console, holder: str) -> Heard:
    said = json.loads(console.signed(console.command("resume"), holder))
    said["signatures"] *= 2
    return heard(json.dumps(said).encode(), "release")


def retyped(console: Console, kind: str) -> Heard:
    payload = msgspec.json.encode(console.command("pause"))
    return heard(envelope.sign(payload, envelope.PayloadType(kind), KEYRING.people["operator-1"]))


def relabelled(console: Console) -> Heard:
    said = json.loads(retyped(console, "application/vnd.kerbside.receipt.v1+json").payload)
    said["payloadType"] = envelope.COMMAND
    return heard(json.dumps(said).encode())


def edited(console: Console) -> Heard:
    said = envelope.read(console.signed(console.command("pause"), "operator-1"))
    changed = said.payload.replace(b"pause", b"purge")
    return heard(msgspec.json.encode(msgspec.structs.replace(said, payload=changed)))


def unsigned(console: Console) -> Heard:
    said = json.loads(console.signed(console.command("pause"), "operator-1"))
    return heard(json.dumps({**said, "signatures": []}).encode())


def wrapped(payload: bytes) -> Heard:
    return heard(envelope.sign(payload, envelope.COMMAND, KEYRING.people["operator-1"]))


def with_field(console: Console) -> Heard:
    return wrapped(json.dumps({**msgspec.to_builtins(console.command("pause")), "shell": "rm"}).encode())


Attack = Callable[[Console], Heard]
ATTACKS: dict[str, tuple[str, Attack]] = {
    "retained by the broker": (
        "retained",
        lambda c: msgspec.structs.replace(c.says("pause", "operator-1"), retained=True),
    ),
    "an old counter": ("counter", lambda c: c.says("pause", "operator-1", ctr=0)),
    "a key that nobody knows": ("signatures", lambda c: Console(Keyring()).says("pause", "operator-1")),
    "for another van": ("wrong van", lambda c: c.says("pause", "operator-1", van="van-08")),
    "one of two signatures": ("signatures", lambda c: c.says("resume", "operator-1", mode="locked")),
    "the same key twice": ("signatures", lambda c: twice(c, "operator-1")),
    "two operators and no authoriser": (
        "signatures",
        lambda c: c.says("resume", "operator-1", "operator-2", mode="locked"),
    ),
    "late": ("expired", lambda c: c.says("pause", "operator-1", exp_up=9.9)),
    "recorded before a restart": ("wrong boot", lambda c: c.says("pause", "operator-1", boot="f" * 32)),
    "another type": ("wrong type", lambda c: retyped(c, "application/vnd.kerbside.receipt.v1+json")),
    "a type that was changed after signing": ("signatures", relabelled),
    "changed after signing": ("signatures", edited),
    "without a signature": ("malformed", unsigned),
    "too large": ("too large", lambda c: heard(b"x" * (MAX_COMMAND_BYTES + 1))),
    "no envelope": ("malformed", lambda c: heard(b"pause!")),
    "no command inside": ("malformed", lambda c: wrapped(b'{"cmd": "pause"}')),
    "an id with a line feed": ("malformed", lambda c: c.says("pause", "operator-1", id="command-1\n")),
    "a field that does not exist": ("malformed", with_field),
    "a command that does not exist": ("unknown command", lambda c: c.says("export", "operator-1")),
    "a lower threshold": ("unknown command", lambda c: c.says("lower-threshold", "operator-1")),
    "a new entry": ("unknown command", lambda c: c.says("add-entry", "operator-1")),
    "a shell": ("unknown command", lambda c: c.says("shell", "operator-1")),
    "a maintainer who would look": ("signatures", lambda c: c.says("resume", "maintainer-1")),
    "a control room that commands": ("signatures", lambda c: c.says("pause", "control-room-1")),
    "on another class's topic": (
        "wrong class",
        lambda c: msgspec.structs.replace(c.says("reboot", "maintainer-1"), tail="narrow"),
    ),
    "arguments that it has not": ("bad arguments", lambda c: c.says("pause", "operator-1", args={"until": 3.0})),
    "no argument": ("bad arguments", lambda c: c.says("raise-threshold", "operator-1")),
    "a threshold beyond a cosine": (
        "bad arguments",
        lambda c: c.says("raise-threshold", "operator-1", args={"threshold": 1.01}),
    ),
    "valid for a year": ("lasts too long", lambda c: c.says("pause", "operator-1", exp_up=11.0 + MAX_LIFETIME_S)),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_refused_counted_and_logged_with_its_reason(
    gate: Gate, console: Console, log: StringIO, attack: str
) -> None:
    assert isinstance(gate.hear(console.says("status", "operator-1"), "seeing"), Order)
    reason, make = ATTACKS[attack]
    mode = "locked" if "two" in attack or "twice" in attack else "seeing"
    assert why(gate.hear(make(console), mode)) == reason
    assert gate.refused == {reason: 1}
    (line,) = [json.loads(text) for text in log.getvalue().splitlines()]
    assert (line["kind"], line["reason"], line["count"]) == ("alarm", reason, 1)


def test_two_people_with_the_right_roles_release_a_locked_van(gate: Gate, console: Console) -> None:
    order = gate.hear(console.says("resume", "operator-1", "authoriser-1", mode="locked"), "locked")
    assert isinstance(order, Order)
    assert order.by == {KEYRING.keyid("operator-1"), KEYRING.keyid("authoriser-1")}


def test_two_keys_of_one_holder_are_one(tmp_path: Path, uptime: Uptime, console: Console) -> None:
    second = KEYRING.people["authoriser-1"]
    folder = Keyring(KEYRING.van, KEYRING.reader, {**KEYRING.people, "authoriser-1": Keyring().van}).write(
        tmp_path, [{"holder": "operator-1", "roles": ["authoriser"], "public": envelope.public_hex(second)}]
    )
    gate = Gate(VAN, BOOT, load_policy(folder / "policy"), Log("match", StringIO()), uptime)
    said = console.says("resume", "operator-1", "authoriser-1", mode="locked")
    assert why(gate.hear(said, "locked")) == "signatures"


def test_a_counter_counts_for_each_key_alone(gate: Gate, console: Console) -> None:
    assert isinstance(gate.hear(console.says("status", "operator-1", ctr=100), "seeing"), Order)
    assert isinstance(gate.hear(console.says("status", "operator-2", ctr=5), "seeing"), Order)
    assert why(gate.hear(console.says("status", "operator-2", ctr=5), "seeing")) == "counter"
    assert isinstance(gate.hear(console.says("status", "operator-2", ctr=6), "seeing"), Order)


def test_a_refused_command_does_not_use_its_counter_up(gate: Gate, console: Console, uptime: Uptime) -> None:
    assert why(gate.hear(console.says("pause", "operator-1", ctr=9, boot="e" * 32), "seeing")) == "wrong boot"
    assert isinstance(gate.hear(console.says("pause", "operator-1", ctr=9), "seeing"), Order)


def test_a_command_lasts_until_its_uptime_and_no_longer(gate: Gate, console: Console, uptime: Uptime) -> None:
    uptime.now_s = 60.0
    assert isinstance(gate.hear(console.says("status", "operator-1", exp_up=60.0), "seeing"), Order)
    uptime.now_s = 60.001
    assert why(gate.hear(console.says("status", "operator-1", exp_up=60.0), "seeing")) == "expired"


def test_another_command_under_a_used_id_is_refused(gate: Gate, console: Console) -> None:
    gate.hear(console.says("pause", "operator-1", id="command-x"), "seeing")
    said = console.says("purge", "operator-1", id="command-x")
    assert why(gate.hear(said, "seeing")) == "id used twice"


def test_who_signed_well_is_told_of_a_refusal_and_nobody_else(gate: Gate, console: Console) -> None:
    late = gate.hear(console.says("pause", "operator-1", exp_up=1.0), "seeing")
    assert isinstance(late, Refused)
    assert late.order is not None
    forged = gate.hear(Console(Keyring()).says("pause", "operator-1"), "seeing")
    assert isinstance(forged, Refused)
    assert forged.order is None


def test_a_flood_of_envelopes_is_not_checked_and_does_not_flood_the_log(
    gate: Gate, console: Console, log: StringIO, uptime: Uptime
) -> None:
    forged = Console(Keyring()).says("pause", "operator-1")
    for _ in range(500):
        gate.hear(forged, "seeing")
    said = console.says("pause", "operator-1")
    assert why(gate.hear(said, "seeing")) == "too many"
    uptime.now_s += 1.0
    assert isinstance(gate.hear(said, "seeing"), Order)
    gate.hear(forged, "seeing")
    most = MOST_A_SECOND["cmd"]
    assert gate.refused == {"signatures": most + 1, "too many": 501 - most}
    lines = [json.loads(text) for text in log.getvalue().splitlines()]
    assert [(line["reason"], line["count"]) for line in lines] == [
        ("signatures", 1),
        ("too many", 1),
        ("signatures", most + 1),
    ]


def test_a_flood_of_rubbish_holds_up_no_command(gate: Gate, console: Console) -> None:
    for _ in range(500):
        gate.hear(heard(b"rubbish"), "seeing")
    assert isinstance(gate.hear(console.says("purge", "operator-1"), "seeing"), Order)


def test_one_key_that_orders_without_end_is_held_up_and_no_other(gate: Gate, console: Console, uptime: Uptime) -> None:
    uptime.now_s = 60.0
    for _ in range(MOST_A_MINUTE):
        uptime.now_s += 0.5
        assert isinstance(gate.hear(console.says("status", "operator-1", exp_up=200.0), "seeing"), Order)
    assert why(gate.hear(console.says("status", "operator-1", exp_up=200.0), "seeing")) == "too many"
    assert isinstance(gate.hear(console.says("purge", "operator-2", exp_up=200.0), "seeing"), Order)
    uptime.now_s = 120.0
    assert isinstance(gate.hear(console.says("status", "operator-1", exp_up=200.0), "seeing"), Order)


def test_refusals_are_told_so_often_and_no_more(gate: Gate, console: Console, uptime: Uptime) -> None:
    told = 0
    for _ in range(3 * MOST_A_MINUTE):
        uptime.now_s = 60.0 + (uptime.now_s + 0.3) % 60.0
        refused = gate.hear(console.says("pause", "operator-1", van="van-08"), "seeing")
        assert isinstance(refused, Refused)
        told += refused.order is not None
    assert told == MOST_A_MINUTE


def test_of_two_signers_both_counters_rise(gate: Gate, console: Console) -> None:
    release = console.says("resume", "operator-1", "authoriser-1", mode="locked", ctr=50)
    assert isinstance(gate.hear(release, "locked"), Order)
    for holder in ("operator-1", "authoriser-1"):
        assert why(gate.hear(console.says("pause", holder, ctr=50), "locked")) == "counter"
        assert isinstance(gate.hear(console.says("pause", holder, ctr=51), "locked"), Order)


def test_a_flood_of_commands_holds_up_no_receipt(gate: Gate, console: Console) -> None:
    forged = Console(Keyring()).says("pause", "operator-1")
    for _ in range(100):
        gate.hear(forged, "seeing")
    assert gate.receipt(console.receipt("event-0001")) == ("event-0001",)


def test_a_receipt_of_the_control_room_counts(gate: Gate, console: Console) -> None:
    assert gate.receipt(console.receipt("event-0001", "event-0002")) == ("event-0001", "event-0002")


def test_a_receipt_that_is_replayed_is_not_looked_into_again(gate: Gate, console: Console) -> None:
    said = console.receipt("event-0001")
    assert gate.receipt(said) == ("event-0001",)
    assert [gate.receipt(said) for _ in range(3)] == [(), (), ()]
    assert gate.receipt(console.receipt("event-0001", "event-0002")) == ("event-0001", "event-0002")
    assert not gate.refused


@pytest.mark.parametrize(
    ("reason", "make"),
    [
        ("not the control room", lambda c: c.receipt("event-0001", by="operator-1")),
        ("not the control room", lambda c: Console(Keyring()).receipt("event-0001")),
        ("wrong van", lambda c: c.receipt("event-0001", van="van-08")),
        ("retained", lambda c: msgspec.structs.replace(c.receipt("event-0001"), retained=True)),
        ("too large", lambda c: heard(b"x" * 9_000, "event-0001", "ack")),
        ("malformed", lambda c: heard(b"thanks", "event-0001", "ack")),
        ("wrong type", lambda c: msgspec.structs.replace(c.says("status", "operator-1"), channel="ack")),
    ],
)
def test_a_receipt_of_anybody_else_deletes_nothing(gate: Gate, console: Console, reason: str, make: Attack) -> None:
    assert gate.receipt(make(console)) == ()
    assert gate.refused == {reason: 1}


def mutated() -> st.SearchStrategy[bytes]:
    """Envelopes of real commands with bytes changed, cut, doubled or put in; and anything else."""
    console = Console(KEYRING)
    real = [
        console.signed(console.command(cmd, van="van-08"), "operator-1", "authoriser-1")
        for cmd in ("pause", "resume", "stop", "purge", "lock", "reboot", "raise-threshold")
    ]
    whole = st.sampled_from(real)
    cut = st.tuples(whole, st.integers(0, 900), st.integers(0, 900)).map(lambda t: t[0][: t[1]] + t[0][t[2] :])
    flipped = st.tuples(whole, st.integers(0, 500), st.integers(1, 255)).map(
        lambda t: bytes(byte ^ (t[2] if at == t[1] else 0) for at, byte in enumerate(t[0]))
    )
    stuffed = st.tuples(whole, st.integers(0, 500), st.binary(max_size=40)).map(
        lambda t: t[0][: t[1]] + t[2] + t[0][t[1] :]
    )
    nested = st.integers(1, 5_000).map(lambda depth: b'{"payload":' + b"[" * depth)
    anything = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    )
    shaped = st.fixed_dictionaries(
        {"payload": st.text(max_size=40) | anything, "payloadType": st.just(envelope.COMMAND) | st.text(max_size=20)},
        optional={"signatures": anything, "more": anything},
    )
    return st.one_of(
        st.binary(max_size=300), cut, flipped, stuffed, nested, anything.map(encoded), shaped.map(encoded)
    )  # fmt: skip


def encoded(value: object) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


def test_ten_thousand_random_and_mutated_envelopes_execute_nothing_and_crash_nothing(tmp_path: Path) -> None:
    uptime = Uptime()
    gate = Gate(VAN, BOOT, KEYRING.policy(tmp_path), Log("match", StringIO()), uptime)
    tried = 0

    @settings(max_examples=5_000, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(payload=mutated(), tail=st.sampled_from(["narrow", "operate", "release", "maintain", ""]))
    def offered(payload: bytes, tail: str) -> None:
        nonlocal tried
        uptime.now_s += 1.0
        assert isinstance(gate.hear(heard(payload, tail), "seeing"), Refused)
        assert gate.receipt(heard(payload, tail, "ack")) == ()
        tried += 2

    offered()
    assert tried >= 10_000
    assert gate.refused.total() == tried
    assert "too many" not in gate.refused


@settings(max_examples=200, deadline=None)
@given(
    fields=st.fixed_dictionaries(
        {},
        optional={
            "ctr": st.integers(-5, 2**60),
            "exp_up": st.floats(allow_nan=False),
            "id": st.text(max_size=10),
            "args": st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=2),
            "reason": st.text(max_size=10),
            "boot": st.text(max_size=40),
        },
    )
)
def test_a_well_signed_command_with_any_field_is_an_order_or_a_refusal(
    tmp_path_factory: pytest.TempPathFactory, fields: dict[str, object]
) -> None:
    gate = Gate(VAN, BOOT, KEYRING.policy(tmp_path_factory.mktemp("policy")), Log("match", StringIO()), Uptime())
    plain = msgspec.to_builtins(Console(KEYRING).command("pause"))
    found = gate.hear(wrapped(encoded({**plain, **fields})), "seeing")
    assert isinstance(found, Order | Refused)
    if isinstance(found, Order):
        assert 10.0 <= found.command.exp_up <= 10.0 + MAX_LIFETIME_S
        assert isinstance(found.command, Command)
