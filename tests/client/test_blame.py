"""Whom a refused batch is blamed on: those whom the broker names, else all are suspects."""

from __future__ import annotations

from typing import Any

import pytest

from summit.base.errors import Invalid, SummitError, Unavailable
from summit.client.blame import Refusal, blamed
from summit.client.transactor import Outgoing


def fault(kafka: str, code: str = "record.refused") -> Invalid:
    return Invalid(code, topic="t", reason="r", kafka_error=kafka)


def records(*keys: bytes | None, topic: str = "t") -> list[Outgoing]:
    return [Outgoing(topic, key, b"v", 0) for key in keys]


INVALID, TIME = fault("INVALID_RECORD"), fault("INVALID_TIMESTAMP")
LARGE, DENIED = (
    fault("MSG_SIZE_TOO_LARGE", "record.too_large"),
    fault("TOPIC_AUTHORIZATION_FAILED", "client.refused"),
)


@pytest.mark.parametrize(
    ("refused", "innocent", "wanted"),
    [
        # Named by the broker: the others of the batch are innocent, whatever their keys.
        ([(1, INVALID, 0)], {("t", 0)}, ("indexes", [1])),
        ([(0, INVALID, 0), (1, INVALID, 0)], {("t", 0)}, ("indexes", [0, 1])),
        # Not named, or all at fault: those without a key, which a compacted topic refuses.
        ([(0, INVALID, 0), (1, INVALID, 0), (2, INVALID, 0)], (), ("indexes", [2])),
        ([(0, INVALID, 0), (1, INVALID, 0)], {("t", 1)}, ("suspects", [0, 1])),
        # A batch as a whole.
        ([(0, TIME, 0), (1, TIME, 0), (3, TIME, 0)], (), ("suspects", [0, 1, 3])),
        ([(0, LARGE, 0), (1, LARGE, 0), (2, LARGE, 1)], (), ("suspects", [0, 1])),
        ([(1, LARGE, 0)], (), ("indexes", [1])),
        # By the client itself, before it left.
        ([(1, LARGE, None), (0, LARGE, 0)], (), ("indexes", [1])),
        # What comes of the end of the transaction says nothing of the record.
        ([(0, Unavailable("client.timeout", what="x", reason="r"), 0), (1, TIME, 0)], (),
         ("indexes", [1])),
        ([(1, DENIED, 0)], (), ("indexes", [0, 1, 2, 3])),
    ],
)  # fmt: skip
def test_who_is_blamed(
    refused: list[tuple[int, SummitError, int | None]], innocent: Any, wanted: Any
) -> None:
    sent = [*records(b"a", b"b", None, b"c"), *records(b"a", topic="other")]
    for _, error, _ in refused:
        for name in ("indexes", "suspects", "denied"):
            error.details.pop(name, None)
    error = blamed([Refusal(*each) for each in refused], sent, innocent)
    assert isinstance(error, Invalid)
    name, indexes = wanted
    assert error.details[name] == indexes
    assert (name == "indexes") != ("suspects" in error.details)
    assert error.details.get("denied") == ("t" if refused[0][1] is DENIED else None)


def test_what_is_not_about_records_blames_none() -> None:
    """Such as a sequence that is out of order: the transaction is done again, and nothing lost."""
    sent = records(b"a", b"b")
    error = blamed(
        [Refusal(0, fault("OUT_OF_ORDER_SEQUENCE_NUMBER", "client.refused"), 0)], sent, ()
    )
    assert not {"indexes", "suspects"} & error.details.keys()


def test_without_a_refusal_the_fault_itself_is_told() -> None:
    away = Unavailable("client.no_brokers", brokers="")
    assert blamed([Refusal(0, away, 0)], records(b"a"), ()) is away
