"""Which state is the newest: a broker may keep an old one, show it again, or say that a van is gone."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import msgspec
import pytest

from firmware.control.fleet import FROZEN_AFTER_S, Fleet
from firmware.control.seen import Seen, SeenError, load_seen, save_seen
from firmware.control.show import remarks
from firmware.control.unseal import NotSigned, UnsealError
from firmware.match.seal import Sealer
from firmware.messages import Health, Hint, State
from tests.control.stage import VAN, Keys
from tests.control.van import DECIDED, a_state, details

SAID = datetime(2026, 3, 1, 12, tzinfo=timezone.utc).timestamp()
FIRST, SECOND = "ab" * 16, "cd" * 16


class Console:
    """A fleet, and a van that speaks to it; time stands at 1,000 s unless told."""

    def __init__(self, keys: Keys, remembered: dict[str, Seen] | None = None) -> None:
        self.fleet = Fleet(keys.unsealer(VAN), remembered or {})
        self.sealer = Sealer(keys.signer(VAN), (keys.reading_key.to_public(),))

    def hear(self, state: State, *, retained: bool = False, now_s: float = 1000.0) -> str:
        return self.fleet.hear_state(VAN, self.sealer.state(state), retained=retained, now_s=now_s)

    def hint(self, boot: str) -> str:
        return self.fleet.hear_state(VAN, msgspec.json.encode(Hint(boot=boot)), retained=True, now_s=1000.0)

    def n(self) -> int:
        state = self.fleet.vans[VAN].state
        assert state is not None
        return state.n


@pytest.fixture
def console(keys: Keys) -> Console:
    return Console(keys)


def test_a_newer_state_takes_the_place_of_an_older_one_and_never_the_other_way(console: Console) -> None:
    assert [console.hear(a_state(n)) for n in (1, 3, 2, 3, 4)] == ["newer", "newer", "older", "same", "newer"]
    assert console.n() == 4
    assert console.fleet.vans[VAN].replayed == 1


def test_a_number_that_grows_while_the_uptime_falls_is_not_newer(console: Console) -> None:
    console.hear(a_state(2, uptime_s=500.0))
    assert console.hear(a_state(3, uptime_s=499.0)) == "older"


def test_a_boot_that_the_van_has_left_does_not_come_back(console: Console) -> None:
    console.hear(a_state(9, boot=FIRST))
    assert console.hear(a_state(1, boot=SECOND)) == "newer"
    assert console.hear(a_state(10, boot=FIRST)) == "older"
    assert console.n() == 1


def test_a_boot_never_seen_before_is_not_taken_when_trusted_clocks_say_that_it_is_older(console: Console) -> None:
    console.hear(a_state(9, said_utc="2026-03-01T12:00:00+00:00"))
    assert console.hear(a_state(1, boot=SECOND, said_utc="2026-02-28T12:00:00Z")) == "older"
    assert console.hear(a_state(1, boot=SECOND, said_utc="2026-02-28T12:00:00Z", clock_trusted=False)) == "newer"


def test_what_was_seen_is_known_after_a_restart(console: Console, keys: Keys, tmp_path: Path) -> None:
    console.hear(a_state(5, boot=FIRST))
    console.hear(a_state(2, boot=SECOND))
    save_seen(tmp_path / "new" / "seen.json", console.fleet.memory())
    again = Console(keys, load_seen(tmp_path / "new" / "seen.json"))
    assert again.hear(a_state(99, boot=FIRST), retained=True) == "older"
    assert again.hear(a_state(1, boot=SECOND), retained=True) == "older"
    assert again.fleet.vans[VAN].state is None
    assert again.hear(a_state(2, boot=SECOND), retained=True) == "same"
    assert again.n() == 2


def test_a_memory_that_cannot_be_read_is_an_error_and_an_absent_one_is_not(tmp_path: Path) -> None:
    assert load_seen(tmp_path / "absent.json") == {}
    (tmp_path / "seen.json").write_text("{")
    with pytest.raises(SeenError, match="look at it"):
        load_seen(tmp_path / "seen.json")


def test_a_hint_stands_beside_the_signed_state_and_a_newer_state_refutes_it(console: Console) -> None:
    console.hear(a_state(1))
    assert console.hint(FIRST) == "hint"
    assert console.n() == 1
    assert "said to be offline (hint)" in remarks(console.fleet.vans[VAN], 1000.0, SAID)
    console.hear(a_state(2))
    assert not console.fleet.vans[VAN].hinted


def test_a_will_of_an_earlier_boot_says_nothing_about_this_one(console: Console) -> None:
    console.hear(a_state(1, boot=SECOND))
    console.hint(FIRST)
    assert not console.fleet.vans[VAN].hinted


def test_a_hint_alone_is_all_that_is_known(console: Console) -> None:
    console.hint(FIRST)
    assert console.fleet.vans[VAN].hinted
    assert console.fleet.vans[VAN].state is None


@pytest.mark.parametrize("payload", [b"", b'{"online":true,"boot":"x"}', b'{"online":false}', b"\xff"])
def test_what_is_neither_signed_nor_a_hint_changes_nothing(console: Console, payload: bytes) -> None:
    console.hear(a_state(1))
    with pytest.raises(NotSigned):
        console.fleet.hear_state(VAN, payload, retained=False, now_s=1000.0)
    assert console.n() == 1


def test_a_van_that_nobody_knows_is_not_taken_in(console: Console) -> None:
    for payload in (console.sealer.state(a_state()), msgspec.json.encode(Hint(boot=FIRST))):
        with pytest.raises(UnsealError):
            console.fleet.hear_state("van-99", payload, retained=False, now_s=1000.0)
    assert set(console.fleet.vans) == {VAN}


def test_the_age_of_a_live_state_is_counted_from_its_arrival(console: Console) -> None:
    console.hear(a_state(1, clock_trusted=False), now_s=1000.0)
    sight = console.fleet.vans[VAN]
    assert sight.age_s(1007.0, SAID) == 7.0
    assert sight.uptime_s(1007.0, SAID) == 101.0 + 7.0


def test_the_age_of_a_kept_state_is_what_its_own_clock_says(console: Console) -> None:
    console.hear(a_state(1, said_utc=DECIDED), retained=True, now_s=1000.0)
    sight = console.fleet.vans[VAN]
    assert sight.age_s(1000.0, SAID + 40.0) == 40.0
    assert sight.uptime_s(1000.0, SAID + 40.0) == 101.0 + 40.0
    assert sight.uptime_s(1000.0, SAID + 1e9) == 101.0 + FROZEN_AFTER_S
    assert sight.uptime_s(1000.0, SAID - 1e9) == 101.0


def test_nobody_guesses_the_age_of_a_kept_state_without_a_trusted_clock(console: Console) -> None:
    console.hear(a_state(1, clock_trusted=False), retained=True)
    sight = console.fleet.vans[VAN]
    assert sight.age_s(1000.0, SAID) is None
    assert sight.frozen(1000.0, SAID) == "age not known"
    assert sight.uptime_s(1004.0, SAID) == 101.0 + 4.0


def test_a_replayed_state_that_is_shown_as_live_still_tells_its_age(console: Console) -> None:
    console.hear(a_state(1), retained=False)
    assert "frozen?" in console.fleet.vans[VAN].frozen(1000.0, SAID + FROZEN_AFTER_S + 1.0)
    assert console.fleet.vans[VAN].frozen(1000.0, SAID + FROZEN_AFTER_S) == ""


def test_a_state_of_the_future_is_something_to_look_at(console: Console) -> None:
    console.hear(a_state(1), retained=True)
    assert "future" in console.fleet.vans[VAN].frozen(1000.0, SAID - 60.0)


def test_words_of_a_health_report_stay_until_the_next_boot(console: Console) -> None:
    report = Health(state=a_state(2), details=details(alarms=("camera front is dark",)))
    assert console.fleet.hear_health(VAN, console.sealer.health(report), now_s=1000.0) == "newer"
    console.hear(a_state(3))
    assert "camera front is dark" in remarks(console.fleet.vans[VAN], 1000.0, SAID)
    console.hear(a_state(1, boot=SECOND))
    assert console.fleet.vans[VAN].details is None


def test_an_old_health_report_brings_no_old_words_back(console: Console) -> None:
    console.hear(a_state(3))
    report = Health(state=a_state(2), details=details(alarms=("camera front is dark",)))
    assert console.fleet.hear_health(VAN, console.sealer.health(report), now_s=1000.0) == "older"
    assert console.fleet.vans[VAN].details is None


def test_an_open_network_and_refusals_are_something_to_look_at(console: Console) -> None:
    counters = msgspec.structs.replace(a_state().counters, refused={"replay": 2, "type": 1}, in_memory_only=4)
    console.hear(a_state(1, walled=False, counters=counters))
    console.fleet.disbelieve(VAN)
    found = remarks(console.fleet.vans[VAN], 1000.0, SAID)
    assert found[0].startswith("NETWORK REACHABLE")
    assert {"3 refused", "4 in memory only", "1 not believed"} <= set(found)
