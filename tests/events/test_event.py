"""Parsing records into events, and reading their fields."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from summit.base.errors import Invalid
from summit.events.event import Transport, make_event, parse_event
from summit.events.fields import compile_path, parse_path


def test_an_event_takes_its_own_members_first_then_the_records():
    event = parse_event(
        b'{"eventId":"e1","eventType":"user.login","timestamp":5,"source":"web","severity":"high",'
        b'"priority":3,"topic":"mine","metadata":{"a":1},"data":[1],"enrichedData":{"geo":{}}}',
        timestamp_ms=9, topic="events", partition=2, offset=7, key=b"k\xff",
        headers=[("a", b"1"), ("a", b"2"), ("none", None)],
    )  # fmt: skip
    assert (event.event_id, event.event_type, event.timestamp) == ("e1", "user.login", 5)
    assert (event.source, event.severity, event.priority) == ("web", "high", 3)
    assert (event.topic, event.partition, event.offset, event.key) == ("events", 2, 7, "k\ufffd")
    assert event.headers == {"a": "2"}
    assert (event.metadata, event.data, event.enriched_data) == ({"a": 1}, {}, {"geo": {}})
    assert event.get("topic") == "mine"
    assert event.get("headers.a") == "2"
    assert event.get("a") == 1


def test_what_an_event_lacks_comes_from_its_record():
    event = parse_event(b"{}", timestamp_ms=9, topic="events", partition=2, offset=7)
    assert (event.event_id, event.event_type, event.timestamp) == ("events/2/7", "", 9)
    assert (event.source, event.severity, event.priority, event.key) == (None, None, None, None)
    assert make_event({}).event_id == ""


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "event.empty"),
        (b"", "event.empty"),
        (b"nonsense", "event.not_json"),
        (b'{"a":', "event.not_json"),
        (b'{"a":NaN}', "event.not_json"),
        (b'{"a":Infinity}', "event.not_json"),
        (b'{"a":1e999}', "event.not_json"),
        (b'{"a":"\xff"}', "event.not_json"),
        (b'{"a":"\\ud800"}', "event.not_json"),
        (b"\xef\xbb\xbf{}", "event.not_json"),
        (b"{} {}", "event.not_json"),
        (b"[" * 100_000, "event.not_json"),
        (b'{"a":' * 100_000, "event.not_json"),
        (b"[1]", "event.not_object"),
        (b'"text"', "event.not_object"),
        (b"null", "event.not_object"),
        (b"12", "event.not_object"),
        (b'{"timestamp":"yesterday"}', "event.bad_time"),
        (b'{"timestamp":"2024-01-01T00:00:00"}', "event.bad_time"),
        (b'{"timestamp":true}', "event.bad_time"),
        (b'{"timestamp":[]}', "event.bad_time"),
        (b'{"timestamp":1e30}', "event.bad_time"),
        (b'{"timestamp":' + b"9" * 4_000 + b"}", "event.bad_time"),
    ],
)
def test_bad_events_are_refused_by_code(value, code):
    with pytest.raises(Invalid) as caught:
        parse_event(value)
    assert caught.value.code == code
    assert "{" not in str(caught.value)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60) | st.text('{}[]":,0123456789eE.-truefalsn\\u ', max_size=60))
def test_no_bytes_break_the_parser(value):
    raw = value.encode() if isinstance(value, str) else value
    try:
        event = parse_event(raw, timestamp_ms=1)
    except Invalid as error:
        code = error.code
    else:
        code = "event.taken"
        assert event.value == msgspec.json.decode(raw)
    assert code.startswith("event.")


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("a", {"a": 1, "data": {"a": 2}}, 1),
        ("a", {"a": None, "metadata": {"a": 2}, "data": {"a": 3}}, 2),
        ("a", {"enrichedData": {"a": 4}}, 4),
        ("data.a", {"data": {"a": 3}, "metadata": {"data": {"a": 5}}}, 3),
        ("data.a", {"metadata": {"data": {"a": 5}}}, None),
        ("data", {"data": {"a": 3}}, {"a": 3}),
        ("a.b.c", {"a": {"b": {"c": 0}}}, 0),
        ("a.b", {"a": "text"}, None),
        ("a.1.b", {"a": [0, {"b": 2}]}, 2),
        ("a.5", {"a": [0]}, None),
        ("a.1", {"a": {"1": "key"}}, "key"),
        ("a.-1", {"a": [5]}, None),
        ("source", {"eventSource": "x"}, "x"),
        ("eventSource", {"source": "x", "eventSource": "y"}, "y"),
        ("__class__", {}, None),
        ("__class__.__name__", {"__class__": {"__name__": 1}}, 1),
        ("keys", {}, None),
        ("a b.ü", {"a b": {"ü": 1}}, 1),
    ],
)
def test_paths(path, value, expected):
    assert compile_path(path)(value) == expected
    assert make_event(value).get(path) == expected


@pytest.mark.parametrize(
    "path", ["", ".", "a.", ".a", "a..b", 'a"b', "a\\b", "a`b", "a\nb", "a\ud800", "a" * 300,
             ".".join("a" * 17)],
)  # fmt: skip
def test_bad_paths_are_refused(path):
    with pytest.raises(Invalid) as caught:
        parse_path(path)
    assert caught.value.code == "path.invalid"


def test_the_record_is_looked_at_before_the_containers():
    event = make_event({"data": {"key": "inner"}}, Transport(key="outer"))
    assert event.get("key") == "outer"
    assert event.get("data.key") == "inner"
