"""Each entry of the list in use has to find itself, and two that hide each other are counted."""

from __future__ import annotations

import numpy as np
import pytest

from firmware.match.examination import MOST_ROWS, ROWS_A_STEP, Examination
from firmware.match.watchlist import Entry, Watchlist
from models.faces import F32, Embeddings
from models.manifest import ModelError
from models.portrait import DUPLICATE_SIMILARITY
from tests.match.lists import random_units

ROWS = 2 * ROWS_A_STEP + 1
HIDDEN = f"of {ROWS} entries resemble another one so much that neither can be found"


def a_watchlist(templates: F32) -> Watchlist:
    listed = tuple(Entry(f"entry-{row}", "test") for row in range(len(templates)))
    return Watchlist(listed, Embeddings(templates, "space"))


def resembling(template: F32, similarity: float) -> F32:
    """A template of that similarity to another."""
    other = np.roll(template, 1)
    other -= (other @ template) * template
    other /= np.linalg.norm(other)
    mixed: F32 = (similarity * template + np.sqrt(1 - similarity**2) * other).astype(np.float32)
    return mixed


def examined(watchlist: Watchlist) -> tuple[str, ...]:
    examination = Examination(watchlist)
    list(examination.steps())
    return examination.alarms


@pytest.mark.parametrize("rows", [1, 2, ROWS_A_STEP, ROWS])
def test_a_list_whose_entries_find_themselves_passes_a_few_a_step(rows: int) -> None:
    examination = Examination(a_watchlist(random_units(rows)))
    assert len(list(examination.steps())) == -(-rows // ROWS_A_STEP)
    assert examination.alarms == ()


@pytest.mark.parametrize("row", [0, ROWS - 1])
@pytest.mark.parametrize("wrong", [0.0, 0.9, 1.1, np.nan, np.inf])
def test_an_entry_whose_template_is_not_what_it_was_is_found_out(row: int, wrong: float) -> None:
    watchlist = a_watchlist(random_units(ROWS))
    watchlist._matrix[row] *= np.float32(wrong)
    with pytest.raises(ModelError, match=r"^the list in use: an entry does not find itself$"):
        examined(watchlist)


def test_an_entry_in_whose_place_another_is_found_is_found_out() -> None:
    templates = random_units(ROWS)
    watchlist = a_watchlist(templates)
    watchlist._matrix[5] = 1.02 * watchlist._matrix[3]
    watchlist.revoke(4)
    with pytest.raises(ModelError, match="does not find itself"):
        examined(watchlist)


def test_a_revoked_entry_does_not_have_to_be_found_nor_has_a_wiped_list() -> None:
    watchlist = a_watchlist(random_units(ROWS))
    watchlist.revoke(7)
    assert examined(watchlist) == ()
    watchlist.wipe()
    assert examined(watchlist) == ()


def test_entries_that_hide_each_other_are_counted_and_not_named_until_one_is_revoked() -> None:
    templates = random_units(ROWS)
    templates[20] = templates[2]
    templates[31] = resembling(templates[9], DUPLICATE_SIMILARITY + 0.005)
    templates[30] = resembling(templates[8], DUPLICATE_SIMILARITY - 0.005)
    watchlist = a_watchlist(templates)
    examination = Examination(watchlist)
    for count, row in ((4, 20), (2, 9)):
        list(examination.steps())
        assert examination.alarms == (f"{count} {HIDDEN}",)
        watchlist.revoke(row)
    list(examination.steps())
    assert examination.alarms == ()


def test_a_long_list_is_examined_in_parts_and_all_of_it_in_the_end() -> None:
    templates = random_units(2 * MOST_ROWS + 1)
    watchlist = a_watchlist(templates)
    watchlist._matrix[1] *= np.float32(0.9)
    examination = Examination(watchlist)
    assert len(list(examination.steps())) <= MOST_ROWS // ROWS_A_STEP
    with pytest.raises(ModelError, match="does not find itself"):
        list(examination.steps())
