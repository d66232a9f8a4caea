"""Dead letters keep the record byte by byte."""

from __future__ import annotations

import json
from base64 import b64decode

from summit.client.dead_letters import DeadLetterError
from summit.client.types import NO_HEADERS, ConsumerRecord, Headers
from summit.flow.outputs import letter_record

FAULT = DeadLetterError(code="event.not_json", message="not JSON", stage="parse")


def test_the_record_can_be_put_back_as_it_was() -> None:
    record = ConsumerRecord(
        "my-topic", 3, 9, 1, b"\xff\x00", b"{\xfe", Headers([("a", b"\x80"), ("a", None)])
    )
    written = letter_record(record, FAULT, 1_700_000_000_000)
    letter = json.loads(written.value or b"")
    assert letter["originalTopic"] == "my-topic"
    assert (letter["originalPartition"], letter["originalOffset"]) == (3, 9)
    assert b64decode(letter["originalKey"]) == b"\xff\x00"
    assert b64decode(letter["originalValue"]) == b"{\xfe"
    assert [(n, v and b64decode(v)) for n, v in letter["originalHeaders"]] == [
        ("a", b"\x80"),
        ("a", None),
    ]
    assert letter["error"] == {
        "code": "event.not_json", "message": "not JSON", "stage": "parse", "rule": None,
    }  # fmt: skip
    assert letter["timestamp"] == 1_700_000_000_000
    assert (written.topic, written.key) == ("my-topic.dlq", b"\xff\x00")
    assert list(written.headers or ()) == [("a", b"\x80"), ("a", None)]


def test_no_key_and_no_value_stay_none() -> None:
    record = ConsumerRecord("t", 0, 0, 1, None, None, NO_HEADERS)
    letter = json.loads(letter_record(record, FAULT, 0).value or b"")
    assert (letter["originalKey"], letter["originalValue"]) == (None, None)


def test_a_value_that_would_not_fit_is_left_out_and_said_so() -> None:
    record = ConsumerRecord("t", 0, 0, 1, None, b"x" * 900_000, NO_HEADERS)
    value = letter_record(record, FAULT, 0).value or b""
    assert len(value) < 1_000
    assert "900000 bytes left out" in json.loads(value)["error"]["message"]
