"""Which records are at fault when a broker refuses batches. Pure.

A broker refuses a batch as a whole. Of one reason alone (INVALID_RECORD, as of a record without a
key in a compacted topic) it tells which records it is about, and librdkafka gives the others an
error of their own. Of every other reason (too large, a wrong time) the records of the batch are
suspects: sent again, apart from each other, they show which of them are refused, if any is: a
batch may be too large of which each record alone is not. Where a client may not write to a topic
at all, every record for it is refused alike; in a transaction the broker refuses to make the topic
part of it, says not which one, and librdkafka drops whatever waits: suspects again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple, Protocol

from summit.base.errors import Invalid, SummitError
from summit.client.faults import is_of_topic, names_records

_OF_RECORDS: Final = ("record.refused", "record.too_large")


class Refusal(NamedTuple):
    """One record that was refused; `partition` None = by the client itself, before it left."""

    at: int
    fault: SummitError
    partition: int | None


class Sent(Protocol):
    """What is looked at of a record."""

    @property
    def topic(self) -> str:
        """Where it was to go."""
        ...

    @property
    def key(self) -> bytes | None:
        """Its key."""
        ...


def blamed(
    refused: Sequence[Refusal], records: Sequence[Sent], innocent: Collection[tuple[str, int]]
) -> SummitError:
    """The fault to raise; where it is Invalid its details name the records, by their indexes.

    `indexes` are refused for certain, of the `suspects` some may be; it has one of the two where
    it is about records. `denied` is a topic that this client may not write to.

    Args:
        refused: At least one, in the order of the reports.
        innocent: Topics and partitions where the broker has told some records from others.
    """
    first = next((each for each in refused if isinstance(each.fault, Invalid)), refused[0])
    fault = first.fault
    topic = records[first.at].topic
    if not isinstance(fault, Invalid):
        return fault
    if is_of_topic(fault):
        fault.details["indexes"] = [n for n, each in enumerate(records) if each.topic == topic]
        fault.details["denied"] = topic
        return fault
    if fault.code not in _OF_RECORDS:  # of the producer, of the cluster: no record is at fault
        return fault
    if first.partition is None:
        fault.details["indexes"] = [first.at]
        return fault
    batch = [
        each.at for each in refused
        if each.partition == first.partition
        and records[each.at].topic == topic
        and isinstance(each.fault, Invalid)
        and each.fault.code == fault.code
    ]  # fmt: skip
    if names_records(fault):
        keyless = [index for index in batch if records[index].key is None]
        certain = batch if (topic, first.partition) in innocent else keyless
    else:
        certain = []
    if len(batch) == 1:
        certain = batch
    fault.details["indexes" if certain else "suspects"] = certain or batch
    return fault


def denied(
    fault: SummitError, dropped: Sequence[int], records: Sequence[Sent], *, is_apart: bool
) -> Invalid:
    """The fault of a transaction that may not write to some topic; details as of `blamed`.

    Args:
        dropped: What was handed over together when it failed.
        is_apart: Everything before that had been taken.
    """
    topics = {records[index].topic for index in dropped}
    found = Invalid("client.refused", **fault.details)
    if is_apart and len(topics) == 1:
        (topic,) = topics
        found.details["indexes"] = [n for n, each in enumerate(records) if each.topic == topic]
        found.details["denied"] = topic
    else:
        found.details["suspects"] = list(dropped)
    return found
