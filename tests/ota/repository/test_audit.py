"""`verify` finds what was changed, and `expiring` speaks in time."""

from __future__ import annotations

import pytest

from ota.repository import ceremony, draft
from ota.repository.audit import audit, expiries
from tests.ota.repository.stage import DAY, HOUR, NOW, Stage, open_plain


def faults(stage: Stage, now: int = NOW) -> list[tuple[str, str]]:
    return [(one.what, one.why) for one in audit(stage.folder, now) if one.level == "fault"]


def warnings(stage: Stage, now: int = NOW) -> list[str]:
    return [one.what for one in audit(stage.folder, now) if one.level == "warning"]


def test_what_is_as_it_was_signed_has_no_fault(stage: Stage) -> None:
    assert faults(stage) == []
    assert warnings(stage) == []
    stage.release(stage.propose("sface-2"))
    assert faults(stage) == []


def test_a_fleet_without_a_published_state_says_so(new_fleet: Stage) -> None:
    assert warnings(new_fleet) == ["metadata"]


@pytest.mark.parametrize("name", ["1.root", "1.targets", "2.models", "1.os", "2.snapshot", "timestamp"])
def test_changed_metadata_is_found_whatever_file_it_is(stage: Stage, name: str) -> None:
    stage.release(stage.propose("sface-2"))
    file = stage.path / f"metadata/{name}.json"
    file.write_text(file.read_text().replace('"spec_version"', '"x": 1, "spec_version"'))
    ((what, why),) = faults(stage)
    assert (what, "was signed by" in why) == ("metadata", True)


def test_a_missing_file_is_found(stage: Stage) -> None:
    (stage.path / "metadata/1.os.json").unlink()
    assert faults(stage) == [("metadata", "metadata/1.os.json: No such file or directory")]


def test_an_older_signed_version_in_a_newer_ones_place_is_found(stage: Stage) -> None:
    stage.release(stage.propose("sface-2"))
    (stage.path / "metadata/2.models.json").write_bytes((stage.path / "metadata/1.models.json").read_bytes())
    ((_, why),) = faults(stage)
    assert why.startswith("snapshot 2: names")


def test_changed_and_missing_content_is_found(stage: Stage) -> None:
    stage.release(stage.propose("sface-2"))
    file = next((stage.path / "targets/model").iterdir())
    file.write_bytes(b"x" * file.stat().st_size)
    assert faults(stage) == [("model/sface-2", "its file is not what was signed")]
    file.unlink()
    assert faults(stage) == [("model/sface-2", "its file is missing")]


def test_roles_that_expire_are_named_before_and_after(stage: Stage) -> None:
    assert warnings(stage, NOW + 40 * HOUR) == ["watchlists"]
    assert faults(stage, NOW + 40 * HOUR) == [("timestamp", "version 1 expired 16.2 h ago")]
    order = [one.role for one in expiries(stage.folder.need_published(), NOW)]
    assert order[:3] == ["timestamp", "watchlists", "snapshot"]
    late = {one.role for one in expiries(stage.folder.need_published(), NOW + 300 * DAY) if not one.due}
    assert late == {"root", "targets"}


def test_a_role_without_a_spare_key_is_pointed_out(stage: Stage) -> None:
    path = ceremony.rotate(stage.path, "root", remove=["officer-c"], now=NOW)
    stage.sign(path, "officer-a", "officer-b")
    stage.publish(path)
    assert warnings(stage) == ["root"]


def test_a_root_that_only_its_own_holders_signed_is_found(stage: Stage) -> None:
    stage.keys.make("thief-1", "thief-2")
    add = [stage.keys.key(name, name) for name in ("thief-1", "thief-2")]
    gone = ("officer-a", "officer-b", "officer-c")
    path = ceremony.rotate(stage.path, "root", add=add, remove=gone, now=NOW)
    root = draft.load(path).metadata["root"]
    for name in ("thief-1", "thief-2"):
        root.sign(open_plain(str(stage.keys.path(name)), add), append=True)
    root.to_file(str(stage.path / "metadata/2.root.json"))
    ((_, why),) = faults(stage)
    assert why == "root 2: root was signed by 0/2 keys"
