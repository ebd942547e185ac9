"""What match is told, and when: in virtual seconds, without a socket."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from firmware.agent.conversation import LATER_S, REPORT_EVERY_S, Bulletin, Conversation
from firmware.agent.desk import _Peer
from firmware.agent.settings import AgentSettings
from firmware.agent.words import bulletin_of
from firmware.framing import WireError
from firmware.handover import MAX_WHY, Offer, Report, Withdrawn
from ota.agent import Standing

VERIFIED = Path("/agent/metadata")
REPORT = Report(floor=1, checked=2, fault="")
NEWER = Report(floor=1, checked=3, fault="")


def offer(sha256: str) -> Offer:
    return Offer(kind="model", sha256=sha256 * 64, path="/m", counter=1, not_before=0, not_after=9)


ONE, TWO = offer("1"), offer("2")
GONE = Withdrawn(sha256="0" * 64)


def test_a_connection_begins_with_everything_and_withdrawals_come_first() -> None:
    bulletin = Bulletin(REPORT, (ONE, TWO), (GONE,))
    assert Conversation().next(bulletin, 0) == [GONE, REPORT, ONE, TWO]


def test_afterwards_only_news_is_said() -> None:
    conversation = Conversation()
    conversation.next(Bulletin(REPORT, (ONE,), (GONE,)), 0)
    assert conversation.next(Bulletin(REPORT, (ONE,), (GONE,)), 1) == []
    assert conversation.next(Bulletin(NEWER, (ONE, TWO), (GONE,)), 1) == [NEWER, TWO]


def test_a_report_comes_at_least_every_five_seconds() -> None:
    conversation = Conversation()
    conversation.next(Bulletin(REPORT), 0)
    assert conversation.next(Bulletin(REPORT), REPORT_EVERY_S - 0.1) == []
    assert conversation.next(Bulletin(REPORT), REPORT_EVERY_S) == [REPORT]
    assert conversation.next(Bulletin(REPORT), REPORT_EVERY_S + 1) == []


def test_what_was_before_is_said_again_when_it_comes_back() -> None:
    conversation = Conversation()
    conversation.next(Bulletin(REPORT, (ONE,)), 0)
    conversation.next(Bulletin(REPORT, (TWO,)), 1)
    assert conversation.next(Bulletin(REPORT, (ONE,)), 2) == [ONE]


def test_what_has_to_wait_is_offered_again_once_after_a_while() -> None:
    conversation = Conversation()
    bulletin = Bulletin(REPORT, (ONE, TWO))
    conversation.next(bulletin, 0)
    conversation.ask_again(ONE.sha256, 0)
    assert ONE not in conversation.next(bulletin, LATER_S - 1)
    assert conversation.next(bulletin, LATER_S)[-1] == ONE
    assert ONE not in conversation.next(bulletin, LATER_S + 1)


def standing(fault: str = "", checked: int = 1, words: str = "") -> Standing:
    return Standing(7, checked, fault, words, (), ("0" * 64,), (), 0)  # type: ignore[arg-type]


def test_a_van_that_never_checked_says_so_unless_it_knows_a_better_reason() -> None:
    assert bulletin_of(standing(checked=0), VERIFIED).report.fault == "never-checked"
    assert bulletin_of(standing("clock", 0), VERIFIED).report.fault == "clock"
    assert bulletin_of(standing(), VERIFIED) == Bulletin(Report(floor=7, checked=1, fault=""), (), (GONE,))


def say_without_end(peer: _Peer) -> None:
    for _ in range(200_000):
        peer.say(REPORT)
        peer.flush()


def test_who_reads_nothing_is_given_up() -> None:
    here, there = socket.socketpair()
    with here, there, pytest.raises(WireError, match="bytes unread"):
        say_without_end(_Peer(here, 0.0))


def test_long_words_are_cut_to_what_the_handover_takes() -> None:
    assert len(bulletin_of(standing(words="w" * 999), VERIFIED).report.words) == MAX_WHY


def test_settings_have_a_period_of_five_minutes() -> None:
    assert AgentSettings.__struct_defaults__[0] == 300
