"""Records, headers and what is refused of them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from summit.base.errors import Invalid
from summit.client.types import (
    NO_HEADERS,
    ConsumerRecord,
    Headers,
    OffsetCommitRequest,
    ProducerRecord,
    header_pairs,
)


def test_headers_are_a_mapping_that_keeps_repeated_names() -> None:
    headers = Headers([("a", b"1"), ("b", None), ("a", b"2")])
    assert headers["a"] == b"2"
    assert headers.get_all("a") == [b"1", b"2"]
    assert dict(headers) == {"a": b"2", "b": None}
    assert headers.text("a") == "2"
    assert headers.text("b") is None
    assert headers.text("c") is None
    assert headers.pairs == (("a", b"1"), ("b", None), ("a", b"2"))
    with pytest.raises(KeyError):
        headers["c"]


def test_a_record_reads_as_text_and_json() -> None:
    record = ConsumerRecord("t", 0, 7, 1_000, b"k", b'{"eventType":"x"}')
    assert record.json() == {"eventType": "x"}
    assert record.text() == '{"eventType":"x"}'
    assert record.headers is NO_HEADERS
    assert record.checksum is None
    tombstone = ConsumerRecord("t", 0, 8, 1_000, b"k", None)
    assert (tombstone.text(), tombstone.json()) == ("", None)


@pytest.mark.parametrize(
    ("given", "pairs"),
    [
        (None, None),
        ({}, None),
        ([], None),
        ({"a": "1", "b": None}, [("a", "1"), ("b", None)]),
        ([("a", b"1"), ("a", b"2")], [("a", b"1"), ("a", b"2")]),
        (Headers([("a", b"1")]), [("a", b"1")]),
    ],
)
def test_headers_of_every_form_become_pairs(given: Any, pairs: Any) -> None:
    assert header_pairs(given) == pairs


@pytest.mark.parametrize("given", [{"a": 1}, {1: "a"}, 7])
def test_headers_that_cannot_go_on_the_wire_are_refused(given: Any) -> None:
    with pytest.raises(Invalid) as caught:
        header_pairs(given)
    assert caught.value.code == "record.invalid"


def test_a_mapping_becomes_a_record() -> None:
    record = ProducerRecord.from_dict({"topic": "t", "value": "v", "timestamp": 5})
    assert record == ProducerRecord(topic="t", value="v", timestamp=5)
    with pytest.raises(Invalid, match="did you mean 'value'"):
        ProducerRecord.from_dict({"topic": "t", "vale": "v"})
    with pytest.raises(Invalid, match="needs a topic"):
        ProducerRecord.from_dict({"value": "v"})


def test_a_commit_request_takes_the_guides_names() -> None:
    request = OffsetCommitRequest.from_dict(
        {"groupId": "g", "topic": "t", "partition": 1, "offset": 9, "metadata": "m"}
    )
    assert request == OffsetCommitRequest(
        group_id="g", topic="t", partition=1, offset=9, metadata="m"
    )
    with pytest.raises(Invalid, match="a commit needs offset"):
        OffsetCommitRequest.from_dict({"topic": "t", "partition": 1})


def test_types_are_looked_at_once_not_for_each_record(monkeypatch: pytest.MonkeyPatch) -> None:
    ProducerRecord.from_dict({"topic": "t"})

    def looked(_: object) -> object:
        raise AssertionError("the fields were worked out anew")

    monkeypatch.setattr(msgspec.structs, "fields", looked)
    assert ProducerRecord.from_dict({"topic": "t", "value": b"v"}).value == b"v"
