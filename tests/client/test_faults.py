"""librdkafka's errors in our words."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException

from summit.base.catalogue import CATALOGUE
from summit.base.errors import Closed, Invalid, SummitError, Unavailable
from summit.client import faults
from summit.client.faults import translate


def test_every_row_names_an_error_of_both_worlds() -> None:
    for name, (kind, code) in faults._KNOWN.items():
        assert isinstance(getattr(KafkaError, name), int), name
        assert CATALOGUE[code].kind == kind.kind, name


@pytest.mark.parametrize(
    ("number", "kind", "code"),
    [
        (KafkaError._UNKNOWN_TOPIC, Invalid, "topic.unknown"),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, Invalid, "topic.unknown"),
        (KafkaError._MSG_TIMED_OUT, Unavailable, "producer.delivery_timeout"),
        (KafkaError._ALL_BROKERS_DOWN, Unavailable, "client.no_brokers"),
        (KafkaError._PURGE_QUEUE, Closed, "client.closed"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, Invalid, "client.refused"),
    ],
)
def test_translation(number: int, kind: type[SummitError], code: str) -> None:
    error = translate(KafkaException(KafkaError(number)))
    assert type(error) is kind
    assert error.code == code
    assert "{" not in str(error)


def test_what_is_not_known_by_name_goes_by_its_nature() -> None:
    retriable = KafkaError(KafkaError.COORDINATOR_LOAD_IN_PROGRESS, retriable=True)
    assert translate(retriable).code == "client.broker_fault"
    fatal = KafkaError(KafkaError._FATAL, fatal=True)
    assert translate(fatal).code == "client.fenced"
    assert translate(ValueError("x")).code == "client.refused"
