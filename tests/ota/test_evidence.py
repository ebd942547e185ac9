"""What an agent's folder of metadata proves to somebody who believes neither the agent nor the folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from ota.content import ROLE, Custom, Kind
from ota.evidence import MAX_ROOT_BYTES, MAX_ROOTS, MAX_TARGETS_BYTES, Asked, Evidence, EvidenceError, proved
from tests.ota.throwaway import DAY_S, EXPIRES_S, NOW, Repository, custom, make_keys, replace_id

CONTENT = b"what is signed"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Folder:
    """An agent's folder, and the repository that it came from."""

    path: Path
    repository: Repository

    def write(self) -> None:
        (self.path / "root_history").mkdir(parents=True, exist_ok=True)
        files = self.repository.files
        for version in range(1, self.repository.root.version + 1):
            self.root(version).write_bytes(files[f"metadata/{version}.root.json"])
        for role in ("targets", *self.repository.delegated):
            self.role(role).write_bytes(files[f"metadata/{self.repository.targets(role).version}.{role}.json"])

    def root(self, version: int) -> Path:
        return self.path / "root_history" / f"{version}.root.json"

    def role(self, role: str) -> Path:
        return self.path / f"{role}.json"

    def sign(self, kind: Kind = "policy", **said: object) -> None:
        self.repository.add(kind, "one", CONTENT, custom(kind, **said))  # type: ignore[arg-type]  # any field
        self.repository.publish(ROLE[kind])
        self.write()

    def proves(self, kind: Kind = "policy", now: int | None = NOW, sha256: str = SHA256) -> Evidence:
        return proved(Asked(kind, sha256, now), self.repository.trusted_root, self.path)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path, Repository())
    folder.sign()
    return folder


def test_what_enough_people_signed_is_proved_with_all_that_they_say_of_it(folder: Folder) -> None:
    assert folder.proves() == Evidence(custom("policy"), root_version=1, targets_version=1, role_version=2)


def test_a_chain_of_roots_is_followed_to_its_end_and_only_the_newest_counts(folder: Folder) -> None:
    repository, before = folder.repository, list(folder.repository.signers["root"])
    repository.rotate("root", "targets", "policies")
    for signer in repository.signers["root"]:
        repository.root.add_key(signer.public_key, "root")
    for signer in repository.signers["targets"]:
        repository.root.add_key(signer.public_key, "targets")
    repository.root.version = 2
    repository.offer("root", [*before, *repository.signers["root"]])
    folder.write()
    with pytest.raises(EvidenceError, match="targets was signed by 0/2"):
        folder.proves()
    repository.publish("targets", "policies")
    folder.write()
    assert folder.proves().root_version == 2


def test_content_that_nobody_signed_is_not_proved(folder: Folder) -> None:
    with pytest.raises(EvidenceError, match="policies v2: signs for no abab"):
        folder.proves(sha256="ab" * 32)


def test_what_is_signed_for_one_kind_is_not_proved_of_another(folder: Folder) -> None:
    with pytest.raises(EvidenceError, match="signs for no"):
        folder.proves("model")


def one_of_two(folder: Folder) -> None:
    repository = folder.repository
    repository.offer("policies", repository.signers["policies"][:1])


def one_twice(folder: Folder) -> None:
    one = folder.repository.signers["policies"][0]
    folder.repository.offer("policies", [one, one])


def another_roles_people(folder: Folder) -> None:
    folder.repository.offer("policies", folder.repository.signers["watchlists"])


def keys_of_nobody(folder: Folder) -> None:
    folder.repository.offer("policies", make_keys(2))


def targets_of_nobody(folder: Folder) -> None:
    folder.repository.offer("targets", make_keys(2))


def targets_by_one(folder: Folder) -> None:
    folder.repository.offer("targets", folder.repository.signers["targets"][:1])


def two_ids_of_one_key(folder: Folder) -> None:
    repository = folder.repository
    key = repository.signers["policies"][0].public_key
    twin = replace_id(key, "ab" * 32)
    delegations = repository.targets().delegations
    assert delegations is not None
    delegations.keys[twin.keyid] = twin
    repository.delegation("policies").keyids.append(twin.keyid)
    repository.offer("targets")


def no_delegation(folder: Folder) -> None:
    folder.repository.undelegate("policies")
    folder.repository.offer("targets")


def another_folder(folder: Folder) -> None:
    folder.repository.put("policies", "policy/sub/one", b"other", custom("policy"))
    folder.repository.targets("policies").targets.pop("policy/one")
    folder.repository.put("policies", "model/one", CONTENT, custom("policy"))
    folder.repository.offer("policies")


def another_kinds_custom(folder: Folder) -> None:
    folder.repository.put("policies", "policy/one", CONTENT, custom("model"))
    folder.repository.offer("policies")


def more_fields(folder: Folder) -> None:
    said = msgspec.to_builtins(custom("policy")) | {"root": True}
    folder.repository.put("policies", "policy/one", CONTENT, said)
    folder.repository.offer("policies")


def no_custom(folder: Folder) -> None:
    folder.repository.targets("policies").targets["policy/one"].unrecognized_fields.clear()
    folder.repository.offer("policies")


FORGED: dict[str, tuple[Callable[[Folder], None], str]] = {
    "one of two": (one_of_two, "policies was signed by 1/2"),
    "one twice": (one_twice, "policies was signed by 1/2"),
    "another role's people": (another_roles_people, "policies was signed by 0/2"),
    "keys of nobody": (keys_of_nobody, "policies was signed by 0/2"),
    "targets of nobody": (targets_of_nobody, "targets was signed by 0/2"),
    "targets by one of two": (targets_by_one, "targets was signed by 1/2"),
    "two ids of one key": (two_ids_of_one_key, "4 key ids, and 3 keys"),
    "no delegation": (no_delegation, "delegates nothing to policies"),
    "another folder": (another_folder, "sign for policy/NAME and nothing else"),
    "another kind's custom": (another_kinds_custom, "says it is of kind model"),
    "more fields than there are": (more_fields, "custom: "),
    "no custom": (no_custom, "custom: "),
}


@pytest.mark.parametrize("what", FORGED)
def test_what_is_not_signed_by_enough_of_those_who_may_is_not_proved(folder: Folder, what: str) -> None:
    forge, words = FORGED[what]
    forge(folder)
    folder.write()
    with pytest.raises(EvidenceError, match=words):
        folder.proves()


def test_a_root_of_the_agents_own_is_not_followed(folder: Folder) -> None:
    own = Repository()
    own.publish("root")
    folder.root(2).write_bytes(own.files["metadata/2.root.json"])
    with pytest.raises(EvidenceError, match="root was signed by 0/2"):
        folder.proves()


def test_a_root_that_does_not_sign_itself_is_not_followed(folder: Folder) -> None:
    before = folder.repository.signers["root"]
    folder.repository.roles["root"].signed.version += 1
    folder.repository.root.roles["root"].keyids = []
    for signer in make_keys(2):
        folder.repository.root.add_key(signer.public_key, "root")
    folder.root(2).write_bytes(folder.repository.offer("root", before))
    with pytest.raises(EvidenceError, match="root was signed by 0/2"):
        folder.proves()


def test_a_root_under_another_versions_name_is_not_followed(folder: Folder) -> None:
    folder.root(2).write_bytes(folder.root(1).read_bytes())
    with pytest.raises(EvidenceError, match=r"2\.root\.json: is version 1"):
        folder.proves()


def test_no_root_is_followed_without_end(folder: Folder) -> None:
    for version in range(2, MAX_ROOTS + 2):
        folder.repository.root.version = version
        folder.root(version).write_bytes(folder.repository.offer("root"))
    with pytest.raises(EvidenceError, match=f"more than {MAX_ROOTS} roots"):
        folder.proves()


@pytest.mark.parametrize(("role", "kind"), [("policies", "policy"), ("models", "model")])
def test_signatures_end_with_their_role(folder: Folder, role: str, kind: Kind) -> None:
    folder.sign(kind)
    end = NOW + EXPIRES_S[role]
    assert folder.proves(kind, end - 1).custom.kind == kind
    with pytest.raises(EvidenceError, match=f"{role} v[23]: expired at "):
        folder.proves(kind, end)
    assert folder.proves(kind, None).custom.kind == kind


def test_the_root_and_the_targets_end_too(folder: Folder) -> None:
    folder.repository.now = NOW + 300 * DAY_S
    folder.sign()
    folder.repository.now = NOW + 400 * DAY_S
    folder.repository.publish("policies")
    folder.write()
    with pytest.raises(EvidenceError, match="root v1: expired at "):
        folder.proves(now=NOW + 365 * DAY_S)


@pytest.mark.parametrize("kind", ["watchlist", "revocation"])
def test_a_list_and_a_revocation_are_proved_after_their_roles_end(folder: Folder, kind: Kind) -> None:
    folder.sign(kind)
    assert folder.proves(kind, NOW + 10 * 365 * DAY_S).custom.kind == kind


@pytest.mark.parametrize(("signed", "asked"), [("model", "calibration"), ("calibration", "model")])
def test_what_was_signed_as_one_kind_is_not_proved_to_be_another_of_the_same_role(
    tmp_path: Path, signed: Kind, asked: Kind
) -> None:
    folder = Folder(tmp_path, Repository())
    folder.sign(signed)
    assert folder.proves(signed).custom.kind == signed
    with pytest.raises(EvidenceError, match=f"was signed as a {signed}, and is offered as a {asked}"):
        folder.proves(asked)


def test_the_same_bytes_under_two_kinds_are_proved_with_what_was_said_of_the_one_asked_for(tmp_path: Path) -> None:
    folder = Folder(tmp_path, Repository())
    folder.repository.add("model", "one", CONTENT, custom("model", 9))
    folder.sign("calibration")
    assert folder.proves("calibration").custom == custom("calibration", 1)


def test_of_two_targets_with_the_same_content_the_newer_counts(folder: Folder) -> None:
    folder.repository.add("policy", "two", CONTENT, custom("policy", 7))
    folder.sign()
    assert folder.proves().custom.counter == 7


PLACES: tuple[Callable[[Folder], Path], ...] = (
    lambda folder: folder.root(2),
    lambda folder: folder.role("targets"),
    lambda folder: folder.role("policies"),
)


@pytest.mark.parametrize("place", PLACES, ids=["root", "targets", "role"])
def test_a_pipe_or_a_link_keeps_nobody_waiting_and_leads_nowhere(
    folder: Folder, place: Callable[[Folder], Path]
) -> None:
    path = place(folder)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    with pytest.raises(EvidenceError, match="not a plain file"):
        folder.proves()
    path.unlink()
    path.symlink_to(folder.root(1))
    with pytest.raises(EvidenceError, match="symbolic links"):
        folder.proves()


@pytest.mark.parametrize("place", PLACES, ids=["root", "targets", "role"])
@pytest.mark.parametrize("data", [b"", b"\xff", b"[]", b"{}", b'{"signed":{"_type":"timestamp"}}', b"[" * 100_000])
def test_what_is_no_metadata_proves_nothing(folder: Folder, place: Callable[[Folder], Path], data: bytes) -> None:
    place(folder).write_bytes(data)
    with pytest.raises(EvidenceError):
        folder.proves()


LIMITS = [(PLACES[0], MAX_ROOT_BYTES), (PLACES[1], MAX_TARGETS_BYTES), (PLACES[2], MAX_TARGETS_BYTES)]


@pytest.mark.parametrize(("place", "limit"), LIMITS)
def test_a_file_over_its_limit_is_not_read_to_its_end(
    folder: Folder, place: Callable[[Folder], Path], limit: int
) -> None:
    with place(folder).open("wb") as file:
        file.truncate(limit + 1)
    with pytest.raises(EvidenceError, match=f"more than {limit} bytes"):
        folder.proves()


def test_a_missing_file_proves_nothing(folder: Folder) -> None:
    folder.role("policies").unlink()
    with pytest.raises(EvidenceError, match="No such file"):
        folder.proves()


def test_the_custom_is_the_signers(folder: Folder) -> None:
    folder.sign(vans=("cd" * 32,))
    assert folder.proves().custom == Custom(kind="policy", vans=("cd" * 32,), counter=1)
