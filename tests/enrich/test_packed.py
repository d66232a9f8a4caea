"""`PackedRows` and the tables on it, beside plain dictionaries."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from summit.enrich.packed import PackedRows
from summit.enrich.tables import MISS, compile_table

keys = st.text(st.characters(exclude_characters="\0"), max_size=6)
rows = st.none() | st.integers(-5, 5) | st.text(max_size=3) | st.lists(st.integers(), max_size=2)


@given(st.dictionaries(keys, rows, max_size=20), st.lists(keys, max_size=5))
def test_a_table_is_a_dictionary(table: dict[str, Any], others: list[str]) -> None:
    get = compile_table(table.items(), "exact")
    for key in (*table, *others):
        found = get(key)
        assert found == table[key] if key in table else found is MISS


@given(st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=3)), max_size=12))
def test_numbers_that_collide(given_rows: list[tuple[int, bytes]]) -> None:
    packed = PackedRows()
    for number, row in given_rows:
        packed.add(number, row)
    packed.seal()
    assert len(packed) == len(given_rows)
    for number in range(4):
        wanted = [row for each, row in given_rows if each == number]
        assert sorted(packed.find(number)) == sorted(wanted)
        for row in wanted:
            assert packed.get(number, row[:2]) is not None
        assert packed.get(number, b"longer than any row of these") is None
    twice = [n for n in range(4) if sum(number == n for number, _ in given_rows) > 1]
    assert sorted(set(packed.twins())) == twice
