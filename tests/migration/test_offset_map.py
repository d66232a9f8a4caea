"""Offsets of a copy, against a list of what was copied."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from summit.migration.offset_map import OffsetMap


@given(st.sets(st.integers(0, 60), max_size=40), st.integers(0, 40))
def test_every_offset_leads_to_the_first_copy_at_or_after_it(held: set[int], cut: int) -> None:
    copied = sorted(held)
    offsets = OffsetMap()
    for source in copied:
        assert offsets.add(source) == copied.index(source)
    again = OffsetMap(offsets.points[:cut] + offsets.points[cut:], offsets.count)
    for at in range(65):
        expected = sum(source < at for source in copied)
        assert offsets.translate(at) == again.translate(at) == expected


def test_a_stretch_without_holes_takes_one_point() -> None:
    offsets = OffsetMap()
    for source in (*range(1_000, 2_000), *range(2_001, 3_000)):
        offsets.add(source)
    assert offsets.points == [(1_000, 0), (2_001, 1_000)]
