"""By which definitions key groups are taken up."""

from __future__ import annotations

from summit.flow.switching import acting_of
from summit.journal.state_log import Acts


def test_where_nothing_is_saved_none_has_acted() -> None:
    # Not the newest: somebody may have sent events that go by older ones.
    assert acting_of({1, 2}, {}, -1) == 0


def test_the_newest_that_has_acted_anywhere_acts() -> None:
    saved = {1: Acts(3, 7), 2: Acts(5, 5), 9: Acts(8, 8)}
    assert acting_of({1, 2, 3}, saved, -1) == 5
    assert acting_of({1, 2, 3}, saved, 6) == 6
