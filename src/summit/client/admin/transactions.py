"""Transactions: which are open, who writes them, and ending one that nobody else will end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from summit.base.errors import Invalid
from summit.client.admin.connection import Connection
from summit.client.types import TopicPartition
from summit.client.wire import TRANSACTION, fault
from summit.protocol import codes
from summit.protocol.describe_producers import (
    DESCRIBE_PRODUCERS,
    DescribeProducersRequest,
    DescribeProducersTopic,
)
from summit.protocol.describe_transactions import (
    DESCRIBE_TRANSACTIONS,
    DescribeTransactionsRequest,
)
from summit.protocol.list_transactions import LIST_TRANSACTIONS, ListTransactionsRequest
from summit.protocol.metadata import MetadataRequestTopic
from summit.protocol.write_txn_markers import (
    WRITE_TXN_MARKERS,
    WritableTxnMarker,
    WritableTxnMarkerTopic,
    WriteTxnMarkersRequest,
)

_OPEN: Final = ("Ongoing", "PrepareCommit", "PrepareAbort")


class TransactionListing(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A transactional id in short; `state` is Kafka's word (Ongoing, CompleteCommit, …)."""

    transactional_id: str
    producer_id: int
    state: str


class TransactionDescription(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One transactional id. `started_ms` is None when no transaction is open."""

    transactional_id: str
    coordinator: int
    state: str
    producer_id: int
    producer_epoch: int
    timeout_ms: int
    started_ms: int | None
    partitions: list[TopicPartition]


class ProducerState(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a partition knows of one producer.

    `open_since_offset` is where its open transaction begins, None when it has none.
    """

    topic: str
    partition: int
    producer_id: int
    producer_epoch: int
    coordinator_epoch: int
    last_sequence: int
    last_timestamp: int
    open_since_offset: int | None


class Transactions(Connection):
    """The transactions of a cluster."""

    async def list_transactions(self, states: Iterable[str] = ()) -> list[TransactionListing]:
        """All transactional ids, or those in some of Kafka's states, by id.

        Raises: Invalid("client.refused") for a state that does not exist.
        """
        wire = self._asking()
        request = ListTransactionsRequest(state_filters=list(states), producer_id_filters=[])
        found = []
        for broker in (await wire.metadata([])).brokers:
            answer = await wire.ask(LIST_TRANSACTIONS, request, node=broker.node_id)
            if answer.error_code != codes.NONE:
                raise fault(answer.error_code)
            if answer.unknown_state_filters:
                unknown = ", ".join(answer.unknown_state_filters)
                raise Invalid("client.refused", reason=f"no such state: {unknown}")
            found += [
                TransactionListing(
                    transactional_id=each.transactional_id,
                    producer_id=each.producer_id,
                    state=each.transaction_state,
                )
                for each in answer.transaction_states
            ]
        return sorted(found, key=lambda each: each.transactional_id)

    async def describe_transaction(self, transactional_id: str) -> TransactionDescription:
        """State, producer and partitions of one. Raises Invalid("transaction.id_unknown")."""
        wire = self._asking()
        node = await wire.coordinator(TRANSACTION, transactional_id)
        request = DescribeTransactionsRequest(transactional_ids=[transactional_id])
        (found,) = (await wire.ask(DESCRIBE_TRANSACTIONS, request, node=node)).transaction_states
        if found.error_code != codes.NONE:
            raise fault(found.error_code, transactional_id=transactional_id)
        since = found.transaction_start_time_ms
        return TransactionDescription(
            transactional_id=transactional_id,
            coordinator=node,
            state=found.transaction_state,
            producer_id=found.producer_id,
            producer_epoch=found.producer_epoch,
            timeout_ms=found.transaction_timeout_ms,
            started_ms=since if since >= 0 and found.transaction_state in _OPEN else None,
            partitions=sorted(
                TopicPartition(topic.topic, index)
                for topic in found.topics
                for index in topic.partitions
            ),
        )

    async def describe_producers(self, topic: str, partition: int) -> list[ProducerState]:
        """The idempotent and transactional producers of a partition.

        Raises: Invalid("topic.unknown"); Invalid("partition.unknown").
        """
        leader = await self._leader(topic, partition)
        wanted = DescribeProducersTopic(name=topic, partition_indexes=[partition])
        answer = await self._asking().ask(
            DESCRIBE_PRODUCERS, DescribeProducersRequest(topics=[wanted]), node=leader
        )
        found = answer.topics[0].partitions[0]
        if found.error_code != codes.NONE:
            raise fault(found.error_code, topic=topic, partition=partition)
        return [
            ProducerState(
                topic=topic,
                partition=partition,
                producer_id=each.producer_id,
                producer_epoch=each.producer_epoch,
                coordinator_epoch=each.coordinator_epoch,
                last_sequence=each.last_sequence,
                last_timestamp=each.last_timestamp,
                open_since_offset=(
                    None if each.current_txn_start_offset < 0 else each.current_txn_start_offset
                ),
            )
            for each in found.active_producers
        ]

    async def abort_transaction(self, producer: ProducerState) -> None:
        """Abort what a producer has open in one partition, when nobody else will.

        For a transaction that hangs: its coordinator has forgotten it, and readers of committed
        records wait for it for ever. Of a living transaction it would tear a part out.

        Raises: Invalid("topic.unknown"); Invalid("client.refused").
        """
        topic, partition = producer.topic, producer.partition
        leader = await self._leader(topic, partition)
        marker = WritableTxnMarker(
            producer_id=producer.producer_id,
            producer_epoch=producer.producer_epoch,
            transaction_result=False,
            topics=[WritableTxnMarkerTopic(name=topic, partition_indexes=[partition])],
            coordinator_epoch=producer.coordinator_epoch,
        )
        answer = await self._asking().ask(
            WRITE_TXN_MARKERS, WriteTxnMarkersRequest(markers=[marker]), node=leader
        )
        code = answer.markers[0].topics[0].partitions[0].error_code
        if code != codes.NONE:
            raise fault(code, topic=topic, partition=partition)

    async def _leader(self, topic: str, partition: int) -> int:
        """The broker that serves a partition."""
        (found,) = (await self._asking().metadata([MetadataRequestTopic(name=topic)])).topics
        if found.error_code not in (codes.NONE, codes.LEADER_NOT_AVAILABLE):
            raise fault(found.error_code, topic=topic)
        for part in found.partitions:
            if part.partition_index == partition:
                if part.leader_id < 0:
                    raise fault(codes.LEADER_NOT_AVAILABLE, topic=topic, partition=partition)
                return part.leader_id
        raise Invalid("partition.unknown", topic=topic, partition=partition)
