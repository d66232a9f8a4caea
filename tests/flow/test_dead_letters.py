"""Dead letters keep the record byte by byte."""

from __future__ import annotations

import json
from base64 import b64decode

from summit.flow.dead_letters import (
    Fault,
    OriginalRecord,
    dead_letter_topic,
    dead_letter_value,
)

FAULT = Fault(code="event.not_json", message="not JSON", stage="parse")


def test_the_record_can_be_put_back_as_it_was() -> None:
    record = OriginalRecord(
        topic="my-topic", partition=3, offset=9, key=b"\xff\x00", value=b"{\xfe",
        headers=[("a", b"\x80"), ("a", None)],
    )  # fmt: skip
    letter = json.loads(dead_letter_value(record, FAULT, 1_700_000_000_000))
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
    assert dead_letter_topic("my-topic") == "my-topic.dlq"


def test_no_key_and_no_value_stay_none() -> None:
    record = OriginalRecord(topic="t", partition=0, offset=0, key=None, value=None)
    letter = json.loads(dead_letter_value(record, FAULT, 0))
    assert (letter["originalKey"], letter["originalValue"]) == (None, None)


def test_a_value_that_would_not_fit_is_left_out_and_said_so() -> None:
    record = OriginalRecord(topic="t", partition=0, offset=0, key=None, value=b"x" * 900_000)
    value = dead_letter_value(record, FAULT, 0)
    assert len(value) < 1_000
    assert "900000 bytes left out" in json.loads(value)["error"]["message"]
