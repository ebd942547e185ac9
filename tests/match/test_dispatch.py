"""What is sent when, with a real outbox and a clock that passes only when told to."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware.log import Log
from firmware.match.dispatch import (
    ORDERLY_S,
    PROBE,
    RESEND_MAX_S,
    RESEND_S,
    UNANSWERED_MAX_S,
    UNHEARD_S,
    WINDOW,
    Dispatch,
)
from firmware.match.outbox import Outbox, Quota

NOBODY_SUBSCRIBED, NOT_AUTHORIZED = 0x10, 0x87


class Story:
    """A dispatch, its outbox, and a broker that does as it is told."""

    def __init__(self, outbox: Outbox) -> None:
        self.outbox = outbox
        self.dispatch = Dispatch(outbox)
        self.now_s = 100.0

    def store(self, count: int) -> list[str]:
        ids = [f"row-{self.outbox.count()}-{n}" for n in range(count)]
        for id_ in ids:
            self.outbox.append(id_, "match", b"x")
        return ids

    def connect(self) -> None:
        self.dispatch.connect(self.now_s)

    def send(self, code: int = 0) -> list[str]:
        """What is due now, answered by the broker."""
        rows = self.dispatch.due(self.now_s)
        for row in rows:
            self.dispatch.sent(row.seq, code, self.now_s)
        return [row.id for row in rows]

    def take(self) -> list[str]:
        """What is due now, not answered."""
        return [row.id for row in self.dispatch.due(self.now_s)]

    def receipt(self, ids: list[str]) -> None:
        self.dispatch.receipted(self.outbox.delete(ids))

    def passes(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with contextlib.closing(
        Outbox(tmp_path / "outbox.db", Quota(50, 0), "boot", Log("match", StringIO()), float)
    ) as box:
        yield box


@pytest.fixture
def story(outbox: Outbox) -> Story:
    return Story(outbox)


def test_nothing_is_sent_without_a_broker(story: Story) -> None:
    story.store(3)
    assert story.take() == []
    assert story.dispatch.next_due_s(story.now_s) == float("inf")


def test_everything_is_sent_once_in_order_and_no_more_than_the_window_unanswered(story: Story) -> None:
    ids = story.store(WINDOW + 10)
    story.connect()
    assert story.take() == ids[:WINDOW]
    assert story.take() == []
    for seq in range(1, 4):
        story.dispatch.sent(seq, 0, story.now_s)
    assert story.take() == ids[WINDOW : WINDOW + 3]


def test_the_brokers_word_deletes_nothing(story: Story) -> None:
    story.store(2)
    story.connect()
    story.send()
    assert story.outbox.count() == 2


def test_what_was_not_receipted_is_sent_again_ever_more_rarely_and_a_few_at_a_time(story: Story) -> None:
    ids = story.store(3 * PROBE)
    story.connect()
    assert story.send() == ids
    story.passes(RESEND_S - 0.1)
    assert story.send() == []
    times, sent = [], 0
    for _ in range(2_000):
        if again := story.send():
            times.append(story.now_s)
            sent += len(again)
            assert len(again) <= max(PROBE, 3 * PROBE if len(times) == 1 else 0)
        story.passes(0.5)
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert pauses[0] >= RESEND_S
    assert max(pauses) <= RESEND_MAX_S + 1
    assert sent < 30 * PROBE, "a broker that drops everything is not flooded"
    assert story.outbox.count() == 3 * PROBE


def test_a_new_row_is_sent_at_once_while_others_wait_for_their_receipts(story: Story) -> None:
    story.store(200)
    story.connect()
    while story.send():
        pass
    new = story.store(1)
    assert story.send() == new


def test_as_soon_as_receipts_come_all_that_is_overdue_is_sent_again(story: Story) -> None:
    ids = story.store(200)
    story.connect()
    while story.send():
        pass
    story.passes(300)
    story.send()
    story.passes(300)
    probe = story.send()
    assert len(probe) == PROBE
    again = []
    while probe:
        story.receipt(probe)
        again += probe
        probe = story.send()
    story.passes(RESEND_MAX_S)
    while probe := story.send():
        story.receipt(probe)
        again += probe
    assert set(again) == set(ids)
    assert story.outbox.count() == 0


def test_when_nobody_had_subscribed_it_is_tried_again_soon(story: Story) -> None:
    ids = story.store(2)
    story.connect()
    story.send(NOBODY_SUBSCRIBED)
    assert story.dispatch.next_due_s(story.now_s) == story.now_s + UNHEARD_S
    story.passes(UNHEARD_S)
    assert story.send() == ids


def test_a_refusal_is_no_reason_to_forget(story: Story) -> None:
    ids = story.store(2)
    story.connect()
    story.send(NOT_AUTHORIZED)
    story.passes(RESEND_S)
    assert story.send() == ids


def test_after_a_loss_the_unanswered_go_first_and_in_order(story: Story) -> None:
    ids = story.store(10)
    story.connect()
    story.take()
    for seq in (2, 4):
        story.dispatch.sent(seq, 0, story.now_s)
    story.dispatch.disconnect()
    more = story.store(2)
    assert story.take() == []
    story.connect()
    assert story.take() == [*ids, *more]


def test_after_a_loss_what_the_broker_may_have_forgotten_goes_before_anything_new(story: Story) -> None:
    old = story.store(PROBE + 5)
    story.connect()
    story.send()
    story.dispatch.disconnect()
    new = story.store(3)
    story.connect()
    assert story.send() == old[:PROBE]
    assert story.send() == []
    story.receipt(old[:PROBE])
    assert story.send() == old[PROBE:] + new


def test_but_a_control_room_that_is_silent_holds_up_nothing_new_for_long(story: Story) -> None:
    story.store(PROBE + 5)
    story.connect()
    story.send()
    story.dispatch.disconnect()
    new = story.store(3)
    story.connect()
    story.send()
    assert story.dispatch.next_due_s(story.now_s) == story.now_s + ORDERLY_S
    story.passes(ORDERLY_S)
    assert story.send() == new


def test_a_broker_that_answers_nothing_any_more_is_noticed(story: Story) -> None:
    story.store(1)
    story.connect()
    story.take()
    story.passes(UNANSWERED_MAX_S)
    assert not story.dispatch.stuck(story.now_s)
    story.passes(0.1)
    assert story.dispatch.stuck(story.now_s)
    story.dispatch.disconnect()
    assert not story.dispatch.stuck(story.now_s)


def test_a_word_about_a_row_that_was_not_sent_means_nothing(story: Story) -> None:
    ids = story.store(1)
    story.connect()
    story.dispatch.sent(1, 0, story.now_s)
    story.dispatch.sent(99, 0, story.now_s)
    assert story.take() == ids


def test_a_row_that_was_deleted_meanwhile_is_not_missed(story: Story) -> None:
    ids = story.store(2)
    story.connect()
    story.send()
    story.outbox.delete(ids[:1])  # its time was over
    story.passes(RESEND_S)
    assert story.send() == ids[1:]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("store"), st.integers(1, 20)),
        st.tuples(st.sampled_from(["connect", "lose", "answer", "drop", "receipt"]), st.integers(0, 5)),
        st.tuples(st.just("wait"), st.integers(1, 90)),
    ),
    max_size=40,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
def test_whatever_happens_every_row_is_delivered_as_soon_as_somebody_takes_it(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    path = tmp_path_factory.mktemp("any") / "outbox.db"
    with contextlib.closing(Outbox(path, Quota(50, 0), "boot", Log("match", StringIO()), float)) as outbox:
        story = Story(outbox)
        stored: list[str] = []
        received: list[str] = []
        for what, amount in steps:
            if what == "store":
                stored += story.store(amount)
            elif what == "connect":
                story.connect()
            elif what == "lose":
                story.dispatch.disconnect()
            elif what == "answer":
                story.send()
            elif what == "drop":
                story.take()
            elif what == "receipt":
                got = story.send()
                received += got
                story.receipt(got)
            else:
                story.passes(amount)
        story.dispatch.disconnect()
        story.connect()
        for _ in range(200):
            got = story.send()
            received += got
            story.receipt(got)
            story.passes(1.0)
        assert set(received) == set(stored)
        assert outbox.count() == 0
        assert story.dispatch.flying == 0
