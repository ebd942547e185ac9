"""The mailbox without a socket: what goes out when, and what becomes of what comes in."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pyrage
import pytest

from firmware import envelope, wire
from firmware.match.mailbox import STATE_EVERY_S, WAITING_MAX, Mailbox
from firmware.messages import Answer, State
from firmware.wire import Linked, Publish, Sent
from tests.keyring import KEYRING
from tests.match.desk import Bureau
from tests.match.orders_given import Console, heard


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Story:
    """A bureau, and a link that does as it is told."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.bureau = Bureau(KEYRING.write(folder), self.clock)
        self.mailbox: Mailbox = self.bureau.mailbox
        self.console = Console(KEYRING, boot=self.bureau.boot)

    def connect(self, *, connected: bool = True, reason: str = "") -> None:
        self.hear(Linked(connected=connected, connections=1, overflowed=7, reason=reason))

    def hear(self, message: wire.FromLink) -> None:
        self.mailbox.hear(message, self.clock.now_s)

    def send(self, *, answered: bool = True) -> list[Publish]:
        """What goes out now."""
        out = [message for message in self.mailbox.outgoing(self.clock.now_s) if isinstance(message, Publish)]
        for message in out if answered else ():
            self.hear(Sent(message.ref, 0))
        return out

    def sent(self, channel: str) -> list[Publish]:
        return [message for message in self.send() if message.channel == channel]

    def order(self, cmd: str, *holders: str, **changed: object) -> None:
        self.hear(self.console.says(cmd, *holders, mode=self.bureau.orders.mode, **{"exp_up": 160.0, **changed}))
        self.bureau.carry_out()


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    story = Story(tmp_path)
    with contextlib.closing(story.bureau.outbox):
        yield story


def states(sent: list[Publish]) -> list[State]:
    return [
        msgspec.json.decode(envelope.read(message.payload).payload, type=State)
        for message in sent
        if message.channel == "state"
    ]


def answers(sent: list[Publish]) -> list[Answer]:
    return [
        msgspec.json.decode(envelope.read(message.payload).payload, type=Answer)
        for message in sent
        if message.channel == "rsp"
    ]


def test_nothing_goes_out_before_link_says_that_the_broker_is_there(story: Story) -> None:
    story.bureau.say()
    assert story.send() == []
    assert story.mailbox.alarms() == ("link is not there",)
    story.connect(connected=False, reason="refused")
    assert story.send() == []
    assert story.mailbox.alarms() == ("no broker: refused",)
    story.connect()
    assert [message.channel for message in story.send()] == ["state", "health", "match"]
    assert story.mailbox.alarms() == ()


def test_a_row_goes_only_with_the_receipt_of_the_control_room(story: Story) -> None:
    event = story.bureau.say()
    story.connect()
    story.send()
    story.hear(Console(KEYRING).receipt(event, by="operator-1"))
    story.send()
    assert story.bureau.outbox.count() == 1
    story.hear(story.console.receipt(event))
    story.send()
    assert story.bureau.outbox.count() == 0
    assert story.mailbox.snapshot().counters.receipted == 1
    assert story.mailbox.snapshot().counters.refused == {"not the control room": 1}


def test_a_receipt_that_comes_twice_counts_once(story: Story) -> None:
    event = story.bureau.say()
    story.connect()
    for _ in range(2):
        story.hear(story.console.receipt(event))
        story.send()
    assert story.mailbox.snapshot().counters.receipted == 1


def test_the_state_is_said_at_every_change_and_every_few_seconds_and_never_twice_at_a_time(story: Story) -> None:
    story.connect()
    first = story.send(answered=False)
    story.clock.now_s += 2 * STATE_EVERY_S
    assert states(story.send()) == [], "the broker has not answered the last one"
    story.hear(Sent(-1, 0))
    assert len(states(story.send())) == 1
    assert states(story.send()) == []
    story.order("pause", "operator-1")
    (paused,) = states(story.send())
    assert (states(first)[0].mode, paused.mode) == ("seeing", "paused")
    assert paused.n > states(first)[0].n
    assert story.send() == []
    assert story.mailbox.next_due_s(story.clock.now_s) == story.clock.now_s + STATE_EVERY_S


def test_nobody_turns_in_circles_while_there_is_nothing_to_send(story: Story) -> None:
    story.bureau.say()
    story.connect(connected=False, reason="nobody answers")
    for _ in range(3):
        story.clock.now_s += 60.0
        story.send()
        assert story.mailbox.next_due_s(story.clock.now_s) > story.clock.now_s
    story.connect()
    story.send(answered=False)
    story.clock.now_s += 60.0
    story.send(answered=False)
    assert story.mailbox.next_due_s(story.clock.now_s) > story.clock.now_s, "the broker leaves all of it unanswered"


def test_after_a_new_connection_the_state_is_said_at_once(story: Story) -> None:
    story.connect()
    story.send()
    story.mailbox.link_went()
    story.connect()
    assert len(states(story.send())) == 1


def test_a_command_is_carried_out_written_down_and_answered(story: Story) -> None:
    story.connect()
    story.send()
    story.order("pause", "operator-1")
    sent = story.send()
    (answer,) = answers(sent)
    assert (answer.outcome, answer.mode, answer.boot) == ("done", "paused", story.bureau.boot)
    assert [message.channel for message in sent if message.channel == "audit"] == ["audit"]
    assert [message.tail for message in sent if message.channel == "rsp"] == [answer.id]
    assert story.mailbox.snapshot().counters.commands == 1


def test_the_same_command_again_gets_the_same_answer_and_is_written_down_once(story: Story) -> None:
    story.connect()
    story.send()
    said = story.console.says("pause", "operator-1", exp_up=160.0)
    for _ in range(2):
        story.hear(said)
        story.bureau.carry_out()
    sent = [message for message in story.send() if message.channel in {"rsp", "audit"}]
    assert [message.channel for message in sent] == ["rsp", "rsp", "audit"]
    assert sent[0].payload == sent[1].payload


def test_who_is_one_does_not_lift_a_lock_that_was_heard_in_the_same_moment(story: Story) -> None:
    story.connect()
    story.send()
    story.hear(story.console.says("lock", "operator-1", exp_up=160.0))
    story.hear(story.console.says("resume", "operator-1", exp_up=160.0))
    story.bureau.carry_out()
    assert story.bureau.orders.mode == "locked"
    assert [(answer.outcome, answer.why) for answer in answers(story.send())] == [
        ("done", ""),
        ("refused", "signatures"),
    ]


def test_a_command_whose_time_is_over_when_its_turn_comes_is_not_carried_out(story: Story) -> None:
    story.connect()
    story.send()
    story.hear(story.console.says("resume", "operator-1", exp_up=160.0))
    story.clock.now_s = 161.0
    story.bureau.carry_out()
    assert [(answer.outcome, answer.why) for answer in answers(story.send())] == [("refused", "expired")]


def test_a_refused_command_that_is_replayed_for_ever_is_told_and_written_down_once(story: Story) -> None:
    story.connect()
    story.send()
    late = story.console.says("pause", "operator-1", exp_up=1.0)
    for _ in range(200):
        story.clock.now_s += 0.1
        story.hear(late)
    assert story.mailbox.snapshot().counters.refused == {"expired": 200}
    assert story.bureau.outbox.count() == 1
    assert len(answers(story.send())) == 1


def test_a_refusal_is_told_to_who_signed_well_and_written_down(story: Story) -> None:
    story.connect()
    story.send()
    story.order("pause", "operator-1", exp_up=1.0)
    sent = story.send()
    assert [(answer.outcome, answer.why) for answer in answers(sent)] == [("refused", "expired")]
    assert len([message for message in sent if message.channel == "audit"]) == 1
    assert story.bureau.orders.mode == "seeing"


def test_who_signed_nothing_gets_no_answer_and_no_record(story: Story) -> None:
    story.connect()
    story.send()
    story.hear(heard(b"purge!"))
    assert story.send() == []
    assert story.bureau.orders.mode == "seeing"


def test_commands_that_nobody_carries_out_are_bounded(story: Story) -> None:
    story.connect()
    holders = itertools.cycle(["operator-1", "operator-2"])
    for _ in range(WAITING_MAX + 3):
        story.clock.now_s += 0.1
        story.hear(story.console.says("status", next(holders), exp_up=160.0))
    assert [answer.why for answer in answers(story.send())] == ["too many at once"] * 3
    story.bureau.carry_out()
    assert len(answers(story.send())) == WAITING_MAX


def test_numbers_of_events_and_records_have_no_gap(story: Story) -> None:
    story.bureau.say()
    story.order("pause", "operator-1")
    story.bureau.say()
    assert story.bureau.voice.last_sequence == 3
    story.connect()
    (state,) = states(story.send())
    assert state.last_sequence == 3
    assert state.counters.waiting == 3
    assert state.counters.heard_dropped == 7


def test_a_receipt_that_cannot_be_written_down_is_kept_and_said(story: Story) -> None:
    event = story.bureau.say()
    story.connect()
    story.send()
    story.bureau.outbox._db._db.execute("PRAGMA query_only = ON")
    story.hear(story.console.receipt(event))
    story.send()
    assert any("cannot be deleted" in alarm for alarm in story.mailbox.alarms())
    assert story.bureau.outbox.count() == 1
    story.bureau.outbox._db._db.execute("PRAGMA query_only = OFF")
    story.send()
    assert story.bureau.outbox.count() == 0
    assert story.mailbox.alarms() == ()


def test_a_day_after_the_deployments_end_what_nobody_took_is_deleted_counted_and_said(
    tmp_path: Path,
) -> None:
    story = Story(tmp_path)
    with contextlib.closing(story.bureau.outbox):
        story.bureau.say()
        story.order("stop", "operator-1")
        story.bureau.outbox._clock = lambda: 4e9
        story.connect()
        story.clock.now_s += 10
        (state,) = states(story.send())
    assert (state.counters.expired_unreceipted, state.counters.waiting) == (2, 0)


def test_a_broker_that_is_away_for_ten_minutes_gets_everything_in_order_and_memory_is_bounded(story: Story) -> None:
    """Ten minutes in which 5,000 events are decided; the broker's answers and the receipts come a moment later."""
    story.connect(connected=False, reason="nobody answers")
    stored = []
    for _ in range(600):
        story.clock.now_s += 1.0
        stored += [story.bureau.say(200) for _ in range(8)]
        assert story.send() == []
    assert len(story.mailbox._answers) + len(story.mailbox._acked) + story.mailbox._dispatch.flying == 0
    assert len(story.mailbox._dispatch._unreceipted) == 0, "what is not sent lies on disk only"
    story.connect()
    back_s, received = story.clock.now_s, []
    while ids := [opened(message.payload) for message in story.sent("match")]:
        received += ids
        story.clock.now_s += 0.01
        story.hear(story.console.receipt(*ids))
    assert received == stored
    assert story.bureau.outbox.count() == 0
    assert story.clock.now_s - back_s < 5.0


def opened(sealed: bytes) -> str:
    plain = pyrage.decrypt(envelope.read(sealed).payload, [KEYRING.reader])
    return str(msgspec.json.decode(plain)["id"])
