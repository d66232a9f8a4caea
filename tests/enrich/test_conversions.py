"""convert and timestamp."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.enrich.transforms import operation, refused, result, transform

from summit.enrich.conversions import time_ms

T0 = 1_700_000_000_000


@pytest.mark.parametrize(
    ("kind", "found", "expected"),
    [
        ("string", 1, "1"), ("string", 1.5, "1.5"), ("string", True, "true"), ("string", "x", "x"),
        ("string", {"a": [1]}, '{"a":[1]}'),
        ("number", "12", 12), ("number", " -1.5e3 ", -1500.0), ("number", True, 1),
        ("number", 7, 7),
        ("boolean", "false", False), ("boolean", "0", False), ("boolean", "no", False),
        ("boolean", "", False), ("boolean", 0, False), ("boolean", "Yes", True),
        ("boolean", " TRUE ", True), ("boolean", 2, True), ("boolean", True, True),
        ("json", '{"a": [1]}', {"a": [1]}), ("json", "3", 3), ("json", [1], [1]),
        ("timestamp", "2023-11-14T22:13:20Z", T0), ("timestamp", "2023-11-14 23:13:20+0100", T0),
        ("timestamp", "2023-11-14T22:13:20", T0), ("timestamp", T0, T0),
        ("timestamp", 1_700_000_000, T0), ("timestamp", "1700000000", T0),
        ("timestamp", 1_700_000_000.25, T0 + 250), ("timestamp", str(T0), T0),
        ("timestamp", "2023-11-14", 1_699_920_000_000), ("timestamp", 0, 0),
    ],
)  # fmt: skip
def test_convert(kind: str, found: Any, expected: Any) -> None:
    new = result({"f": found}, "convert", "f", type=kind)["f"]
    assert (type(new), new) == (type(expected), expected)


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("number", "twelve"), ("number", "1_000"), ("number", ""), ("number", "NaN"),
        ("number", "1e999"), ("number", [1]), ("number", "9" * 40), ("number", "١٢"),
        ("boolean", "maybe"), ("boolean", []), ("json", "{a"), ("json", "\ud800"),
        ("timestamp", "yesterday"), ("timestamp", "2023-13-01T00:00:00Z"), ("timestamp", ""),
        ("timestamp", True), ("timestamp", {}), ("timestamp", 1e300),
    ],
)  # fmt: skip
def test_what_cannot_be_stays_and_is_told(kind: str, found: Any) -> None:
    assert refused({"f": found}, "convert", "f", type=kind)


def test_elements_each_for_themselves() -> None:
    done = transform({"f": ["1", "x", None, "2"]}, operation("convert", "f.*", type="number"))
    assert done.value == {"f": [1, "x", None, 2]}
    assert done.changed == (("r", "convert", 2),)
    assert len(done.faults) == 1


def test_a_missing_field_is_no_fault() -> None:
    assert result({"a": 1}, "convert", "f.g", type="number") == {"a": 1}
    assert result({"f": [{"g": "1"}]}, "convert", "f.0.g", type="number") == {"f": [{"g": 1}]}


@pytest.mark.parametrize(
    ("found", "config", "expected"),
    [
        ("14/Nov/2023:22:13:20 +0000", {"format": "%d/%b/%Y:%H:%M:%S %z"}, T0),
        ("2023-11-14 22:13:20", {"format": "%Y-%m-%d %H:%M:%S"}, T0),
        ("2023-11-15 00:13:20", {"format": "%Y-%m-%d %H:%M:%S", "utcOffset": "+02:00"}, T0),
        ("2023-11-15T00:13:20", {"utcOffset": "+02:00"}, T0),
        (1_700_000_000, {"format": "seconds"}, T0),
        ("1700000000.5", {"format": "seconds"}, T0 + 500),
        (5, {"format": "ms"}, 5),
        (1_700_000_000_000_999, {"format": "micros"}, T0),
        (1_700_000_000_123_456_789, {"format": "nanos"}, T0 + 123),
        ("1700000000123456789", {"format": "nanos"}, T0 + 123),
        ("14.11.2023", {"format": ["iso", "%d.%m.%Y"]}, 1_699_920_000_000),
        (T0, {"to": "iso"}, "2023-11-14T22:13:20.000Z"),
        (T0 + 5, {"to": "iso"}, "2023-11-14T22:13:20.005Z"),
        (T0, {"to": "seconds"}, 1_700_000_000),
        (T0 + 500, {"to": "seconds"}, 1_700_000_000.5),
        (-62_135_596_800_000, {"to": "iso", "format": "ms"}, "0001-01-01T00:00:00.000Z"),
    ],
)
def test_timestamp(found: Any, config: dict[str, Any], expected: Any) -> None:
    assert result({"f": found}, "timestamp", "f", **config) == {"f": expected}


def test_timestamp_elsewhere() -> None:
    new = result({"t": "2023-11-14T22:13:20Z"}, "timestamp", "t", outputField="timestamp")
    assert new == {"t": "2023-11-14T22:13:20Z", "timestamp": T0}
    assert refused({"t": "x"}, "timestamp", "t", outputField="timestamp")


@pytest.mark.parametrize(
    ("found", "form"),
    [
        ("noon", "iso"), ("2023", "%d.%m.%Y"), (5, "%Y"), (1e300, "nanos"), (True, "ms"),
        ("9999-12-31", "seconds"),
    ],
)  # fmt: skip
def test_no_time_of_the_format(found: Any, form: str) -> None:
    assert refused({"f": found}, "timestamp", "f", format=form)


@given(st.datetimes(min_value=datetime(1974, 1, 1), max_value=datetime(5000, 1, 1)))
def test_all_ways_to_write_a_time_are_one(at: datetime) -> None:
    at = at.replace(microsecond=at.microsecond // 1_000 * 1_000, tzinfo=UTC)
    at_ms = round(at.timestamp() * 1_000)
    assert time_ms(at.isoformat()) == time_ms(at_ms) == time_ms(str(at_ms)) == at_ms
    assert time_ms(at_ms // 1_000) == at_ms // 1_000 * 1_000


@given(st.floats() | st.integers() | st.text() | st.booleans() | st.none())
def test_a_time_is_an_int_or_none(value: Any) -> None:
    found = time_ms(value)
    assert found is None or (type(found) is int and math.isfinite(found))
