"""Records as JSON: texts as they are, other bytes as base64 and marked."""

from summit.client.types import ConsumerRecord, Headers
from summit.services.record_json import record_dict


def test_texts() -> None:
    headers = Headers([("a", b"b"), ("none", None)])
    record = ConsumerRecord("t", 1, 2, 3, b"k", "wért".encode(), headers)
    assert record_dict(record) == {
        "topic": "t", "partition": 1, "offset": 2, "timestamp": 3, "key": "k", "value": "wért",
        "headers": {"a": "b", "none": None},
    }  # fmt: skip


def test_bytes_are_marked_wherever_they_stand() -> None:
    record = ConsumerRecord("t", 0, 0, 0, b"\xff", b"\xfe", Headers([("h", b"\xfd"), ("t", b"x")]))
    plain = record_dict(record)
    assert (plain["key"], plain["keyEncoding"]) == ("/w==", "base64")
    assert (plain["value"], plain["valueEncoding"]) == ("/g==", "base64")
    assert plain["headers"] == {"h": "/Q==", "t": "x"}
    assert plain["headersEncoding"] == {"h": "base64"}


def test_a_tombstone_is_null() -> None:
    plain = record_dict(ConsumerRecord("t", 0, 0, 0))
    assert plain["value"] is None
    assert plain["key"] is None
