"""The receipt daemon at real brokers: nothing is receipted that is not held, everything is held once."""

from __future__ import annotations

import random
import signal
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from firmware.control.inbox import Item, read_items
from firmware.envelope import MATCH
from firmware.envelope import sign as sign_envelope
from firmware.match.seal import Sealer
from firmware.topics import topic
from tests.control.stage import OTHER, VAN, Daemon, Keys, wait_until
from tests.control.van import SimulatedVan, a_match

KILLS = 8


@pytest.fixture
def start(port: int, keys: Keys) -> Iterator[Callable[..., Daemon]]:
    """Start the daemon and wait for its connection; killed at the end where it is not over."""
    daemons: list[Daemon] = []

    def new(*more: str, connected: bool = True) -> Daemon:
        daemons.append(Daemon("receipt", "--config", keys.config(port, *more)))
        daemons[-1].wait_for("connected" if connected else "started")
        return daemons[-1]

    yield new
    for daemon in daemons:
        daemon.end(signal.SIGKILL)


def held(keys: Keys) -> list[Item]:
    return read_items(keys.folder / "inbox.db")


def test_what_a_van_says_is_held_as_it_came_and_receipted(
    start: Callable[..., Daemon], van: SimulatedVan, keys: Keys
) -> None:
    daemon = start()
    event, record = van.say_match(), van.say_record()
    envelopes = {message_id: payload for message_id, (_, payload) in van.outbox.items()}
    van.wait_for_receipts()
    assert daemon.end() == 0
    items = held(keys)
    assert {item.id: item.envelope for item in items} == envelopes
    assert [(item.id, item.kind, item.sequence) for item in items] == [(event.id, "match", 1), (record.id, "audit", 2)]
    assert daemon.said("ended")[-1]["new"] == 2


def test_a_message_that_comes_again_is_receipted_again_and_held_once(
    start: Callable[..., Daemon], van: SimulatedVan, keys: Keys
) -> None:
    daemon = start()
    event = van.say_match()
    said = dict(van.outbox)
    van.wait_for_receipts()
    for _ in range(3):
        van.outbox.update(said)
        van.say_again()
        van.wait_for_receipts()
    daemon.end()
    assert Counter(van.receipted)[event.id] >= 4
    assert [item.id for item in held(keys)] == [event.id]
    assert daemon.said("ended")[-1]["duplicate"] >= 3


def test_one_receipt_names_many(start: Callable[..., Daemon], van: SimulatedVan) -> None:
    daemon = start()
    for _ in range(300):
        van.say_match()
    van.wait_for_receipts()
    receipted = daemon.said("receipted")
    assert sum(line["messages"] for line in receipted) == 300
    assert len(receipted) < 150
    assert max(line["messages"] for line in receipted) <= 100


def test_what_cannot_be_believed_or_opened_gets_no_receipt_and_blocks_nobody(
    start: Callable[..., Daemon], van: SimulatedVan, keys: Keys
) -> None:
    daemon = start()
    elsewhere = Sealer(keys.signer(VAN), (keys.reading_key.generate().to_public(),))
    foreign = Sealer(keys.signer(OTHER), (keys.reading_key.to_public(),))
    for payload in (
        b"rubbish",
        foreign.match(a_match()),
        elsewhere.match(a_match()),
        van.sealer.match(a_match(van=OTHER)),
        sign_envelope(b"not encrypted", MATCH, keys.signer(VAN)),
        van.sealer.state(van.state),
    ):
        van.publish(topic(VAN, "match"), payload)
    van.publish("lfr/v1/van-99/evt/match", van.sealer.match(a_match(van="van-99")))
    event = van.say_match()
    van.wait_for_receipts()
    wait_until(lambda: len(daemon.said("not believed")) == 7, "seven refusals")
    assert Counter(line["reason"] for line in daemon.said("not believed")) == {
        "not_signed_by_van": 3,
        "not_for_us": 2,
        "malformed": 2,
    }
    assert van.receipted == [event.id]
    daemon.end()
    assert [item.id for item in held(keys)] == [event.id]


def test_another_message_of_a_held_id_gets_no_receipt(start: Callable[..., Daemon], van: SimulatedVan) -> None:
    daemon = start()
    event = van.say_match()
    van.wait_for_receipts()
    van.say_match(id=event.id)
    daemon.wait_for("two messages of one id")
    later = van.say_match()
    wait_until(lambda: later.id in van.receipted, "a later receipt")
    assert van.receipted == [event.id, later.id]


def test_missing_numbers_are_said_and_that_they_came_too(start: Callable[..., Daemon], van: SimulatedVan) -> None:
    daemon = start()
    van.say_match()
    late = van.sealer.match(a_match(2, boot=van.state.boot))
    van._number()
    van.say_record()
    assert daemon.wait_for("sequence gap")["missing"] == 1
    van.publish(topic(VAN, "match"), late)
    wait_until(lambda: daemon.said("sequence gap")[-1]["missing"] == 0, "no gap")


def test_a_disk_that_refuses_means_no_receipt_until_it_takes_again(
    start: Callable[..., Daemon], van: SimulatedVan, keys: Keys
) -> None:
    daemon = start()
    van.say_match()
    van.wait_for_receipts()
    daemon.limit_files(0)
    events = [van.say_match(crop_jpeg=bytes(20_000)) for _ in range(5)]
    assert daemon.wait_for("cannot hold")["kind"] == "alarm"
    assert len(van.receipted) == 1
    daemon.limit_files(1 << 30)
    van.wait_for_receipts()
    daemon.end()
    assert {event.id for event in events} <= {item.id for item in held(keys)}


def test_a_daemon_that_is_told_to_stop_while_the_disk_refuses_gets_it_all_again(
    start: Callable[..., Daemon], van: SimulatedVan, keys: Keys
) -> None:
    daemon = start()
    daemon.limit_files(0)
    event = van.say_match()
    daemon.wait_for("cannot hold")
    assert daemon.end() == 0
    assert van.receipted == []
    start()
    van.wait_for_receipts()
    assert van.receipted == [event.id]


def test_the_quota_is_a_full_disk_and_what_is_out_of_time_makes_room(
    start: Callable[..., Daemon], van: SimulatedVan
) -> None:
    daemon = start("receipt.keep_s = 3", "receipt.max_mb = 2")
    for _ in range(12):
        van.say_match(crop_jpeg=bytes(200_000))
    assert "full" in daemon.wait_for("cannot hold")["error"]
    daemon.wait_for("deleted")
    van.wait_for_receipts()


def test_killed_at_random_moments_it_receipts_only_what_it_holds_and_holds_all_of_it_once(
    start: Callable[..., Daemon], van: SimulatedVan, keys: Keys
) -> None:
    """The broker keeps the daemon's session: what was in hand when it died comes again without the van's help."""
    chance = random.Random(7)
    start().end(signal.SIGKILL)  # the broker knows the session from here on
    said: list[str] = []
    for _ in range(KILLS):
        daemon = start(connected=False)
        said += [van.say_match().id for _ in range(40)]
        enough = len(van.receipted) + chance.randrange(60)
        daemon_is_behind = lambda least=enough: len(van.receipted) >= least or not van.outbox  # noqa: E731
        wait_until(daemon_is_behind, "some receipts")
        daemon.end(signal.SIGKILL)
        receipted = set(van.receipted)
        assert receipted <= {item.id for item in held(keys)}
    last = start()
    van.wait_for_receipts()
    last.end()
    items = held(keys)
    assert len(items) == len(said)
    assert {item.id for item in items} == set(said)


@pytest.mark.parametrize(
    ("change", "because"),
    [
        ("[receipt]", "needs a [receipt] table"),
        ("reading_keys", "needs 'reading_keys'"),
    ],
)
def test_a_daemon_without_what_it_needs_says_so(port: int, keys: Keys, change: str, because: str) -> None:
    path = keys.config(port)
    text = path.read_text("utf-8")
    cut = text.split("[receipt]")[0] if change == "[receipt]" else text.replace("reading_keys", "# reading_keys")
    path.write_text(cut, "utf-8")
    daemon = Daemon("receipt", "--config", path)
    wait_until(daemon.is_over, "its end")
    assert daemon.end() == 2
    assert because in "".join(daemon.errors)


def test_a_second_daemon_on_one_store_leaves(start: Callable[..., Daemon], keys: Keys, van: SimulatedVan) -> None:
    start()
    van.say_match()
    van.wait_for_receipts()
    second = Daemon("receipt", "--config", Path(keys.folder / "ctl.toml"))
    wait_until(second.is_over, "its end")
    assert second.end() == 1
    assert "locked" in "".join(second.errors)


def test_what_was_receipted_can_be_read_while_the_daemon_is_at_work(
    start: Callable[..., Daemon], van: SimulatedVan, keys: Keys, tmp_path: Path
) -> None:
    start()
    first, second = van.say_match(), van.say_match()
    wait_until(lambda: len(held(keys)) == 2, "both are held")
    reading = Daemon("watch", "--held", "-c", keys.folder / "ctl.toml", "--save", tmp_path / "crops")
    wait_until(reading.is_over, "its end")
    assert reading.end() == 0
    assert [line.split("  id ")[1].strip() for line in reading.lines] == [first.id, second.id]
    for event in (first, second):
        crop = tmp_path / "crops" / f"{VAN}_{event.id}.jpg"
        assert (crop.read_bytes(), stat.S_IMODE(crop.stat().st_mode)) == (event.crop_jpeg, 0o600)
