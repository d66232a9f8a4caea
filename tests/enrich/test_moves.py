"""rename, add, copy, remove, flatten."""

from __future__ import annotations

from typing import Any

import pytest
from tests.enrich.transforms import refused, result

Value = dict[str, Any]


@pytest.mark.parametrize(
    ("value", "field", "target", "expected"),
    [
        ({"a": 1}, "a", "b", {"b": 1}),
        ({"a": 1}, "a", "x.y.z", {"x": {"y": {"z": 1}}}),
        ({"a": {"b": 1, "c": 2}}, "a.b", "b", {"a": {"c": 2}, "b": 1}),
        ({"b": 1}, "a", "c", {"b": 1}),  # not there
        ({"a": None}, "a", "c", {"a": None}),  # null is not there either
        ({"a": 1}, "a", "a.b", {"a": {"b": 1}}),
        ({"a": 1, "b": 2}, "a", "b", {"b": 1}),
        ({"l": [1, 2, 3]}, "l.1", "second", {"l": [1, 3], "second": 2}),
        ({"metadata": {"user": "eve"}}, "user", "actor", {"metadata": {}, "actor": "eve"}),
        ({"user": 1, "metadata": {"user": 2}}, "user", "u", {"u": 1, "metadata": {"user": 2}}),
    ],
)
def test_rename(value: Value, field: str, target: str, expected: Value) -> None:
    assert result(value, "rename", field, newName=target) == expected


@pytest.mark.parametrize(
    ("value", "field", "target"),
    [
        ({"a": 1, "b": "text"}, "a", "b.c"),
        ({"a": 1, "l": []}, "a", "l.1"),
        ({"a": 1, "l": []}, "a", "l.x"),
        ({"l": [1, 2], "b": 3}, "l.0", "b.c"),
        ({"a": 1, "l": [{}]}, "a", "l.1.b"),
    ],
)
def test_a_rename_without_a_place_to_go_to_changes_nothing(
    value: Value, field: str, target: str
) -> None:
    assert "has no place" in refused(value, "rename", field, newName=target)


@pytest.mark.parametrize(
    ("value", "field", "given", "expected"),
    [
        ({}, "a.b", 1, {"a": {"b": 1}}),
        ({"a": 0}, "a", [1], {"a": [1]}),
        ({"a": None}, "a.b", True, {"a": {"b": True}}),
        ({"l": [1]}, "l.1", 2, {"l": [1, 2]}),
        ({"l": [{"a": 1}]}, "l.0.b", 2, {"l": [{"a": 1, "b": 2}]}),
        ({}, "a", None, {"a": None}),
        ({}, "__class__", "x", {"__class__": "x"}),
    ],
)
def test_add(value: Value, field: str, given: Any, expected: Value) -> None:
    assert result(value, "add", field, value=given) == expected


def test_each_event_gets_its_own_copy_of_what_is_added() -> None:
    constant = {"list": [1]}
    first = result({}, "add", "a", value=constant)
    first["a"]["list"].append(2)
    assert constant == {"list": [1]}


def test_add_below_a_text_is_refused() -> None:
    assert refused({"a": "text"}, "add", "a.b", value=1)


def test_copy_shares_nothing() -> None:
    new = result({"a": {"b": [1]}}, "copy", "a", outputField="c.d")
    assert new == {"a": {"b": [1]}, "c": {"d": {"b": [1]}}}
    new["a"]["b"].append(2)
    assert new["c"]["d"]["b"] == [1]
    assert result({"x": 1}, "copy", "a", outputField="c") == {"x": 1}


@pytest.mark.parametrize(
    ("value", "field", "expected"),
    [
        ({"a": 1, "b": 2}, "a", {"b": 2}),
        ({"a": None}, "a", {}),
        ({"b": 2}, "a", {"b": 2}),
        ({"a": {"b": 1}}, "a.b", {"a": {}}),
        ({"a": [{"b": 1, "c": 1}, {"b": 2}, 3]}, "a.b", {"a": [{"c": 1}, {}, 3]}),
        ({"a": [1, 2, 3]}, "a.*", {"a": []}),
        ({"a": [1, 2, 3]}, "a.1", {"a": [1, 3]}),
        ({"a": 1, "metadata": {"a": 2}, "data": {"a": 3}}, "a", {"metadata": {}, "data": {}}),
        ({"a": 1, "metadata": {"a": 2}}, "metadata.a", {"a": 1, "metadata": {}}),
        ({"user.mail": 1}, "user.mail", {}),
    ],
)
def test_remove(value: Value, field: str, expected: Value) -> None:
    assert result(value, "remove", field) == expected


@pytest.mark.parametrize(
    ("found", "config", "expected"),
    [
        ({"a": {"b": {"c": 1}}, "d": 2}, {}, {"a_b_c": 1, "d": 2}),
        ({"a": {"b": 1}}, {"separator": "/"}, {"a/b": 1}),
        ({"a": [1, {"b": 2}], "e": {}}, {}, {"a": [1, {"b": 2}], "e": {}}),
        ({"a": [1, {"b": 2}], "e": []}, {"lists": True}, {"a_0": 1, "a_1_b": 2, "e": []}),
        ({}, {}, {}),
    ],
)
def test_flatten(found: Any, config: Value, expected: Value) -> None:
    assert result({"f": found}, "flatten", "f", **config) == {"f": expected}


def test_flatten_refuses_what_would_lose_something() -> None:
    assert "same name" in refused({"f": {"a": {"b": 1}, "a_b": 2}}, "flatten", "f")
    assert "no map" in refused({"f": [1]}, "flatten", "f")
