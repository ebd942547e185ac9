"""The line to the update agent, which is believed nothing and waited for never."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import msgspec
import pytest

from firmware import framing
from firmware.handover import Ask, Offer, Report, Withdrawn
from firmware.log import Log
from firmware.match.agent_line import WITHDRAWN_MAX, AgentLine
from ota.content import Kind
from tests.link.stage import wait_until
from tests.match.agent import Agent

REPORT = Report(floor=5, checked=7, fault="")


def an_offer(kind: Kind = "watchlist", digit: str = "1") -> Offer:
    return Offer(kind=kind, sha256=digit * 64, path="/store/x", counter=1, not_before=0, not_after=9)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "agent.sock"


@pytest.fixture
def agent(path: Path) -> Iterator[Agent]:
    agent = Agent(path, REPORT)
    yield agent
    agent.close()


@pytest.fixture
def line(path: Path) -> Iterator[AgentLine]:
    line = AgentLine(path, Log("match", StringIO()))
    line.start()
    yield line
    line.close()


def test_without_an_agent_there_is_a_fault_and_nothing_else(line: AgentLine) -> None:
    wait_until(lambda: line.fault.startswith("no update agent: "), "its words")
    assert (line.report, line.offer("watchlist"), line.say(Ask())) == (None, None, False)


def test_whoever_waits_for_the_agents_word_is_woken_and_finds_it(agent: Agent, line: AgentLine) -> None:
    found: list[str] = []
    line.heard = lambda: found.extend(offer.sha256 for offer in line.take_offers())
    agent.wait_for_connection()
    agent.offer(an_offer())
    wait_until(lambda: found == ["1" * 64], "the offer")


def test_what_the_agent_says_is_there_to_be_asked_for(agent: Agent, line: AgentLine) -> None:
    agent.wait_for_connection()
    agent.offer(an_offer())
    agent.offer(an_offer("revocation", "2"))
    agent.say(Withdrawn(sha256="3" * 64))
    wait_until(lambda: line.offer("revocation"), "the offers")
    assert line.report == REPORT
    assert line.fault == ""
    assert line.take_offers() == (an_offer(), an_offer("revocation", "2"))
    assert line.take_offers() == ()
    wait_until(lambda: line._withdrawn, "the withdrawal")
    assert line.take_withdrawn() == ("3" * 64,)
    assert line.take_withdrawn() == ()
    assert line.say(Ask())
    agent.wait_for_ask()


def test_a_withdrawn_list_is_not_offered_any_more(agent: Agent, line: AgentLine) -> None:
    agent.wait_for_connection()
    agent.offer(an_offer())
    wait_until(lambda: line.offer("watchlist"), "the offer")
    agent.say(Withdrawn(sha256="1" * 64))
    wait_until(lambda: line.offer("watchlist") is None, "its end")


def test_after_an_agent_came_back_only_what_it_says_again_is_offered(agent: Agent, line: AgentLine) -> None:
    agent.wait_for_connection()
    agent.offer(an_offer())
    agent.say(an_offer("model", "2"))
    wait_until(lambda: line.offer("model"), "both offers")
    agent.hang_up()
    agent.wait_for_connection(2)
    wait_until(lambda: line.offer("watchlist") and line.offer("model") is None, "what is said again")
    assert line.report == REPORT


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"\xff" * 4, id="an endless message"),
        pytest.param(b"\x00\x00\x00\x01\xc1", id="no MessagePack"),
        pytest.param(framing.framed(Ask()), id="match's own words"),
        pytest.param(
            b"\x00\x00\x00\x1b" + msgspec.msgpack.encode({"type": "withdrawn", "sha256": "no"}), id="outside the schema"
        ),
    ],
)
def test_an_agent_that_talks_nonsense_is_left_and_tried_again(agent: Agent, line: AgentLine, said: bytes) -> None:
    agent.wait_for_connection()
    agent.say_bytes(said)
    agent.wait_for_connection(2)
    wait_until(lambda: line.fault == "", "a new beginning")


def test_a_flood_fills_no_memory(agent: Agent, line: AgentLine) -> None:
    agent.wait_for_connection()
    for number in range(500):
        agent.say(Withdrawn(sha256=f"{number:064x}"))
        agent.say(an_offer("model", f"{number % 10}"))
    last = f"{499:064x}"
    wait_until(lambda: last in line._withdrawn, "the last")
    assert len(line.take_withdrawn()) == WITHDRAWN_MAX
    assert len(line.take_offers()) == 1


def test_an_agent_that_says_nothing_is_given_up(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
        silent.bind(str(path))
        silent.listen(4)
        line = AgentLine(path, Log("match", StringIO()), peer_timeout_s=0.05)
        line.start()
        wait_until(lambda: line.fault == "no update agent: timed out", "its words")
        line.close()


def test_an_agent_that_does_not_listen_keeps_nobody_waiting(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as deaf:
        deaf.bind(str(path))
        deaf.listen(4)
        line = AgentLine(path, Log("match", StringIO()))
        line.start()
        wait_until(lambda: line.say(Ask()), "a first word")
        filled = threading.Thread(target=lambda: [None for _ in iter(lambda: line.say(Ask()) or None, None)])
        filled.start()
        filled.join(20)
        assert not filled.is_alive()
        line.close()
