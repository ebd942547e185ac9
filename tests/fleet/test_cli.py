"""``kerbside-fleet`` as an admin and two signers use it, from the first key to a refreshed timestamp."""

from __future__ import annotations

import json
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from firmware.agent.settings import AgentFile
from firmware.config import load
from firmware.fleet.cli import app
from firmware.van import VanFile
from models.calibrated import Use
from models.calibrating import encode
from models.manifest import MANIFEST
from ota.archive import Limits, digest, unpack
from ota.repository.folder import Folder
from ota.repository.keys import public_key
from tests.fleet.stage import Fleet, answer, run, told
from tests.keyring import KEYRING
from tests.models.made_calibration import made, made_file
from tests.ota.repository.stage import HOLDERS
from tests.ota.repository.test_vans import OTHER, PUBLIC, request


@pytest.fixture
def new_fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path).open()


def test_a_day_from_a_new_model_to_the_place_that_vans_read(fleet: Fleet) -> None:
    draft = fleet.propose()
    (one,) = answer("drafts", "--fleet", fleet.path)
    assert one["roles"] == [{"role": "models", "needs": 2, "signed": [], "missing": [*HOLDERS]}]
    assert [done["signed"] for done in fleet.sign(draft, "officer-a", "officer-c")] == [["models"], ["models"]]
    www, stick = fleet.tmp / "www", fleet.tmp / "stick"
    stick.mkdir()
    made = answer("publish", draft, "--to", www, "--to", f"usb:{stick}")
    assert made["versions"]["models"] == 2
    assert set(made["sent_bytes"].values()) == {5000}
    assert (www / "metadata/2.models.json").read_bytes() == (stick / "kerbside/metadata/2.models.json").read_bytes()
    assert answer("verify", "--fleet", fleet.path) == []
    assert answer("drafts", "--fleet", fleet.path) == []
    assert answer("publish", "--refresh", "--to", www, "--fleet", fleet.path)["versions"]["timestamp"] == 3


def test_a_signer_reads_what_it_is_before_anything_is_signed(fleet: Fleet) -> None:
    draft = fleet.propose("sface-2", "--not-after", "2090-01-31", "--version", "2.0")
    shown = told("sign", draft, "--key", fleet.key("officer-a"), typed="n\n", code=1)
    for words in ("models 2", "2 of 3", "+ models model/sface-2", "vans 1: van-07 (key ", "counter 1", "version 2.0"):
        assert words in shown
    assert "to 2090-01-31 00:00 UTC" in shown
    assert list(draft.parent.glob("*.sig.json")) == []
    run("sign", draft, "--key", fleet.key("officer-a"), typed="y\n")
    assert len(list(draft.parent.glob("*.sig.json"))) == 1


def test_a_signer_of_a_calibration_reads_what_it_allows(fleet: Fleet) -> None:
    file, use = fleet.tmp / "calibration.json", Use("a1" * 32, "b2" * 32, "c3" * 32)
    file.write_bytes(made_file(use))
    asked = ("propose", "calibration", "sface-2", file, "--van", "all", "--fleet", fleet.path)
    draft = Path(answer(*asked)["draft"])
    shown = told("sign", draft, "--key", fleet.key("officer-a"), typed="n\n", code=1)
    for words in ("+ models calibration/sface-2", "entries: 500 at 0.46, 5000 at 0.50", "1 among 1,000 passers-by"):
        assert words in shown
    forged = made(use)
    limits = (replace(forged.limits[0], max_entries=501), *forged.limits[1:])
    file.write_bytes(encode(replace(forged, limits=limits)))
    assert "its limits are not those of its figures" in told(*asked, code=2)


def test_what_is_missing_or_asked_wrongly_has_its_exit_code_and_words(fleet: Fleet) -> None:
    draft = fleet.propose()
    fleet.sign(draft, "officer-a")
    assert "models: 1 of 2 signatures, missing officer-b or officer-c" in told("publish", draft, code=1)
    assert "officer-a has signed already" in told("sign", draft, "--key", fleet.key("officer-a"), "--yes", code=2)
    assert "signs no role here; it signs snapshot" in told(
        "sign", draft, "--key", fleet.key("snapshot"), "--yes", code=2
    )
    assert "not a draft" in told("sign", fleet.tmp, "--key", fleet.key("officer-a"), "--fleet", fleet.path, code=2)
    assert "holds no fleet.toml" in told("verify", "--fleet", fleet.tmp, code=2)
    model = ("propose", "model", "x", fleet.key("officer-a"), "--fleet", fleet.path)
    assert "van-99: not registered" in told(*model, "--van", "van-99", code=2)
    assert "a time is written" in told(*model, "--van", "all", "--not-after", "soon", code=2)
    over = ("--not-before", "2090-01-31", "--not-after", "2090-01-30")
    assert "is not after not_before" in told(*model, "--van", "all", *over, code=2)
    assert "over" in told(*model, "--van", "all", "--not-after", "2020-01-30", code=2)
    assert "version" in told(*model, "--van", "all", "--version", "two words", code=2)
    lists = ("propose", "watchlist", "x", fleet.key("officer-a"), "--van", "all", "--fleet", fleet.path)
    assert "`watchlist build` and `revoke` draft theirs" in told(*lists, code=2)


def test_nothing_can_be_proposed_before_the_first_state_is_published(new_fleet: Fleet) -> None:
    run("van", "add", "van-07", "--public", PUBLIC, "--fleet", new_fleet.path)
    asked = ("propose", "model", "x", new_fleet.key("officer-a"), "--van", "all", "--fleet", new_fleet.path)
    assert "nothing is published yet" in told(*asked, code=2)
    assert "nothing is published yet" in told("publish", "--fleet", new_fleet.path, code=2)


def test_cron_and_an_admin_do_not_publish_at_once(fleet: Fleet) -> None:
    with Folder(fleet.path).locked():
        assert "another publishing is at work" in told("publish", "--refresh", "--fleet", fleet.path, code=2)
    run("publish", "--refresh", "--fleet", fleet.path)


def test_a_draft_on_a_stick_is_not_deleted(fleet: Fleet) -> None:
    draft = fleet.propose()
    fleet.sign(draft, "officer-a", "officer-b")
    stick = fleet.tmp / "stick"
    shutil.copytree(draft.parent, stick)
    run("publish", stick / draft.name, "--fleet", fleet.path)
    assert (stick / draft.name).is_dir()
    run("publish", draft)
    assert answer("drafts", "--fleet", fleet.path) == []


def test_a_signature_can_come_by_mail(fleet: Fleet) -> None:
    draft = fleet.propose()
    files = []
    for one in fleet.sign(draft, "officer-a", "officer-b"):
        path = Path(one["signature"])
        files.append(path.rename(fleet.tmp / path.name))
    run("publish", draft, "--signature", files[0], "--signature", files[1])
    assert answer("verify", "--fleet", fleet.path) == []


def test_a_van_is_registered_with_what_it_needs(fleet: Fleet) -> None:
    csr = fleet.tmp / "van-08.csr"
    csr.write_bytes(request("van-08"))
    asked = ("van", "add", "van-08", "--public", OTHER, "--csr", csr, "--hardware", "ORIN-NX", "--fleet", fleet.path)
    result = CliRunner().invoke(app, [str(one) for one in asked])
    assert "openssl ca -batch -notext -config ca.cnf -extensions client" in result.stderr
    assert str(fleet.path / "metadata/1.root.json") in result.stdout
    assert [van["van"] for van in answer("van", "list", "--fleet", fleet.path)] == ["van-07", "van-08"]
    assert "ORIN-NX" in run("van", "list", "--fleet", fleet.path)
    other = ("van", "add", "van-09", "--public", "ab" * 32, "--csr", csr, "--fleet", fleet.path)
    assert "it has to be for CN=van-09 alone" in told(*other, code=2)


def test_what_is_printed_for_a_van_is_what_it_can_be_configured_with(fleet: Fleet) -> None:
    asked = ("van", "add", "van-08", "--public", OTHER, "--fleet", fleet.path)
    printed = run(*asked)
    top, tables = printed.split("[agent]")
    top, _, match = top.partition("# into its [match] table:")
    file = fleet.tmp / "van.toml"
    file.write_text(f"""van = "van-08"
socket = "/run/kerbside/link.sock"
{top}
[match]
signing_key = "/etc/kerbside/van-08.pem"
policy = "/etc/kerbside/policy"
state = "/var/lib/kerbside/match"
{match}
[[match.cameras]]
name = "front"
source = "csi://0"
[link]
[agent]{tables}""")
    key_id = load(file, AgentFile).agent.key_id
    van = load(file, VanFile)
    assert van.agent is not None
    assert van.match.root == van.agent.root == Path("/usr/share/kerbside/root.json")
    assert van.handover == load(file, AgentFile).handover == Path("/run/kerbside/agent.sock")
    assert {"van": "van-08", "key_id": key_id} in [
        {"van": one["van"], "key_id": one["key_id"]} for one in answer("van", "list", "--fleet", fleet.path)
    ]


def propose(fleet: Fleet, kind: str, content: Path) -> tuple[object, ...]:
    return ("propose", kind, "x", content, "--van", "van-07", "--fleet", fleet.path)


def unpacked(draft: Path, kind: str, into: Path) -> list[str]:
    (archive,) = (draft / "targets" / kind).iterdir()
    unpack(archive, into, Limits(files=64, bytes=2**20))
    return sorted(path.relative_to(into).as_posix() for path in into.rglob("*") if path.is_file())


def test_a_folder_is_packed_as_the_van_unpacks_it(fleet: Fleet) -> None:
    policy, software = KEYRING.write(fleet.tmp / "k") / "policy", fleet.tmp / "software"
    (software / "bin").mkdir(parents=True)
    (software / "bin/run").write_text("run")
    model = fleet.tmp / "model"
    model.mkdir()
    shutil.copyfile(MANIFEST, model / MANIFEST.name)
    for kind, folder, content in (
        ("policy", policy, "policy"),
        ("model", model, "model"),
        ("software", software, "sw"),
    ):
        draft = Path(answer(*propose(fleet, kind, folder))["draft"])
        names = unpacked(draft, content, fleet.tmp / f"{kind}-on-van")
        assert names == sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        assert digest(fleet.tmp / f"{kind}-on-van") == digest(folder)


def test_a_folder_that_no_van_would_take_is_not_drafted(fleet: Fleet) -> None:
    empty, linked = fleet.tmp / "empty", fleet.tmp / "linked"
    empty.mkdir()
    linked.mkdir()
    (linked / "way-out").symlink_to("/etc/passwd")
    assert "policy:" in told(*propose(fleet, "policy", empty), code=2)
    assert "keys.json" in told(*propose(fleet, "policy", empty), code=2)
    assert "manifest.toml" in told(*propose(fleet, "model", empty), code=2)
    assert "neither a plain file nor a folder" in told(*propose(fleet, "software", linked), code=2)
    assert "0 files of 0 bytes, a software has 1 to 20000" in told(*propose(fleet, "software", empty), code=2)
    assert "of kind os vans take one file" in told(*propose(fleet, "os", empty), code=2)
    assert answer("drafts", "--fleet", fleet.path) == []


def test_a_holder_goes_and_another_comes(fleet: Fleet) -> None:
    new = answer("keygen", "officer-d", "--out", fleet.keys, "--role", "models")
    change = ("rotate", "models", "--add", f"officer-d={new['public']}", "--remove", "officer-c")
    draft = Path(answer(*change, "--fleet", fleet.path)["draft"])
    shown = told("sign", draft, "--key", fleet.key("officer-d"), "--yes")
    assert "- targets officer-c signs models" in shown
    assert "+ targets officer-d signs models" in shown
    fleet.sign(draft, "officer-a", "officer-b")
    run("publish", draft)
    model = fleet.propose()
    fleet.sign(model, "officer-a", "officer-d")
    run("publish", model)
    assert "signs no role here" in told("sign", fleet.propose("y"), "--key", fleet.key("officer-c"), "--yes", code=2)


def test_roles_are_signed_anew_and_old_targets_left_out(fleet: Fleet) -> None:
    draft = fleet.propose()
    fleet.sign(draft, "officer-a", "officer-b")
    run("publish", draft)
    again = Path(answer("renew", "models", "--without", "model/sface-2", "--fleet", fleet.path)["draft"])
    (one,) = answer("drafts", "--fleet", fleet.path)
    assert [(change["mark"], change["what"]) for change in one["changes"]] == [("-", "model/sface-2")]
    fleet.sign(again, "officer-b", "officer-c")
    run("publish", again)
    assert "nothing of that name" in told("renew", "models", "--without", "model/no", "--fleet", fleet.path, code=2)
    assert "people sign" in told("renew", "snapshot", "--fleet", fleet.path, code=2)


def test_cron_learns_by_the_exit_code_that_something_is_due(fleet: Fleet) -> None:
    assert answer("expiring", "--fleet", fleet.path)[0]["role"] == "timestamp"
    run("expiring", "--fleet", fleet.path)
    file = fleet.path / "metadata/timestamp.json"
    soon = (datetime.now(timezone.utc) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    signed = json.loads(file.read_text())
    signed["signed"]["expires"] = soon
    file.write_text(json.dumps(signed))
    assert "was signed by 0/1 keys" in told("expiring", "--fleet", fleet.path, code=1)
    (fault,) = answer("verify", "--fleet", fleet.path, code=1)
    assert fault["level"] == "fault"


def test_a_key_can_have_a_passphrase_and_is_for_known_roles(tmp_path: Path) -> None:
    made = ("keygen", "officer-a", "--out", tmp_path, "--role", "root")
    run(*made, "--passphrase", typed="correct horse\ncorrect horse\n")
    assert "ENCRYPTED" in (tmp_path / "officer-a.pem").read_text()
    assert "File exists" in told(*made, code=2)
    assert "--role takes" in told("keygen", "x", "--out", tmp_path, "--role", "chief", code=2)
    assert "--role takes" in told("keygen", "x", "--out", tmp_path, "--role", "root", "--role", "timestamp", code=2)


def test_a_terminal_gets_no_control_characters_from_a_file(fleet: Fleet) -> None:
    draft = fleet.propose()
    file = draft.parent / f"{draft.name}.x.sig.json"
    file.write_text('{"v": 1, "holder": "\\u001b[2J", "keyid": "x", "signatures": []}')
    assert "\x1b" not in told("publish", draft, code=2)


def test_a_narrow_terminal_cuts_no_digest_and_no_key_id_off(fleet: Fleet) -> None:
    draft = fleet.propose()
    (sha256,) = (path.name.partition(".")[0] for path in (draft / "targets/model").iterdir())
    (van,) = answer("van", "list", "--fleet", fleet.path)
    narrow = {"COLUMNS": "80", "TERM": "dumb"}
    for words, whole in ((("drafts",), sha256), (("van", "list"), van["key_id"])):
        shown = CliRunner(env=narrow).invoke(app, [*words, "--fleet", str(fleet.path)]).stdout
        assert max(len(line) for line in shown.splitlines()) <= 80
        assert whole in "".join(shown.split())


def test_a_draft_that_another_overtook_is_called_stale(fleet: Fleet) -> None:
    late = fleet.propose("late")
    first = fleet.propose("first")
    fleet.sign(first, "officer-a", "officer-b")
    run("publish", first)
    assert f"Draft {late.name}: STALE" in " ".join(run("drafts", "--fleet", fleet.path).split())
    assert [one["stale"] for one in answer("drafts", "--fleet", fleet.path)] == [True]


def test_the_lines_of_a_key_name_its_id(tmp_path: Path) -> None:
    printed = run("keygen", "officer-a", "--out", tmp_path, "--role", "root")
    public = printed.partition('public = "')[2].partition('"')[0]
    assert printed.startswith(f"# key id {public_key(public).keyid}\n")
