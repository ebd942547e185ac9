"""What signers can say of a target, and what they cannot."""

from __future__ import annotations

import msgspec
import pytest

from ota.content import FOLDER, KINDS, ROLE, ROLES, Custom, kind_at, kinds_of
from tests.ota.throwaway import custom


def test_each_kind_has_a_folder_of_its_own_and_a_role_that_answers_for_it() -> None:
    assert len({FOLDER[kind] for kind in KINDS}) == len(KINDS)
    assert [kind_at(f"{FOLDER[kind]}/name") for kind in KINDS] == list(KINDS)
    assert kind_at("elsewhere/name") is None
    assert sorted(kind for role in ROLES for kind in kinds_of(role)) == sorted(KINDS)
    assert kinds_of("models") == ("model", "calibration")
    assert ROLE["calibration"] == "models"
    assert kinds_of("nobody") == ()


def test_only_a_list_asks_for_a_similarity_and_that_is_one() -> None:
    assert custom("watchlist", min_similarity_milli=1_000).min_similarity_milli == 1_000
    with pytest.raises(ValueError, match="min_similarity_milli 1: a model has none"):
        custom("model", min_similarity_milli=1)
    with pytest.raises(msgspec.ValidationError, match="<= 1000"):
        msgspec.convert({"kind": "watchlist", "vans": ["a" * 64], "counter": 1, "min_similarity_milli": 1_001}, Custom)


def test_what_is_not_meant_is_not_said_so_that_vans_with_older_software_take_the_rest() -> None:
    """The update that teaches a van a new field must not need it."""
    assert set(msgspec.json.decode(msgspec.json.encode(custom("software", version="2")))) == {
        *("kind", "vans", "counter", "version")
    }
    said = msgspec.json.decode(msgspec.json.encode(custom("watchlist", min_similarity_milli=610)))
    assert said["min_similarity_milli"] == 610
