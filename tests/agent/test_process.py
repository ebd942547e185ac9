"""The agent's process: a real repository over HTTPS and file, a real socket, and a scripted match."""

from __future__ import annotations

import re
import socket
import stat
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from firmware.framing import framed
from firmware.handover import Ask, Offer, Report, Withdrawn
from ota.content import Custom
from ota.repository.stores import StickStore
from tests.agent.server import Server
from tests.agent.stage import DAY_S, Agent, Match, now, write_config
from tests.broker.certificates import Authority
from tests.link.stage import VAN, wait_until
from tests.ota.agency import Fleet, custom, packed
from tests.ota.throwaway import Repository

Start = Callable[..., Agent]


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path / "server", Repository(now()))


@pytest.fixture
def start(tmp_path: Path, fleet: Fleet) -> Iterator[Start]:
    """Start an agent; each call is a new process. ``more`` are lines of its table."""
    agents: list[Agent] = []

    def new(*more: str, url: str = "") -> Agent:
        root = fleet.repository.trusted_root
        config = write_config(tmp_path / "van", url or fleet.folder.as_uri(), root, *more)
        agents.append(Agent(config))
        return agents[-1]

    yield new
    for agent in agents:
        agent.end()


@pytest.fixture
def meet() -> Iterator[Callable[[Agent], Match]]:
    """A match process connects."""
    matches: list[Match] = []

    def new(agent: Agent) -> Match:
        matches.append(Match(agent.socket))
        return matches[-1]

    yield new
    for match in matches:
        match.die()


def list_of(counter: int = 1) -> Custom:
    return custom("watchlist", counter, not_before=now() - 60, not_after=now() + DAY_S)


def publish_list(fleet: Fleet, number: int) -> None:
    fleet.publish("watchlist", f"l{number}", b"list %d" % number, list_of(number))


def test_a_list_comes_to_match_and_is_told_again_to_the_next_one(
    fleet: Fleet, start: Start, meet: Callable[[Agent], Match]
) -> None:
    publish_list(fleet, 1)
    agent = start()
    match = meet(agent)
    offer = match.offered("list 1")
    match.answer(offer, "taken")
    wait_until(lambda: match.phase("watchlist") == "active", "the verdict")
    match.die()
    assert meet(agent).wait_for(Offer) == offer
    assert agent.stop() == 0


def test_whoever_asks_is_answered_at_once(fleet: Fleet, start: Start, meet: Callable[[Agent], Match]) -> None:
    agent = start("every_s = 86400")
    match = meet(agent)
    wait_until(lambda: match.all(Report) and match.all(Report)[-1].checked, "the first look")
    publish_list(fleet, 1)
    match.send(Ask())
    match.offered("list 1")


def test_a_refused_model_gives_way_and_a_superseded_list_is_taken_back(
    fleet: Fleet, start: Start, meet: Callable[[Agent], Match], tmp_path: Path
) -> None:
    publish_list(fleet, 1)
    fleet.publish("model", "m1", packed(tmp_path / "m1", a="model 1"), custom("model", 1))
    match = meet(start())
    first = match.offered("list 1")
    match.answer(match.offered("model 1"), "taken")
    publish_list(fleet, 2)
    fleet.publish("model", "m2", packed(tmp_path / "m2", a="model 2"), custom("model", 2))
    match.send(Ask())
    match.offered("list 2")
    assert match.wait_for(Withdrawn).sha256 == first.sha256
    match.answer(match.offered("model 2"), "refused", "golden vectors")
    wait_until(lambda: [one.counter for one in match.all(Offer) if one.kind == "model"] == [1, 2, 1], "the first again")
    wait_until(lambda: match.all(Report)[-1].fault == "refused", "the reason")
    assert match.all(Report)[-1].words == "model/m2: golden vectors"


def test_the_repository_is_reached_over_tls_with_certificates_of_both_sides(
    fleet: Fleet, start: Start, meet: Callable[[Agent], Match], tmp_path: Path
) -> None:
    publish_list(fleet, 1)
    authority = Authority(tmp_path / "papers", datetime.now(timezone.utc))
    own = authority.client(VAN)
    server = Server(fleet.folder, authority)
    server.start()
    tls = f'tls = {{ ca = "{authority.ca}", cert = "{own.certificate}", key = "{own.key}" }}'
    match = meet(start(tls, url=f"https://127.0.0.1:{server.port}"))
    match.offered("list 1")
    server.stop()
    assert server.clients == {VAN}


def test_a_stick_is_read_as_the_fleet_writes_it(
    tmp_path: Path, fleet: Fleet, start: Start, meet: Callable[[Agent], Match]
) -> None:
    publish_list(fleet, 1)
    store = StickStore(made(tmp_path / "mount"))
    for name, data in fleet.repository.files.items():
        store.put(name, data)
    store.finish()
    match = meet(start(f'usb = "{tmp_path}/mount"', url=(tmp_path / "nowhere").as_uri()))
    match.offered("list 1")


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_without_a_repository_the_van_says_why(start: Start, meet: Callable[[Agent], Match]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    match = meet(start(url=f"http://127.0.0.1:{port}"))
    wait_until(lambda: match.all(Report)[-1:] and match.all(Report)[-1].fault == "unreachable", "the reason")
    assert "repository" in match.all(Report)[-1].words


def test_only_this_user_may_connect_and_a_second_agent_may_not_listen(start: Start) -> None:
    agent = start()
    wait_until(agent.socket.exists, "the socket")
    assert stat.S_IMODE(agent.socket.stat().st_mode) == 0o600
    second = start()
    assert second.wait() == 1
    assert "handover.sock" in second.said("agent cannot run")[0]["error"]


@pytest.mark.parametrize("nonsense", [b"\xff\xff\xff\xff", b"\x00\x00\x00\x02\xff\xff", b"GET / HTTP/1.1\r\n\r\n"])
def test_who_talks_nonsense_is_dropped_and_the_next_is_served(
    start: Start, meet: Callable[[Agent], Match], nonsense: bytes
) -> None:
    agent = start()
    first = meet(agent)
    first.peer.sendall(nonsense)
    agent.wait_for("handover ended")
    first.die()
    meet(agent).wait_for(Report)


def test_who_asks_without_end_is_dropped(start: Start, meet: Callable[[Agent], Match]) -> None:
    agent = start()
    match = meet(agent)
    match.wait_for(Report)
    match.peer.sendall(framed(Ask()) * 2_000)
    assert "at once" in agent.wait_for("handover ended")["reason"]


def test_a_second_match_waits_until_the_first_is_gone(start: Start, meet: Callable[[Agent], Match]) -> None:
    agent = start()
    first = meet(agent)
    first.wait_for(Report)
    second = meet(agent)
    first.wait_for(Report, 2)
    assert second.told == []
    first.die()
    second.wait_for(Report)


def test_a_disk_that_takes_nothing_is_said_and_what_was_there_stays(
    fleet: Fleet, start: Start, meet: Callable[[Agent], Match]
) -> None:
    publish_list(fleet, 1)
    agent = start()
    match = meet(agent)
    offer = match.offered("list 1")
    agent.write_nothing()
    publish_list(fleet, 2)
    match.send(Ask())
    wait_until(lambda: match.all(Report)[-1].fault == "disk", "the reason")
    assert match.all(Report)[-1].fitted[0].sha256 == offer.sha256


WRONG = {
    "no root": ("root = ", 'root = "/nowhere"\n#', "agent.root: /nowhere: No such file"),
    "plain over the network": ("url = ", 'url = "http://updates.example"\n#', "only https may be used"),
    "https without tls": ("url = ", 'url = "https://updates.example"\n#', "needs an \\[agent.tls\\] table"),
    "no url": ("url = ", 'url = "updates"\n#', "neither https"),
    "misspelt": ("key_id = ", "keyid = ", "did you mean 'key_id'"),
    "no key id": ("key_id = ", 'key_id = "x"\n#', "key_id"),
}


@pytest.mark.parametrize(("old", "new", "complaint"), WRONG.values(), ids=WRONG)
def test_a_wrong_file_is_explained(fleet: Fleet, tmp_path: Path, old: str, new: str, complaint: str) -> None:
    config = write_config(tmp_path / "van", fleet.folder.as_uri(), fleet.repository.trusted_root)
    config.write_text(config.read_text("utf-8").replace(old, new, 1), "utf-8")
    agent = Agent(config)
    assert agent.wait() == 2
    assert re.search(complaint, agent.errors)
    agent.end()
