"""WriteTxnMarkers: key 27, versions 1-2.

Behaviour: for an administrator who ends a transaction that hangs. If the producer has an open
transaction here, all of it is aborted and its epoch raised, whatever partitions are named: ending
a part of it would tear it. Otherwise the partitions that are open get an abort marker.
Deviations: only aborting is served, INVALID_REQUEST else: what commits is the coordinator's to say.
"""

from __future__ import annotations

from collections.abc import Callable

from summit.base.errors import SummitError
from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.log.partition import PartitionLog
from summit.protocol import codes
from summit.protocol.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerPartitionResult,
    WritableTxnMarkerResult,
    WritableTxnMarkerTopicResult,
    WriteTxnMarkersRequest,
    WriteTxnMarkersResponse,
)

Done = Callable[[], None]


def handle(state: BrokerState, request: Request, message: WriteTxnMarkersRequest) -> None:
    """Abort; answer when all of it is durable."""
    results: list[WritableTxnMarkerResult] = []
    left = len(message.markers)

    def one_done() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            request.reply(WriteTxnMarkersResponse(markers=results))

    for marker in message.markers:
        result = WritableTxnMarkerResult(
            producer_id=marker.producer_id,
            topics=[
                WritableTxnMarkerTopicResult(
                    name=topic.name,
                    partitions=[
                        WritableTxnMarkerPartitionResult(
                            partition_index=index, error_code=codes.NONE
                        )
                        for index in topic.partition_indexes
                    ],
                )
                for topic in marker.topics
            ],
        )
        results.append(result)
    if not left:
        request.reply(WriteTxnMarkersResponse(markers=[]))
    for marker, result in zip(message.markers, results, strict=True):
        _Abort(state, marker, result).run(one_done)


class _Abort:
    """One marker of the request."""

    def __init__(
        self, state: BrokerState, marker: WritableTxnMarker, result: WritableTxnMarkerResult
    ) -> None:
        self._state = state
        self._marker = marker
        self._result = result

    def run(self, done: Done) -> None:
        marker = self._marker
        if marker.transaction_result:
            self._set_all(codes.INVALID_REQUEST)
            done()
            return

        def aborted(error: int) -> None:
            self._set_all(error)
            done()

        if self._state.transactions.abort_producer(marker.producer_id, aborted):
            return
        staged: list[PartitionLog] = []
        written: list[WritableTxnMarkerPartitionResult] = []
        for topic in self._result.topics:
            for each in topic.partitions:
                each.error_code = self._stage(topic.name, each.partition_index, staged)
                if each.error_code == codes.NONE:
                    written.append(each)

        def durable(error: SummitError | None) -> None:
            if error is not None:
                for each in written:
                    each.error_code = codes.code_of(error)
            done()

        if staged:
            self._state.commit.when_durable(durable, staged)
        else:
            done()

    def _set_all(self, error: int) -> None:
        for topic in self._result.topics:
            for each in topic.partitions:
                each.error_code = error

    def _stage(self, name: str, index: int, staged: list[PartitionLog]) -> int:
        partition = self._state.topics.partition(name, index)
        if partition is None:
            return codes.UNKNOWN_TOPIC_OR_PARTITION
        entry = partition.log.producers.get(self._marker.producer_id)
        if entry is None or entry.open_offset < 0:
            return codes.NONE
        try:
            partition.log.stage_marker(
                self._marker.producer_id,
                self._marker.producer_epoch,
                is_commit=False,
                coordinator_epoch=self._marker.coordinator_epoch,
                now_ms=self._state.clock.now_ms(),
            )
        except SummitError as error:
            return codes.code_of(error)
        staged.append(partition.log)
        return codes.NONE
