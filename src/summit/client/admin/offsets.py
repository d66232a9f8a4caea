"""Offsets: where partitions begin and end, by place and by time, and a later beginning."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from summit.base.errors import Invalid, SummitError, Unavailable
from summit.client.admin.connection import Connection
from summit.client.wire import fault
from summit.protocol import codes
from summit.protocol.delete_records import (
    DELETE_RECORDS,
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
)
from summit.protocol.list_offsets import (
    LIST_OFFSETS,
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from summit.protocol.metadata import MetadataRequestTopic

_LATEST: Final = -1  # special times of ListOffsets
_EARLIEST: Final = -2
_RETRY_S: Final = 0.05
_ALL_RECORDS: Final = -1  # as the end of a deletion: up to the high watermark


class Offsets(Connection):
    """What partitions hold."""

    async def offsets(self, topic: str, *, committed: bool = False) -> dict[int, tuple[int, int]]:
        """Per partition, first kept and next readable offset.

        Args:
            committed: For readers of committed records: the end is where the oldest open
                transaction begins.
        Raises: Invalid("topic.unknown"); Unavailable while a partition has no leader.
        """
        first = await self._list(topic, _EARLIEST, committed=committed)
        last = await self._list(topic, _LATEST, committed=committed)
        return {partition: (first[partition], last[partition]) for partition in first}

    async def offsets_for_time(self, topic: str, timestamp_ms: int) -> dict[int, int | None]:
        """Per partition, the first offset whose time is `timestamp_ms` or later; None = none."""
        found = await self._list(topic, timestamp_ms)
        return {partition: at if at >= 0 else None for partition, at in found.items()}

    async def delete_records(self, topic: str, before: Mapping[int, int] | None = None) -> None:
        """Delete the records of each partition below its offset; all records without `before`.

        Raises: Invalid("topic.unknown" | "partition.unknown" | "consumer.offset_out_of_range").
        """

        async def delete(node: int, mine: list[int]) -> dict[int, tuple[int, int]]:
            request = DeleteRecordsRequest(
                topics=[
                    DeleteRecordsTopic(
                        name=topic,
                        partitions=[
                            DeleteRecordsPartition(
                                partition_index=index,
                                offset=_ALL_RECORDS if before is None else before[index],
                            )
                            for index in mine
                        ],
                    )
                ],
                timeout_ms=self.config.request_timeout_ms,
            )
            answer = await self._asking().ask(DELETE_RECORDS, request, node=node)
            return {
                part.partition_index: (part.error_code, part.low_watermark)
                for part in answer.topics[0].partitions
            }

        await self._by_leader(topic, delete, None if before is None else set(before))

    async def _list(self, topic: str, timestamp: int, *, committed: bool = False) -> dict[int, int]:
        async def ask(node: int, mine: list[int]) -> dict[int, tuple[int, int]]:
            parts = [ListOffsetsPartition(partition_index=i, timestamp=timestamp) for i in mine]
            request = ListOffsetsRequest(
                isolation_level=int(committed),
                topics=[ListOffsetsTopic(name=topic, partitions=parts)],
                timeout_ms=self.config.request_timeout_ms,
            )
            answer = await self._asking().ask(LIST_OFFSETS, request, node=node)
            return {
                part.partition_index: (part.error_code, part.offset)
                for part in answer.topics[0].partitions
            }

        return await self._by_leader(topic, ask, None)

    async def _by_leader(
        self,
        topic: str,
        ask: Callable[[int, list[int]], Awaitable[dict[int, tuple[int, int]]]],
        wanted: set[int] | None,
    ) -> dict[int, int]:
        """Ask each partition's leader; again, while leaders move, as long as a request may take.

        Args:
            ask: Asks a broker about some partitions: error and value of each.
            wanted: Which partitions; None = all.
        """
        found: dict[int, int] = {}
        failure: SummitError = Unavailable("client.timeout", reason=f"{topic} has no leader")
        try:
            async with asyncio.timeout(self._timeout_s):
                while True:
                    leaders = await self._leaders(topic)
                    for index in wanted or ():
                        if index not in leaders:
                            raise Invalid("partition.unknown", topic=topic, partition=index)
                    open_ = (set(leaders) if wanted is None else wanted) - set(found)
                    if not open_:
                        return dict(sorted(found.items()))
                    for node in {leaders[index] for index in open_} - {-1}:
                        mine = sorted(index for index in open_ if leaders[index] == node)
                        try:
                            answers = await ask(node, mine)
                        except Unavailable as error:  # it has just gone
                            failure = error
                            continue
                        for index, (code, value) in answers.items():
                            if code == codes.NONE:
                                found[index] = value
                                continue
                            failure = _fault(code, topic, index)
                            if not isinstance(failure, Unavailable):
                                raise failure
                    if set(leaders) - set(found) if wanted is None else wanted - set(found):
                        await asyncio.sleep(_RETRY_S)
        except TimeoutError:
            raise failure from None

    async def _leaders(self, topic: str) -> dict[int, int]:
        """The leader of each partition, -1 where there is none."""
        (found,) = (await self._asking().metadata([MetadataRequestTopic(name=topic)])).topics
        if found.error_code not in (codes.NONE, codes.LEADER_NOT_AVAILABLE):
            raise fault(found.error_code, topic=topic)
        return {part.partition_index: part.leader_id for part in found.partitions}


def _fault(code: int, topic: str, partition: int) -> SummitError:
    if code == codes.OFFSET_OUT_OF_RANGE:
        return Invalid(
            "consumer.offset_out_of_range",
            topic=topic,
            partition=partition,
            reason="it is before its start or beyond its end",
        )
    if code in (codes.UNKNOWN_TOPIC_OR_PARTITION, codes.OFFSET_NOT_AVAILABLE):
        # The topic is known: this broker has only not heard yet that it leads it.
        return Unavailable("client.broker_fault", reason=codes.name_of(code))
    return fault(code, topic=topic, partition=partition)
