"""The block of memory that holds passers-by: what is wiped is zero, and room again."""

from __future__ import annotations

import numpy as np
import pytest

from firmware.match.evidence import Evidence, TemplateStore
from models.faces import F32


def unit(*values: float) -> F32:
    vector = np.array(values, np.float32)
    return vector / np.float32(np.linalg.norm(vector))


@pytest.fixture
def store() -> TemplateStore:
    return TemplateStore(dimension=4, capacity=3)


def memory(store: TemplateStore) -> F32:
    return store._block


def test_a_held_template_is_a_copy_that_the_wipe_overwrites(store: TemplateStore) -> None:
    evidence, vector = Evidence(), unit(1, 2, 3, 4)
    store.hold(evidence, vector, 1.0)
    vector.fill(0.0)
    assert store.fused(evidence) == pytest.approx(unit(1, 2, 3, 4))
    assert (store.held, store.free) == (1, 2)
    store.wipe(evidence, 0.3)
    assert not memory(store).any()
    assert (store.held, store.free, store.wiped) == (0, 3, 1)
    assert evidence.slots == []


def test_the_wipe_of_one_leaves_the_others(store: TemplateStore) -> None:
    one, other = Evidence(), Evidence()
    store.hold(one, unit(1, 0, 0, 0), 1.0)
    store.hold(other, unit(0, 1, 0, 0), 1.0)
    store.hold(one, unit(0, 0, 1, 0), 1.0)
    store.wipe(one, 0.0)
    assert store.fused(other) == pytest.approx(unit(0, 1, 0, 0))
    assert np.count_nonzero(memory(store)) == 1


def test_a_better_shot_weighs_more(store: TemplateStore) -> None:
    evidence = Evidence()
    store.hold(evidence, unit(1, 0, 0, 0), 3.0)
    store.hold(evidence, unit(0, 1, 0, 0), 1.0)
    fused = store.fused(evidence)
    assert fused == pytest.approx(unit(3, 1, 0, 0))
    assert float(np.linalg.norm(fused)) == pytest.approx(1)


def test_a_full_store_refuses_and_has_room_again_after_a_wipe(store: TemplateStore) -> None:
    first, more = Evidence(), Evidence()
    for _ in range(3):
        store.hold(first, unit(1, 1, 1, 1), 1.0)
    assert store.free == 0
    with pytest.raises(IndexError):
        store.hold(more, unit(1, 0, 0, 0), 1.0)
    assert more.slots == []
    store.wipe(first, 0.0)
    store.hold(more, unit(1, 0, 0, 0), 1.0)
    assert store.held == 1


def test_wiping_twice_frees_once(store: TemplateStore) -> None:
    evidence = Evidence()
    store.hold(evidence, unit(1, 0, 0, 0), 1.0)
    store.wipe(evidence, 0.1)
    store.wipe(evidence, 0.1)
    assert (store.free, store.wiped) == (3, 1)


def test_the_99th_percentile_is_of_the_lives(store: TemplateStore) -> None:
    assert store.life_p99_s() == 0.0
    for number in range(100):
        evidence = Evidence()
        store.hold(evidence, unit(1, 0, 0, 0), 1.0)
        store.wipe(evidence, number / 100)
    assert 0.97 <= store.life_p99_s() <= 0.99


def test_the_percentile_is_kept_for_days_without_growing(store: TemplateStore) -> None:
    for life_s in np.repeat([9.0, 0.25], 20_000):
        evidence = Evidence()
        store.hold(evidence, unit(1, 0, 0, 0), 1.0)
        store.wipe(evidence, float(life_s))
    assert store.life_p99_s() == 0.25
    assert store.wiped == 40_000
    assert len(store._lives_s) < 20_000
