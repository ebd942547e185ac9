"""A signature is a file, of one holder, over the very bytes of one draft."""

from __future__ import annotations

import hashlib
import re
import shutil
import stat
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from ota.repository import draft, signing
from ota.repository.changes import changes
from ota.repository.keys import KeyFileError, generate, open_signer, public_key
from ota.repository.people import FleetError
from tests.ota.repository.stage import (
    ALL,
    HOUR,
    NOW,
    VAN,
    Keys,
    Stage,
    holder_block,
    no_passphrase,
    online_block,
    van_of,
)


def test_a_signature_is_one_file_beside_its_draft_and_holds_no_secret(stage: Stage) -> None:
    path = stage.propose("sface-2")
    (made,) = stage.sign(path, "officer-a")
    file = signing.read_file(made)
    assert made.parent == path.parent
    assert made.name == f"{path.name}.{file.keyid[:16]}.sig.json"
    assert (file.holder, [one.role for one in file.signatures]) == ("officer-a", ["models"])


def test_a_holder_signs_once(stage: Stage) -> None:
    path = stage.propose("sface-2")
    stage.sign(path, "officer-a")
    with pytest.raises(FleetError, match="models: officer-a has signed already"):
        stage.sign(path, "officer-a")


def test_a_key_of_another_role_is_refused(stage: Stage) -> None:
    path = stage.propose("withdrawn", "revocation")
    with pytest.raises(KeyFileError, match="signs no role here"):
        stage.sign(path, "officer-c")


def test_a_signature_of_another_roles_key_is_worth_nothing(stage: Stage) -> None:
    """officer-c may sign lists but no revocations, and writes the file by hand."""
    lists, revocation = stage.propose_list("list-1", "north"), stage.propose("withdrawn", "revocation")
    (made,) = stage.sign(lists, "officer-c")
    one = draft.load(revocation).metadata["revocations"]
    signer = open_signer(str(stage.keys.path("officer-c")), [stage.keys.key("officer-c")], no_passphrase)
    over = signing.Over("revocations", 2, hashlib.sha256(one.signed_bytes).hexdigest(), one.sign(signer).signature)
    forged = msgspec.structs.replace(signing.read_file(made), signatures=(over,))
    file = stage.tmp / "forged.sig.json"
    file.write_bytes(msgspec.json.encode(forged))
    with pytest.raises(FleetError, match=r"forged.sig.json: key [0-9a-f]{12} may not sign revocations"):
        stage.publish(revocation, files=[file])


def test_a_signature_that_does_not_hold_is_named(stage: Stage) -> None:
    path = stage.propose("sface-2")
    made, _ = stage.sign(path, "officer-a", "officer-b")
    file = signing.read_file(made)
    bad = msgspec.structs.replace(file.signatures[0], sig="00" * 64)
    made.write_bytes(msgspec.json.encode(msgspec.structs.replace(file, signatures=(bad,))))
    with pytest.raises(FleetError, match="the signature of officer-a does not hold"):
        stage.publish(path)
    made.write_bytes(b"{}")
    with pytest.raises(FleetError, match="not a signature file"):
        stage.publish(path)


def test_a_stale_or_expired_draft_is_not_signed(stage: Stage) -> None:
    old = stage.propose("sface-2")
    stage.release(stage.propose("sface-3"))
    with pytest.raises(FleetError, match="stale"):
        stage.sign(old, "officer-a")
    path = stage.propose_list("list-1", "north")
    with pytest.raises(FleetError, match="watchlists expires in"):
        stage.sign(path, "officer-a", now=NOW + 48 * HOUR)


def test_a_longer_expiry_than_the_rule_is_not_signed(stage: Stage) -> None:
    path = stage.propose_list("list-1", "north", now=NOW)
    with pytest.raises(FleetError, match="of 1 to 172800"):
        stage.sign(path, "officer-a", now=NOW - 1)


def test_content_that_is_not_what_the_draft_says_is_not_signed(stage: Stage) -> None:
    path = stage.propose("sface-2")
    next((path / "targets/model").iterdir()).write_bytes(b"other")
    with pytest.raises(FleetError, match="the draft's file has 5 bytes"):
        stage.sign(path, "officer-a")


def test_a_draft_can_be_signed_far_from_its_content_and_says_so(stage: Stage) -> None:
    path = stage.propose("sface-2")
    published = stage.folder.published()
    there = dict(changes(draft.load(path), published, {VAN: "van-07"})[0].facts)
    shutil.rmtree(path / "targets")
    gone = dict(changes(draft.load(path), published, {})[0].facts)
    assert (there["vans"], there["counter"]) == (f"1: van-07 (key {VAN[:16]})", "1")
    assert "NOT HERE" not in there["content"]
    assert "NOT HERE" in gone["content"]
    assert gone["vans"] == f"1: NOT REGISTERED (key {VAN[:16]})"


def test_a_signer_sees_what_is_added_what_goes_and_what_stays(stage: Stage) -> None:
    stage.release(stage.propose_list("list-1", "north"))
    stage.release(stage.propose_list("list-2", "south"))
    path = stage.propose_list("list-3", "north")
    found = changes(draft.load(path), stage.folder.published(), {})
    assert [(one.mark, one.what) for one in found] == [
        ("-", "watchlist/list-1"),
        ("=", "watchlist/list-2"),
        ("+", "watchlist/list-3"),
    ]
    facts = dict(found[2].facts)
    assert facts["deployment"] == "north"
    assert facts["entries"] == "at most 500"
    assert facts["window"] == "2027-01-15 08:00 UTC to 2027-01-16 08:00 UTC"


def test_a_signer_sees_who_will_sign(new_fleet: Stage) -> None:
    found = [(one.mark, one.what) for one in changes(draft.load(new_fleet.first), None, {})]
    assert ("+", "officer-c signs watchlists") in found
    assert ("~", "watchlists needs 2 of 3") in found


def test_a_target_in_the_wrong_folder_is_not_signed(stage: Stage) -> None:
    path = stage.propose("sface-2")
    file = path / "models.json"
    file.write_text(file.read_text().replace("model/sface-2", "watchlist/sface-2"))
    with pytest.raises(FleetError, match="its kind is model, which lies in model/"):
        stage.sign(path, "officer-a")


@pytest.mark.parametrize(
    "named",
    [
        "model/../../../home/admin/.profile",
        "model/x/y",
        "model/",
        "model/.hidden",
        "/model/x",
        "model/x\\n",
        "model/" + "x" * 65,
    ],
)
def test_a_target_whose_name_would_lead_somewhere_else_is_neither_signed_nor_published(
    stage: Stage, named: str
) -> None:
    path = stage.propose("sface-2")
    file = path / "models.json"
    file.write_text(file.read_text().replace("model/sface-2", named))
    with pytest.raises(FleetError, match="lies in model/NAME"):
        stage.sign(path, "officer-a")
    with pytest.raises(FleetError, match="lies in model/NAME"):
        stage.publish(path)


@pytest.mark.parametrize("digest", ["../../x", "AB" * 32, "", "ab"])
def test_a_target_without_a_plain_sha256_is_not_signed(stage: Stage, digest: str) -> None:
    path = stage.propose("sface-2")
    file = path / "models.json"
    known = re.search(r'"sha256": "([0-9a-f]{64})"', file.read_text())
    assert known is not None
    file.write_text(file.read_text().replace(known[1], digest))
    with pytest.raises(FleetError, match="with a sha256"):
        stage.sign(path, "officer-a")


def test_a_drafts_file_that_is_a_link_is_not_published(stage: Stage, tmp_path: Path) -> None:
    path = stage.propose("sface-2")
    (content,) = (path / "targets/model").iterdir()
    elsewhere = tmp_path / "elsewhere"
    content.rename(elsewhere)
    content.symlink_to(elsewhere)
    with pytest.raises(FleetError, match="is a link to somewhere else"):
        changes(draft.load(path), stage.folder.published(), {})


def test_whoever_signs_sees_the_whole_digest_and_each_vans_key(stage: Stage) -> None:
    one = draft.load(stage.propose("sface-2"))
    (change,) = [change for change in changes(one, stage.folder.published(), {VAN: "van-07"}) if change.mark == "+"]
    facts = dict(change.facts)
    (target,) = one.metadata["models"].signed.targets.values()
    assert target.hashes["sha256"] in facts["content"]
    assert facts["vans"] == f"1: van-07 (key {VAN[:16]})"


def test_a_key_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    key = public_key(generate(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert open_signer(f"file2:{path}", [key], no_passphrase).public_key == key
    with pytest.raises(KeyFileError, match="File exists"):
        generate(path)
    path.chmod(0o640)
    with pytest.raises(KeyFileError, match="mode 640 lets others read"):
        open_signer(str(path), [key], no_passphrase)


def test_a_key_file_can_have_a_passphrase(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    key = public_key(generate(path, "correct horse"))
    assert open_signer(str(path), [key], lambda: "correct horse").public_key == key
    with pytest.raises(KeyFileError, match="wrong passphrase"):
        open_signer(str(path), [key], lambda: "battery staple")


def test_a_token_or_cloud_is_reached_by_its_uri_once_it_is_clear_whose_key_is_meant(stage: Stage) -> None:
    keys = [stage.keys.key(name, name) for name in ("officer-a", "officer-b")]
    with pytest.raises(KeyFileError, match="say whose key it is, 2 could be meant"):
        open_signer("hsm:2?label=x", keys, no_passphrase)
    with pytest.raises(KeyFileError, match="hsm: "):
        open_signer("hsm:2?label=x", keys, no_passphrase, "officer-a")


def test_an_elliptic_curve_key_signs_as_tokens_have_it(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys")
    keys.make("officer-a", "snapshot", "timestamp")
    private = generate_private_key(SECP256R1())
    keys.path("officer-b").write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    keys.path("officer-b").chmod(0o600)
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    people = (
        holder_block("officer-a", keys.public["officer-a"], [*ALL, "revocations"])
        + holder_block("officer-b", "PEM", ALL).replace('"PEM"', f'"""{pem}"""')
        + online_block("snapshot", keys.public["snapshot"], keys.path("snapshot"))
        + online_block("timestamp", keys.public["timestamp"], keys.path("timestamp"))
    )
    stage = Stage(tmp_path / "town", people)
    for name in ("officer-a", "officer-b", "snapshot", "timestamp"):
        shutil.copy(keys.path(name), stage.keys.path(name))
    stage.ceremony()
    assert van_of(stage).sees("model/none") is None
    rsa = generate_rsa(65537, 2048).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(KeyFileError, match="only Ed25519 and ECDSA"):
        public_key(rsa.decode())


def test_a_target_of_the_role_that_only_delegates_is_not_signed(stage: Stage) -> None:
    """It would stand above every delegated role, so no holder of lists or models would be asked."""
    model = draft.load(stage.propose("sface-2")).metadata["models"].signed
    path = draft.renew(stage.path, ["targets"], now=NOW)
    one = draft.load(path).metadata["targets"]
    one.signed.targets = model.targets
    one.to_file(str(path / "targets.json"))
    with pytest.raises(FleetError, match="targets names a target itself; only delegated roles do"):
        stage.sign(path, "officer-a")
