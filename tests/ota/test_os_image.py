"""RAUC: what it is asked, what it may say, and what the bootloader does on its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ota.delivery import Placed, Unfit
from ota.disk import Disk
from ota.installer import HealthGate, InstallError, NotNow
from ota.os_image import MAX_TRIES, Rauc
from ota.records import Installed
from ota.store import Store
from tests.ota.places import OsPlace
from tests.ota.rauc_simulator import Machine
from tests.ota.throwaway import custom

ONE = "1" * 64


@pytest.fixture
def place(tmp_path: Path) -> OsPlace:
    return OsPlace(tmp_path / "van")


def asked(place: OsPlace) -> list[list[str]]:
    """But for the questions."""
    return [call for call in place.machine.calls if "--output-format=json" not in call]


def test_rauc_is_asked_to_install_and_only_after_the_trial_to_mark_good(place: OsPlace) -> None:
    bundle = place.content("one")
    place.installer().install(bundle, ONE)
    place.start()
    assert asked(place) == [["install", str(bundle)]]
    place.installer().settle(ONE)
    assert asked(place)[1:] == [["status", "mark-good"]]


def test_a_bootloader_that_fell_back_by_itself_is_a_failure(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "machine", attempts=1)
    bundle = tmp_path / "bundle"
    bundle.write_text("one")
    Rauc(machine.rauc, tmp_path / "memory", "boot-1", Disk()).install(bundle, ONE)
    machine.boot()
    machine.boot()
    assert machine.running == "base"
    assert Rauc(machine.rauc, tmp_path / "memory", "boot-3", Disk()).stage(ONE) == "failed"


def test_a_cut_while_rauc_writes_is_done_again(place: OsPlace) -> None:
    place.machine.fail("install")
    with pytest.raises(NotNow, match=r"rauc install: exit 1: LastError: Failed mounting bundle: no luck"):
        place.installer().install(place.content("one"), ONE)
    place.start()
    assert place.installer().stage(ONE) == "absent"
    place.machine.fail()
    place.installer().install(place.content("one again"), ONE)
    place.start()
    assert (place.installer().stage(ONE), place.running) == ("trial", "one again")


def test_a_rauc_that_does_not_mark_good_leaves_the_trial_on(place: OsPlace) -> None:
    place.installer().install(place.content("one"), ONE)
    place.start()
    place.machine.fail("status mark-good")
    with pytest.raises(NotNow, match=r"rauc status: exit 1"):
        place.installer().settle(ONE)
    assert place.installer().stage(ONE) == "trial"


def test_a_machine_without_rauc_says_so(tmp_path: Path) -> None:
    rauc = Rauc(tmp_path / "rauc", tmp_path / "memory", "boot-1", Disk())
    with pytest.raises(NotNow, match=r"rauc status: .*No such file"):
        rauc.install(tmp_path / "bundle", ONE)


def test_words_that_are_not_rauc_s_are_not_believed(tmp_path: Path, place: OsPlace) -> None:
    place.machine.rauc.write_text("#!/bin/sh\necho '{}'\n")
    with pytest.raises(NotNow, match=r"rauc status: .*slots"):
        place.installer().install(place.content("one"), ONE)


def test_a_slot_that_was_written_and_does_not_boot_next_is_no_success(place: OsPlace) -> None:
    with pytest.raises(NotNow, match=r"was written, but 'rootfs\.0' boots next"):
        place.installer().install(place.content("stays"), ONE)
    assert place.installer().stage(ONE) == "absent"


def test_a_broken_memory_forgets_what_was_installed_and_nothing_else(tmp_path: Path, place: OsPlace) -> None:
    place.installer().install(place.content("one"), ONE)
    (tmp_path / "van/memory").write_bytes(b"{")
    assert place.installer().stage(ONE) == "absent"


@pytest.mark.parametrize(
    "reason",
    [
        "signature verification failed: Verify error: self signed certificate",
        "Compatible mismatch: Expected 'van' but bundle manifest has 'tram'",
        "Bundle rejected: Hook returned: no",
        "Invalid bundle format",
    ],
)
def test_what_rauc_finds_wrong_with_a_bundle_condemns_it_at_once(place: OsPlace, reason: str) -> None:
    place.machine.fail("install", reason=reason)
    with pytest.raises(InstallError, match=re.escape(reason)):
        place.installer().install(place.content("one"), ONE)


@pytest.mark.parametrize(
    "reason",
    [
        "Already processing a different method",
        "Installation error: Failed updating slot rootfs.1: failed to write: No space left on device",
        "D-Bus error while installing: The name de.pengutronix.rauc was not provided by any .service files",
    ],
)
def test_a_rauc_that_cannot_now_is_asked_again_however_often_that_is(place: OsPlace, reason: str) -> None:
    place.machine.fail("install", reason=reason)
    bundle = place.content("one")
    for _ in range(MAX_TRIES + 2):
        with pytest.raises(NotNow, match=re.escape(reason)):
            place.installer().install(bundle, ONE)
    place.machine.fail()
    place.installer().install(bundle, ONE)
    assert place.installer().stage(ONE) == "waiting"


def test_what_fails_three_times_for_reasons_that_nobody_knows_is_given_up(place: OsPlace) -> None:
    place.machine.fail("install")
    bundle = place.content("one")
    for _ in range(MAX_TRIES - 1):
        with pytest.raises(NotNow):
            place.installer().install(bundle, ONE)
    with pytest.raises(InstallError, match="no luck"):
        place.installer().install(bundle, ONE)


def test_a_delivery_that_cannot_now_condemns_nothing(tmp_path: Path, place: OsPlace) -> None:
    store = Store(tmp_path / "store", Disk())
    (tmp_path / "store" / ONE).write_text("one")
    gate = HealthGate(lambda: True, lambda: 0.0)
    delivery = Placed(store, place.installer(), gate, lambda sha256: None)
    image = Installed("os", ONE, "os/x", custom("os"), "trial")
    place.machine.fail("install", reason="Already processing a different method")
    with pytest.raises(NotNow):
        delivery.start(image)
    place.machine.fail("install", reason="signature verification failed")
    with pytest.raises(Unfit):
        delivery.start(image)
