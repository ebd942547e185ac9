"""``kerbside-ctl`` as people use it: a van answers, refuses or is silent, and the exit code says which."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import msgspec
import pytest

from firmware import envelope
from firmware.messages import Hint
from firmware.topics import topic
from tests.control.stage import OTHER, VAN, Daemon, Keys, ctl, free_port, wait_until
from tests.control.van import SimulatedVan, a_state, details

NASTY = "\x1b[2J\x9b31m\x07front\r\n[red]\u202e"


def test_a_command_is_done_and_its_answer_opened(port: int, keys: Keys, van: SimulatedVan) -> None:
    van.say_state()
    config = keys.config(port)
    done = ctl("send", "pause", "--van", VAN, "--key", keys.path("ada"), "--reason", "test", "--json", "-c", config)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["outcome"], answer["mode"], answer["details"]["text"]) == ("done", "paused", "12 entries")
    (executed,) = van.executed
    assert (executed.cmd, executed.reason, executed.van) == ("pause", "test", VAN)
    assert 50.0 < executed.exp_up - van.uptime_s() <= 60.0


def test_a_state_that_tells_a_wrong_time_makes_no_command_that_lives_long(
    port: int, keys: Keys, van: SimulatedVan
) -> None:
    van.say_state(said_utc="2020-01-01T00:00:00Z")
    common = ("--van", VAN, "--key", keys.path("ada"), "--reason", "test", "-c", keys.config(port))
    done = ctl("send", "pause", *common)
    assert "frozen?" in done.stderr
    assert van.executed[0].exp_up - van.uptime_s() < 181.0


def test_a_threshold_is_raised_and_never_asked_to_be_lowered(port: int, keys: Keys, van: SimulatedVan) -> None:
    van.say_state()
    common = ("--van", VAN, "--key", keys.path("ada"), "--reason", "routine", "-c", keys.config(port))
    raised = ctl("send", "raise-threshold", "--threshold", "0.6", *common)
    assert raised.returncode == 0, raised.stderr
    assert "threshold 0.6" in raised.stderr
    lowered = ctl("send", "raise-threshold", "--threshold", "0.4", *common)
    assert lowered.returncode == 2
    assert "would not raise it" in lowered.stderr
    assert [command.args for command in van.executed] == [{"threshold": 0.6}]


def test_one_signature_is_not_sent_where_the_van_wants_two(port: int, keys: Keys, van: SimulatedVan) -> None:
    van.say_state(mode="locked")
    common = ("send", "resume", "--van", VAN, "--reason", "routine", "-c", keys.config(port))
    refused = ctl(*common, "--key", keys.path("ada"))
    assert refused.returncode == 2
    assert "needs 1 more signature(s) of other holders: write it with --out" in refused.stderr
    assert "2 different holders" in refused.stderr
    both = ctl(*common, "--key", keys.path("bob"), "--key", keys.path("ada"), "--timeout", "1")
    assert both.returncode == 4
    assert "it does not believe these signatures" in both.stderr
    done = ctl(*common, "--key", keys.path("ada"), "--key", keys.path("eve"))
    assert done.returncode == 0, done.stderr


def test_a_second_holder_signs_a_file_after_reading_what_it_orders(
    port: int, keys: Keys, van: SimulatedVan, tmp_path: Path
) -> None:
    van.say_state(mode="locked")
    config, file = keys.config(port), tmp_path / "resume.json"
    common = ("--van", VAN, "--reason", "routine", "--key", keys.path("ada"), "--lifetime", "300", "-c", config)
    written = ctl("send", "resume", *common, "--out", file)
    assert written.returncode == 0, written.stderr
    assert van.executed == []
    assert ctl("send", "resume", *common, "--out", file).returncode == 2
    refused = ctl("sign", file, "--key", keys.path("ada"), "-c", config)
    assert refused.returncode == 2
    assert "already" in refused.stderr
    signed = ctl("sign", file, "--key", keys.path("eve"), "-c", config)
    assert signed.returncode == 0, signed.stderr
    assert all(word in signed.stderr for word in ("resume", VAN, "routine", "in 29"))
    sent = ctl("send", "--file", file, "-c", config)
    assert sent.returncode == 0, sent.stderr
    assert [command.cmd for command in van.executed] == ["resume"]


def test_a_second_holder_may_sit_apart_from_any_broker(
    port: int, keys: Keys, van: SimulatedVan, tmp_path: Path
) -> None:
    van.say_state()
    file, out = tmp_path / "stop.json", tmp_path / "stop-2.json"
    common = ("--van", VAN, "--reason", "test", "--key", keys.path("ada"), "-c", keys.config(port))
    ctl("send", "stop", *common, "--out", file)
    alone = file.read_bytes()
    signed = ctl("sign", file, "--key", keys.path("eve"), "--out", out, "-c", tmp_path / "absent.toml")
    assert signed.returncode == 0, signed.stderr
    assert "not known" in signed.stderr
    assert file.read_bytes() == alone
    assert len(envelope.read(out.read_bytes()).signatures) == 2


def test_a_file_whose_time_is_over_is_not_sent(port: int, keys: Keys, van: SimulatedVan, tmp_path: Path) -> None:
    van.say_state()
    config, file = keys.config(port), tmp_path / "stop.json"
    ctl("send", "stop", "--van", VAN, "--reason", "test", "--key", keys.path("ada"), "-c", config, "--out", file)
    van.say_state(boot="cd" * 16)
    for late in (ctl("send", "--file", file, "-c", config), ctl("sign", file, "--key", keys.path("eve"), "-c", config)):
        assert late.returncode == 2
        assert "time is over" in late.stderr
    assert van.executed == []


def test_no_answer_in_time_has_a_code_of_its_own(port: int, keys: Keys, van: SimulatedVan) -> None:
    van.say_state()
    van.silent = True
    common = ("--van", VAN, "--key", keys.path("ada"), "--reason", "test", "-c", keys.config(port))
    silent = ctl("send", "pause", *common, "--timeout", "0.5")
    assert silent.returncode == 4
    assert "no answer" in silent.stderr


def test_an_answer_that_another_van_signed_is_not_believed(port: int, keys: Keys, van: SimulatedVan) -> None:
    van.say_state()
    impostor = SimulatedVan(port, keys, OTHER)
    van.sealer, honest = impostor.sealer, van.sealer
    common = ("--van", VAN, "--key", keys.path("ada"), "--reason", "test", "-c", keys.config(port))
    lied = ctl("send", "pause", *common, "--timeout", "1")
    assert lied.returncode == 4
    assert "1 that were not the van's" in lied.stderr
    van.sealer = honest
    assert ctl("send", "pause", *common).returncode == 0
    impostor.leave()


def test_without_a_signed_state_nothing_is_sent(port: int, keys: Keys, van: SimulatedVan) -> None:
    hint = msgspec.json.encode(Hint(boot="ab" * 16))
    van.publish(topic(VAN, "state"), hint, retain=True)
    common = ("--van", VAN, "--key", keys.path("ada"), "--reason", "test", "-c", keys.config(port))
    nothing = ctl("send", "pause", *common)
    assert nothing.returncode == 4
    assert "says that it is offline" in nothing.stderr


@pytest.mark.parametrize(
    ("arguments", "because"),
    [
        (("send",), "name a command"),
        (("send", "pause"), "needs --van, --key and --reason"),
        (("send", "pause", "--file", "x"), "name a command"),
        (("send", "--file", "absent.json"), "absent.json: No such file"),
        (("send", "export", "--van", VAN, "--reason", "test", "--key", "KEY"), "no command 'export'"),
        (("send", "pause", "--van", "van-99", "--reason", "test", "--key", "KEY"), "no key of van 'van-99'"),
        (("send", "pause", "--van", VAN, "--reason", "fun", "--key", "KEY"), "'fun' is no reason"),
        (("send", "pause", "--van", VAN, "--reason", "test", "--key", "absent.pem"), "absent.pem: No such file"),
        (("status", "--van", "van-99"), "known: van-07, van-08"),
        (("watch", "--van", "van-99"), "no key of van"),
        (("frobnicate",), "No such command"),
    ],
)
def test_what_is_asked_for_wrongly_is_said_in_words(
    port: int, keys: Keys, van: SimulatedVan, arguments: tuple[str, ...], because: str
) -> None:
    van.say_state()
    named = [str(keys.path("ada")) if argument == "KEY" else argument for argument in arguments]
    config = () if arguments == ("frobnicate",) else ("-c", keys.config(port))
    asked = ctl(*named, *config)
    assert asked.returncode == 2
    assert because in asked.stderr
    assert "Traceback" not in asked.stderr
    assert van.executed == []


def test_no_broker_is_a_failure_in_words(keys: Keys) -> None:
    config = keys.config(free_port())
    common = ("--van", VAN, "--key", keys.path("ada"), "--reason", "test", "-c", config)
    for asked in (ctl("send", "pause", *common), ctl("status", "-c", config)):
        assert asked.returncode == 1
        assert "refused" in asked.stderr
        assert "Traceback" not in asked.stderr


def test_status_shows_every_known_van(port: int, keys: Keys, van: SimulatedVan) -> None:
    van.say_state(said_utc="2026-03-01T12:00:00Z", alarms=1)
    table = ctl("status", "-c", keys.config(port), "--wait", "1")
    assert table.returncode == 0, table.stderr
    assert all(word in table.stdout for word in (VAN, "seeing", "0.460", "frozen?", OTHER, "nothing heard"))
    shown = json.loads(ctl("status", "-c", keys.config(port), "--json", "--van", VAN).stdout)
    assert set(shown) == {VAN}
    assert (shown[VAN]["state"]["mode"], shown[VAN]["said_offline_hint"]) == ("seeing", False)
    assert shown[VAN]["age_s"] > 1000


def test_status_without_any_van_says_so(port: int, keys: Keys) -> None:
    nothing = ctl("status", "-c", keys.config(port), "--wait", "0.3")
    assert nothing.returncode == 4
    assert "no state of any van" in nothing.stderr


def test_a_van_that_lost_its_power_is_said_to_be_offline_and_no_more(port: int, keys: Keys, van: SimulatedVan) -> None:
    daemon = Daemon("status", "--watch", "--json", "-c", keys.config(port), "--van", VAN)
    van.say_state()

    def words_are_shown() -> bool:
        van.say_health(alarms=("camera front is dark",))
        return "camera front is dark" in "".join(daemon.lines)

    wait_until(words_are_shown, "its words")
    gone = SimulatedVan(port, keys, OTHER)
    gone.say_state()
    gone.vanish()

    def hinted() -> bool:
        shown = json.loads(ctl("status", "-c", keys.config(port), "--json", "--van", OTHER).stdout)
        return bool(shown[OTHER]["said_offline_hint"]) and shown[OTHER]["state"] is None

    wait_until(hinted, "the will")
    assert daemon.end() == 0


def test_an_old_state_that_the_broker_shows_again_is_remembered_for_what_it_is(
    port: int, keys: Keys, van: SimulatedVan
) -> None:
    config = keys.config(port, f'seen = "{keys.folder / "seen.json"}"')
    old = van.say_state()
    van.say_state(mode="purged")
    assert json.loads(ctl("status", "-c", config, "--json", "--van", VAN).stdout)[VAN]["state"]["mode"] == "purged"
    van.publish(topic(VAN, "state"), old, retain=True)
    again = ctl("status", "-c", config, "--json", "--van", VAN, "--wait", "0.5")
    assert json.loads(again.stdout)[VAN]["state"] is None
    assert json.loads(again.stdout)[VAN]["look_at"] == ["1 old states shown again"]


def test_watch_shows_each_event_once_and_saves_its_crop(
    port: int, keys: Keys, van: SimulatedVan, tmp_path: Path
) -> None:
    watching = Daemon("watch", "-c", keys.config(port), "--save", tmp_path / "crops", "--count", "2")
    wait_until(lambda: "connected" in "".join(watching.errors), "a subscription")
    van.publish(topic(VAN, "match"), b"rubbish")
    first = van.say_match()
    van.say_again()
    second = van.say_match()
    wait_until(watching.is_over, "its end")
    assert watching.end() == 0
    assert [line.split("  id ")[1].strip() for line in watching.lines] == [first.id, second.id]
    assert all("possible match" in line and "EXPIRED: do not act" in line for line in watching.lines)
    crops = {path.name for path in (tmp_path / "crops").iterdir()}
    assert crops == {f"{VAN}_{event.id}.jpg" for event in (first, second)}
    assert "1 not_signed_by_van" in watching.errors[-1]


def test_watch_prints_json_without_the_crop(port: int, keys: Keys, van: SimulatedVan) -> None:
    watching = Daemon("watch", "-c", keys.config(port), "--json", "--count", "1", "--van", VAN)
    wait_until(lambda: "connected" in "".join(watching.errors), "a subscription")
    event = van.say_match(camera=NASTY)
    wait_until(watching.is_over, "its end")
    watching.end()
    (line,) = watching.lines
    assert line.strip().isascii()
    assert line.strip().isprintable()
    shown = json.loads(line)
    assert (shown["id"], shown["camera"]) == (event.id, NASTY)
    assert "crop_jpeg" not in shown


def test_nothing_that_a_van_says_steers_the_terminal(port: int, keys: Keys, van: SimulatedVan) -> None:
    van.say_state()
    config = keys.config(port)
    watching = Daemon("watch", "-c", config, "--count", "1")
    wait_until(lambda: "connected" in "".join(watching.errors), "a subscription")
    van.say_match(camera=NASTY, entry=NASTY, decided_utc=NASTY, expires_at=NASTY)
    wait_until(watching.is_over, "its end")
    watching.end()
    van.details = details(wall=NASTY, alarms=(NASTY,), cameras={NASTY: NASTY}, text=NASTY)
    van.say_state(versions=msgspec.structs.replace(a_state().versions, kerbside=NASTY, model=NASTY))
    status = ctl("status", "-c", config)
    done = ctl("send", "status", "--van", VAN, "--key", keys.path("ada"), "--reason", "test", "-c", config)
    assert done.returncode == 0, done.stderr
    for text in ("".join(watching.lines), status.stdout, done.stdout):
        assert {character for character in text if not character.isprintable()} <= {"\n"}
        assert "[red]" in text


def test_the_key_that_is_made_is_the_owners_alone_and_never_made_twice(tmp_path: Path) -> None:
    made = ctl("keygen", "ada", "--out", tmp_path / "keys", "--age", "--role", "operator", "--json")
    assert made.returncode == 0, made.stderr
    line = json.loads(made.stdout)
    key, reading_key = tmp_path / "keys/ada.pem", tmp_path / "keys/ada.age"
    assert [stat.S_IMODE(path.stat().st_mode) for path in (key, reading_key)] == [0o600, 0o600]
    assert line["public"] == envelope.public_hex(envelope.load_signer(key))
    assert line["recipient"] in reading_key.read_text("utf-8")
    before = key.read_bytes()
    again = ctl("keygen", "ada", "--out", tmp_path / "keys", "--van")
    assert again.returncode == 2
    assert "not overwritten" in again.stderr
    key.unlink()
    assert ctl("keygen", "ada", "--out", tmp_path / "keys", "--age").returncode == 2
    assert not key.exists()
    assert before.startswith(b"-----BEGIN PRIVATE KEY-----")
    for name in ("../ada", ".ada", "", "a b"):
        assert ctl("keygen", name, "--out", tmp_path / "keys").returncode == 2
    assert ctl("keygen", "bob", "--out", tmp_path / "keys", "--role", "king").returncode == 2


def test_commands_are_told_apart_by_their_counters(port: int, keys: Keys, van: SimulatedVan) -> None:
    van.say_state()
    common = ("send", "status", "--van", VAN, "--key", keys.path("ada"), "--reason", "test", "-c", keys.config(port))
    assert [ctl(*common).returncode for _ in range(2)] == [0, 0]
    first, second = van.executed
    assert first.ctr < second.ctr
    assert first.id != second.id


def test_a_vans_key_is_no_holders_key(tmp_path: Path) -> None:
    van = ctl("keygen", "van-07", "--out", tmp_path, "--van")
    public = envelope.public_hex(envelope.load_signer(tmp_path / "van-07.pem"))
    assert f'ctl.toml, [vans]:         van-07 = "{public}"' in van.stdout
    assert "holder" not in van.stdout
    for wrong in ((), ("--van", "--role", "operator"), ("--role", "chief")):
        assert ctl("keygen", "x", "--out", tmp_path, *wrong).returncode == 2
    assert not (tmp_path / "x.pem").exists()
