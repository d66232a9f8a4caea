"""librdkafka's errors in the words of our catalogue.

`translate` is the only place that knows the names of Kafka's errors in this room.
"""

from __future__ import annotations

from typing import Any, Final

from summit.base.errors import Closed, Conflict, Corrupt, Invalid, SummitError, Unavailable

_ByName = dict[str, tuple[type[SummitError], str]]

_KNOWN: Final[_ByName] = {
    "UNKNOWN_TOPIC_OR_PART": (Invalid, "topic.unknown"),
    "_UNKNOWN_TOPIC": (Invalid, "topic.unknown"),
    "UNKNOWN_TOPIC_ID": (Invalid, "topic.unknown"),
    "_UNKNOWN_PARTITION": (Invalid, "partition.unknown"),
    "TOPIC_ALREADY_EXISTS": (Conflict, "topic.exists"),
    "TOPIC_EXCEPTION": (Invalid, "topic.name_invalid"),
    "MSG_SIZE_TOO_LARGE": (Invalid, "record.too_large"),
    "RECORD_LIST_TOO_LARGE": (Invalid, "record.too_large"),
    "INVALID_RECORD": (Invalid, "record.refused"),
    "INVALID_TIMESTAMP": (Invalid, "record.refused"),
    "POLICY_VIOLATION": (Invalid, "client.refused"),
    "INVALID_CONFIG": (Invalid, "client.refused"),
    "INVALID_PARTITIONS": (Invalid, "client.refused"),
    "INVALID_REPLICATION_FACTOR": (Invalid, "client.refused"),
    "INVALID_REQUEST": (Invalid, "client.refused"),
    "_INVALID_ARG": (Invalid, "client.refused"),
    "UNSUPPORTED_VERSION": (Invalid, "client.unsupported"),
    "_UNSUPPORTED_FEATURE": (Invalid, "client.unsupported"),
    "_MSG_TIMED_OUT": (Unavailable, "producer.delivery_timeout"),
    "_TIMED_OUT": (Unavailable, "client.timeout"),
    "_TIMED_OUT_QUEUE": (Unavailable, "client.timeout"),
    "REQUEST_TIMED_OUT": (Unavailable, "client.timeout"),
    "_TRANSPORT": (Unavailable, "client.no_brokers"),
    "_ALL_BROKERS_DOWN": (Unavailable, "client.no_brokers"),
    "_RESOLVE": (Unavailable, "client.no_brokers"),
    "_AUTHENTICATION": (Invalid, "client.not_authenticated"),
    "_SSL": (Invalid, "client.not_authenticated"),
    "NOT_ENOUGH_REPLICAS": (Unavailable, "producer.not_enough_replicas"),
    "NOT_ENOUGH_REPLICAS_AFTER_APPEND": (Unavailable, "producer.not_enough_replicas"),
    "KAFKA_STORAGE_ERROR": (Unavailable, "client.broker_fault"),
    "_PURGE_QUEUE": (Closed, "client.closed"),
    "_PURGE_INFLIGHT": (Closed, "client.closed"),
    "_DESTROY": (Closed, "client.closed"),
    "_FENCED": (Closed, "client.fenced"),
    "_STATE": (Conflict, "client.wrong_state"),
    "CONCURRENT_TRANSACTIONS": (Unavailable, "client.broker_fault"),
    "INVALID_TRANSACTION_TIMEOUT": (Invalid, "client.refused"),
    "PRODUCER_FENCED": (Closed, "client.fenced"),
    "INVALID_PRODUCER_EPOCH": (Closed, "client.fenced"),
    "FENCED_INSTANCE_ID": (Closed, "client.fenced"),
    "ILLEGAL_GENERATION": (Conflict, "consumer.rebalanced"),
    "UNKNOWN_MEMBER_ID": (Conflict, "consumer.rebalanced"),
    "REBALANCE_IN_PROGRESS": (Conflict, "consumer.rebalanced"),
    "_ASSIGNMENT_LOST": (Conflict, "consumer.rebalanced"),
    "_AUTO_OFFSET_RESET": (Invalid, "consumer.no_offset"),
    "_NO_OFFSET": (Invalid, "consumer.no_offset"),
    "OFFSET_OUT_OF_RANGE": (Invalid, "consumer.offset_out_of_range"),
    "_MAX_POLL_EXCEEDED": (Unavailable, "consumer.poll_too_late"),
    "PREFERRED_LEADER_NOT_AVAILABLE": (Unavailable, "client.broker_fault"),
    "ELIGIBLE_LEADERS_NOT_AVAILABLE": (Unavailable, "client.broker_fault"),
    "GROUP_ID_NOT_FOUND": (Invalid, "group.unknown"),
    "INVALID_GROUP_ID": (Invalid, "client.refused"),
    "INVALID_SESSION_TIMEOUT": (Invalid, "client.refused"),
    "NON_EMPTY_GROUP": (Conflict, "group.not_empty"),
    "_BAD_MSG": (Corrupt, "client.corrupt"),
    "INVALID_MSG": (Corrupt, "client.corrupt"),
    "_BAD_COMPRESSION": (Corrupt, "client.corrupt"),
}

_OF_ANOTHER: Final = "_INVALID_DIFFERENT_RECORD"
_NAMED: Final = "INVALID_RECORD"  # of this alone brokers tell which records of a batch it is about
_NOT_ALLOWED: Final = ("TOPIC_AUTHORIZATION_FAILED", "CLUSTER_AUTHORIZATION_FAILED")

_UNTOLD: Final = {
    "topic": "?",
    "partition": "?",
    "group": "?",
    "brokers": "the addresses given",
    "what": "client",
}


def translate(error: Any, **details: Any) -> SummitError:
    """The catalogue's error for a `KafkaError` (or a `KafkaException` that holds one).

    Args:
        details: What the caller knows: topic, partition, group, brokers …; they fill the
            template.
    """
    kafka = error.args[0] if isinstance(error, BaseException) and error.args else error
    name = getattr(kafka, "name", None)
    if not callable(name):  # confluent_kafka's own complaints are plain Python exceptions
        return Invalid("client.refused", reason=str(error), **details)
    text = str(kafka.str())
    values = _UNTOLD | {"reason": text, "kafka_error": name()} | details
    if kafka.txn_requires_abort():
        return Conflict("producer.must_abort", **values)
    if kafka.fatal() and name() not in _KNOWN:
        return Closed("client.fenced", **values)
    kind, code = _KNOWN.get(name(), (None, ""))
    if kind is None:
        kind, code = (
            (Unavailable, "client.broker_fault")
            if kafka.retriable()
            else (Invalid, "client.refused")
        )
    return kind(code, **values)


def is_of_another(error: Any) -> bool:
    """Whether a record was refused only because its batch holds another that the broker names."""
    return bool(error.name() == _OF_ANOTHER)


def names_records(fault: SummitError) -> bool:
    """Whether a broker that refuses a batch for this tells which of its records are at fault."""
    return fault.details.get("kafka_error") == _NAMED


def is_of_size(fault: SummitError) -> bool:
    """Whether something is larger than the broker takes, also where it ended a transaction."""
    return fault.details.get("kafka_error") in ("MSG_SIZE_TOO_LARGE", "RECORD_LIST_TOO_LARGE")


def is_of_topic(fault: SummitError) -> bool:
    """Whether every record of the topic is refused alike: this client may not write there."""
    return fault.details.get("kafka_error") in _NOT_ALLOWED
