"""Markers: where a decision needs them, and staging them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from summit.base.logs import get_logger
from summit.broker.groups.offsets import TopicPartition
from summit.broker.topics import Partition, TopicTable
from summit.broker.transactions.transaction import Decision
from summit.log.partition import PartitionLog

_COORDINATOR_EPOCH: Final = 0  # there is one coordinator, and it never moves
# Approximate size of a marker batch, for fetches that wait for a number of bytes.
_MARKER_BYTES: Final = 78

_log = get_logger(__name__)


def ends_of(topics: TopicTable, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
    """Where the logs of some partitions end now, staged batches included."""
    ends = {}
    for where in sorted(partitions):
        partition = topics.partition(*where)
        if partition is not None:
            ends[where] = partition.log.end_offset
    return ends


def logs_of(topics: TopicTable, decision: Decision) -> list[PartitionLog]:
    """The logs that may get a marker."""
    found = (topics.partition(*where) for where in decision.ends)
    return [partition.log for partition in found if partition is not None]


def stage_markers(topics: TopicTable, decision: Decision, now_ms: int) -> list[PartitionLog]:
    """Stage a marker wherever the decided transaction is still open.

    Returns: The logs that got one. Raises: SummitError as `PartitionLog.stage`.
    """
    logs = []
    for where, end in decision.ends.items():
        partition = topics.partition(*where)
        if partition is None or partition.topic.is_deleted:
            continue
        log = partition.log
        entry = log.producers.get(decision.producer_id)
        if entry is None or not 0 <= entry.open_offset < end:
            continue
        log.stage_marker(
            decision.producer_id,
            decision.marker_epoch,
            is_commit=decision.is_commit,
            coordinator_epoch=_COORDINATOR_EPOCH,
            now_ms=now_ms,
        )
        partition.bytes_in += _MARKER_BYTES
        logs.append(log)
    return logs


def open_ones(topics: TopicTable) -> list[tuple[Partition, int]]:
    """What is open in the logs, but for what staged markers end: (partition, producer id)."""
    return [
        (partition, producer_id)
        for topic in topics
        for partition in topic.partitions
        for producer_id, _ in partition.log.open_transactions.items()
        if (entry := partition.log.producers.get(producer_id)) is not None
        and entry.open_offset >= 0
    ]


def stage_abort(partition: Partition, producer_id: int, now_ms: int) -> None:
    """Abort what a producer that no transactional id has left open. Raises SummitError."""
    log = partition.log
    entry = log.producers.get(producer_id)
    assert entry is not None
    _log.warning(
        "transaction.unknown_aborted", topic=log.topic, partition=log.index,
        producer_id=producer_id,
    )  # fmt: skip
    log.stage_marker(
        producer_id,
        entry.epoch,
        is_commit=False,
        coordinator_epoch=_COORDINATOR_EPOCH,
        now_ms=now_ms,
    )
