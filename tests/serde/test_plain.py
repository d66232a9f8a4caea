"""Bytes, text, JSON and msgpack: round trips, and what is refused with its place."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from summit.base.errors import Corrupt, Invalid
from summit.serde import BytesSerde, JsonSerde, MsgpackSerde, StringSerde

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"))
)
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=20,
)


class Order(msgspec.Struct):
    id: int
    at: datetime
    tags: list[str] = []


@given(TREES)
def test_json_comes_back_and_others_can_read_it(value: Any) -> None:
    serde = JsonSerde()
    data = serde.serialize("t", value, {})
    assert serde.deserialize("t", data, {}) == value
    assert json.loads(data) == value


@given(TREES | st.binary())
def test_msgpack_comes_back(value: Any) -> None:
    serde = MsgpackSerde()
    assert serde.deserialize("t", serde.serialize("t", value, {}), {}) == value


@given(st.text(st.characters(codec="utf-8")))
def test_text_comes_back(value: str) -> None:
    serde = StringSerde()
    assert serde.deserialize("t", serde.serialize("t", value, {}), {}) == value


@given(st.binary())
def test_bytes_are_left_alone(value: bytes) -> None:
    serde = BytesSerde()
    for form in (value, bytearray(value), memoryview(value)):
        assert serde.deserialize("t", serde.serialize("t", form, {}), {}) == value


@pytest.mark.parametrize("serde", [JsonSerde(Order), MsgpackSerde(Order)])
def test_a_type_is_made_and_checked(serde: Any) -> None:
    order = Order(1, datetime(2026, 1, 2, tzinfo=UTC), ["a"])
    assert serde.deserialize("t", serde.serialize("t", order, {}), {}) == order
    wrong = serde.serialize("t", {"id": "x", "at": order.at}, {})
    with pytest.raises(Corrupt, match=r"Expected `int`, got `str` - at `\$\.id`"):
        serde.deserialize("t", wrong, {})


def test_json_has_no_infinity() -> None:
    assert JsonSerde().serialize("t", [float("nan"), float("inf")], {}) == b"[null,null]"


class Strange:
    pass


CYCLE: list[Any] = []
CYCLE.append(CYCLE)

REFUSED: list[tuple[Any, Any, str]] = [
    (JsonSerde(), {"a": [1, {"b/c": Strange()}]}, "/a/1/b~1c"),
    (MsgpackSerde(), {"a": 2**70}, "/a"),
    (JsonSerde(), Strange(), ""),
    (JsonSerde(), {"a": "\ud800"}, "/a"),
    (StringSerde(), b"x", ""),
    (StringSerde(), "\ud800", ""),
    (BytesSerde(), "x", ""),
]


@pytest.mark.parametrize(("serde", "value", "path"), REFUSED)
def test_what_cannot_be_written_is_named(serde: Any, value: Any, path: str) -> None:
    with pytest.raises(Invalid) as caught:
        serde.serialize("orders", value, {})
    error = caught.value
    assert error.code == "record.unserializable"
    assert not error.retriable
    assert (error.details["path"], error.details["type"]) == (path, type(value).__name__)
    assert "orders" in str(error)
    assert path in str(error)


@pytest.mark.parametrize("serde", [JsonSerde(), MsgpackSerde()])
def test_a_value_within_itself_is_refused(serde: Any) -> None:
    with pytest.raises(Invalid, match="within itself"):
        serde.serialize("orders", {"a": CYCLE}, {})


@pytest.mark.parametrize(
    ("serde", "data"),
    [(JsonSerde(), b"{"), (JsonSerde(), b""), (MsgpackSerde(), b"\xc1"), (StringSerde(), b"\xff")],
)
def test_what_cannot_be_read_is_told(serde: Any, data: bytes) -> None:
    with pytest.raises(Corrupt) as caught:
        serde.deserialize("orders", data, {})
    assert caught.value.code == "record.undeserializable"
