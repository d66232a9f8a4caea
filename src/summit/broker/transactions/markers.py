"""Markers: where a decision needs them, and staging them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from summit.base.logs import get_logger
from summit.broker.groups.offsets import TopicPartition
from summit.broker.topics import TopicTable
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


def stage_aborts_of_strangers(
    topics: TopicTable, decisions: Mapping[int, Decision], now_ms: int
) -> list[PartitionLog]:
    """Abort what is open in a partition and in no decided transaction, after an unclean stop.

    A crash may leave a batch without the record by which its partition joined the transaction.
    That transaction's markers do not go there, and the batch would end with its producer's next.

    Args:
        decisions: By producer id; their markers come later.
    Returns: The logs that got markers. Raises: SummitError as `PartitionLog.stage`.
    """
    logs = []
    for topic in topics:
        for partition in topic.partitions:
            log = partition.log
            for producer_id, _ in log.open_transactions.items():
                entry = log.producers.get(producer_id)
                if entry is None or entry.open_offset < 0:
                    continue
                decision = decisions.get(producer_id)
                where = (topic.name, partition.index)
                if decision is not None and entry.open_offset < decision.ends.get(where, -1):
                    continue
                _log.warning(
                    "transaction.unknown_aborted", topic=topic.name, partition=partition.index,
                    producer_id=producer_id,
                )  # fmt: skip
                log.stage_marker(
                    producer_id,
                    entry.epoch,
                    is_commit=False,
                    coordinator_epoch=_COORDINATOR_EPOCH,
                    now_ms=now_ms,
                )
                logs.append(log)
    return logs
