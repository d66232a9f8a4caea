"""A transactional producer on a raw connection, in the older and the newer protocol."""

from __future__ import annotations

from typing import Any

from tests.broker.wire import Wire, batch_of, fetch_request, records_of

from summit.protocol.add_offsets_to_txn import ADD_OFFSETS_TO_TXN, AddOffsetsToTxnRequest
from summit.protocol.add_partitions_to_txn import (
    ADD_PARTITIONS_TO_TXN,
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnTopic,
)
from summit.protocol.end_txn import END_TXN, EndTxnRequest
from summit.protocol.fetch import FETCH
from summit.protocol.init_producer_id import INIT_PRODUCER_ID, InitProducerIdRequest
from summit.protocol.produce import (
    PRODUCE,
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)
from summit.protocol.txn_offset_commit import (
    TXN_OFFSET_COMMIT,
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)
from summit.records import parse_header
from summit.records.batch import TRANSACTIONAL


class TxnProducer:
    """Sends what a transactional producer sends; answers are error codes."""

    def __init__(self, wire: Wire, name: str, *, newer: bool = True) -> None:
        self.wire = wire
        self.name = name
        self.newer = newer
        self.producer_id = self.epoch = -1
        self.sequences: dict[tuple[str, int], int] = {}

    def init(self, timeout_ms: int = 60_000, *, named: bool = False) -> int:
        identity = {"producer_id": self.producer_id, "producer_epoch": self.epoch} if named else {}
        answer = self.wire.ask(
            INIT_PRODUCER_ID,
            5 if self.newer else 3,
            InitProducerIdRequest(
                transactional_id=self.name, transaction_timeout_ms=timeout_ms, **identity
            ),
        )
        if answer.error_code == 0:
            self.producer_id, self.epoch = answer.producer_id, answer.producer_epoch
            self.sequences.clear()
        return int(answer.error_code)

    def begin(self, *names: str, index: int = 0, version: int = 3) -> list[int]:
        """AddPartitionsToTxn; error codes."""
        answer = self.wire.ask(
            ADD_PARTITIONS_TO_TXN,
            version,
            AddPartitionsToTxnRequest(
                v3_and_below_transactional_id=self.name,
                v3_and_below_producer_id=self.producer_id,
                v3_and_below_producer_epoch=self.epoch,
                v3_and_below_topics=[
                    AddPartitionsToTxnTopic(name=name, partitions=[index]) for name in names
                ],
            ),
        )
        return [
            part.partition_error_code
            for topic in answer.results_by_topic_v3_and_below
            for part in topic.results_by_partition
        ]

    def send(self, topic: str, *values: bytes, index: int = 0, version: int = 0) -> int:
        sequence = self.sequences.get((topic, index), 0)
        records = batch_of(
            *values,
            attributes=TRANSACTIONAL,
            producer_id=self.producer_id,
            producer_epoch=self.epoch,
            base_sequence=sequence,
        )
        request = ProduceRequest(
            transactional_id=self.name,
            acks=-1,
            timeout_ms=10_000,
            topics=[
                TopicProduceData(
                    name=topic, partitions=[PartitionProduceData(index=index, records=records)]
                )
            ],
        )
        answer = self.wire.ask(PRODUCE, version or (12 if self.newer else 9), request)
        error = int(answer.topics[0].partitions[0].error_code)
        if error == 0:
            self.sequences[topic, index] = sequence + len(values)
        return error

    def add_group(self, group: str) -> int:
        answer = self.wire.ask(
            ADD_OFFSETS_TO_TXN,
            3,
            AddOffsetsToTxnRequest(
                transactional_id=self.name,
                producer_id=self.producer_id,
                producer_epoch=self.epoch,
                group_id=group,
            ),
        )
        return int(answer.error_code)

    def commit_offset(self, group: str, topic: str, offset: int, **fields: Any) -> int:
        answer = self.wire.ask(
            TXN_OFFSET_COMMIT,
            5 if self.newer else 3,
            TxnOffsetCommitRequest(
                transactional_id=self.name,
                group_id=group,
                producer_id=self.producer_id,
                producer_epoch=self.epoch,
                topics=[
                    TxnOffsetCommitRequestTopic(
                        name=topic,
                        partitions=[
                            TxnOffsetCommitRequestPartition(
                                partition_index=0, committed_offset=offset
                            )
                        ],
                    )
                ],
                **fields,
            ),
        )
        return int(answer.topics[0].partitions[0].error_code)

    def end(self, *, commits: bool, epoch: int | None = None) -> int:
        answer = self.wire.ask(
            END_TXN,
            5 if self.newer else 3,
            EndTxnRequest(
                transactional_id=self.name,
                producer_id=self.producer_id,
                producer_epoch=self.epoch if epoch is None else epoch,
                committed=commits,
            ),
        )
        if answer.error_code == 0 and self.newer and epoch is None:
            assert answer.producer_epoch >= 0
            if (answer.producer_id, answer.producer_epoch) != (self.producer_id, self.epoch):
                self.sequences.clear()
            self.producer_id, self.epoch = answer.producer_id, answer.producer_epoch
        return int(answer.error_code)


def committed_values(wire: Wire, topic: str, index: int = 0) -> list[bytes]:
    """What a read_committed reader keeps, as clients filter it."""
    found: list[bytes] = []
    offset = 0
    while True:
        request = fetch_request([(topic, index, offset)], isolation_level=1, max_wait_ms=200)
        part = wire.ask(FETCH, 12, request).topics[0].partitions[0]
        assert part.error_code == 0
        data = bytes(part.records or b"")
        if not data:
            assert offset == part.last_stable_offset
            return found
        starts = sorted((e.first_offset, e.producer_id) for e in part.aborted_transactions or [])
        aborting: set[int] = set()
        position = 0
        while position < len(data):
            header = parse_header(data, position)
            body = data[position : position + header.size]
            position += header.size
            while starts and starts[0][0] <= header.last_offset:
                aborting.add(starts.pop(0)[1])
            if header.is_control:
                aborting.discard(header.producer_id)
            elif not (header.is_transactional and header.producer_id in aborting):
                found += [r.value or b"" for r in records_of(body) if r.offset >= offset]
            offset_after = header.last_offset + 1
        offset = offset_after
