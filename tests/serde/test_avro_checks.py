"""The quick check says yes only to what fastavro's own accepts, and to what is plainly right."""

from __future__ import annotations

from typing import Any

import fastavro
from fastavro.validation import validate
from hypothesis import given
from hypothesis import strategies as st
from tests.serde.avro_values import TEXT, schemas_with_values

from summit.serde.avro_checks import quick_check

ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), TEXT,
    st.binary(max_size=5), st.lists(st.integers(), max_size=2),
    st.dictionaries(TEXT, st.integers(), max_size=2),
)  # fmt: skip


def _mutated(value: Any, draw: Any) -> Any:
    """The value with something else in one place."""
    if isinstance(value, dict) and value and draw(st.booleans()):
        key = draw(st.sampled_from(sorted(value)))
        return {**value, key: _mutated(value[key], draw)}
    if isinstance(value, list) and value and draw(st.booleans()):
        return [_mutated(value[0], draw), *value[1:]]
    return draw(ODD)


@given(schemas_with_values(), st.data())
def test_yes_means_yes(made: Any, data: st.DataObject) -> None:
    schema, values = made
    parsed = fastavro.parse_schema(schema)
    fits = quick_check(parsed)
    for value in values:
        assert fits(value)
        other = _mutated(value, data.draw)
        if fits(other):
            assert validate(other, parsed)


def test_it_is_not_sure_of_what_has_a_meaning() -> None:
    schema = {
        "type": "record",
        "name": "R",
        "fields": [
            {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        ],
    }
    assert not quick_check(fastavro.parse_schema(schema))({"at": 5})
    chain = {"type": "record", "name": "C", "fields": [{"name": "c", "type": ["null", "C"]}]}
    fits = quick_check(fastavro.parse_schema(chain))
    assert fits({"c": None})
    assert not fits({"c": {"c": None}})
