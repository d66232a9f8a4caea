"""Random Avro schemas with values that they have."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Pair = tuple[Any, st.SearchStrategy[Any]]

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
_NAMES = [f"f{n}" for n in range(4)]
_PRIMITIVES: list[Pair] = [
    ("null", st.none()),
    ("boolean", st.booleans()),
    ("int", st.integers(-(2**31), 2**31 - 1)),
    ("long", st.integers(-(2**63), 2**63 - 1)),
    ("float", st.floats(width=32, allow_nan=False)),
    ("double", st.floats(allow_nan=False)),
    ("bytes", st.binary(max_size=8)),
    ("string", TEXT),
]


@st.composite
def _pairs(draw: st.DrawFn, depth: int, names: list[str]) -> Pair:
    kind = draw(
        st.sampled_from(
            ["primitive", "enum", "fixed"] + ["record", "array", "map", "option"] * depth
        )
    )
    if kind == "primitive":
        return draw(st.sampled_from(_PRIMITIVES))
    name = f"N{len(names)}"
    names.append(name)
    if kind == "enum":
        symbols = ["A", "B", "C"]
        return {"type": "enum", "name": name, "symbols": symbols}, st.sampled_from(symbols)
    if kind == "fixed":
        size = draw(st.integers(1, 5))
        return {"type": "fixed", "name": name, "size": size}, st.binary(
            min_size=size, max_size=size
        )
    schema, values = draw(_pairs(depth - 1, names))
    if kind == "map":
        return {"type": "map", "values": schema}, st.dictionaries(TEXT, values, max_size=3)
    if kind == "array":
        if schema == "null":
            schema, values = "int", _PRIMITIVES[2][1]
        return {"type": "array", "items": schema}, st.lists(values, max_size=3)
    if kind == "option":
        if schema == "null" or isinstance(schema, list):
            return schema, values
        return ["null", schema], st.none() | values
    fields = [("f", schema, values)]
    fields += [
        (each, *draw(_pairs(depth - 1, names)))
        for each in draw(st.sets(st.sampled_from(_NAMES), max_size=2))
    ]
    fields.append(("some", *_PRIMITIVES[2]))  # never empty: an array of such is refused
    record = {
        "type": "record",
        "name": name,
        "namespace": "made.up",
        "fields": [{"name": each, "type": inner} for each, inner, _ in fields],
    }
    return record, st.fixed_dictionaries({each: inner for each, _, inner in fields})


@st.composite
def schemas_with_values(draw: st.DrawFn) -> tuple[dict[str, Any], list[Any]]:
    """A record schema and a few values of it."""
    names: list[str] = []
    schema, values = draw(_pairs(2, names))
    record = {
        "type": "record",
        "name": "Top",
        "namespace": "made.up",
        "fields": [{"name": "it", "type": schema}],
    }
    return record, draw(st.lists(st.fixed_dictionaries({"it": values}), min_size=1, max_size=3))
