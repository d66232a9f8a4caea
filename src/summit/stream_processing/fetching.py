"""Reads whole record batches from a broker over the wire, with their checksums.

librdkafka checks a batch's CRC and keeps it to itself; who wants to show it asks the broker.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from summit.base.errors import Corrupt, Invalid, SummitError, Unavailable
from summit.client import NO_HEADERS, ConsumerRecord, Headers
from summit.protocol import codes
from summit.protocol.fetch import FETCH, FetchPartition, FetchRequest, FetchTopic
from summit.records import check_crc, iter_records, parse_header, split_batches
from summit.stream_processing.connection import BrokerConnection

_VERSION: Final = 12
_FETCH_BYTES: Final = 1 << 20


class Fetched(NamedTuple):
    """What one fetch brought.

    Attributes:
        records: From the offset asked for on; those of open and aborted transactions too, but no
            markers.
        next_offset: Where to go on; beyond the last record where markers follow it, or records
            that compaction took out.
        high_watermark: The partition's end.
    """

    records: list[ConsumerRecord]
    next_offset: int
    high_watermark: int


class BatchFetcher:
    """Fetches from the broker at the other end of `connection`, which leads what is asked for."""

    def __init__(self, connection: BrokerConnection) -> None:
        self._connection = connection

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    async def records(
        self, topic: str, partition: int, offset: int, max_messages: int
    ) -> list[ConsumerRecord]:
        """Up to `max_messages` records from `offset` on; empty at the end of the log.

        Raises: as `fetch`.
        """
        found: list[ConsumerRecord] = []
        at = offset
        while len(found) < max_messages:
            fetched = await self.fetch(topic, partition, at)
            found += fetched.records
            if not at < fetched.next_offset < fetched.high_watermark:
                break
            at = fetched.next_offset
        return found[:max_messages]

    async def fetch(
        self,
        topic: str,
        partition: int,
        offset: int,
        *,
        max_bytes: int = _FETCH_BYTES,
        wait_ms: int = 0,
    ) -> Fetched:
        """The records of one answer, from `offset` on.

        Args:
            max_bytes: Of batches; the first one comes even if it is larger.
            wait_ms: How long the broker waits for a record when there is none.
        Raises: Invalid("partition.unknown"), Invalid("consumer.offset_out_of_range"),
            Unavailable when the broker does not answer, or does not lead the partition.
        """
        wanted = FetchPartition(index=partition, fetch_offset=offset, partition_max_bytes=max_bytes)
        request = FetchRequest(
            max_wait_ms=wait_ms,
            min_bytes=1 if wait_ms else 0,
            max_bytes=max_bytes,
            topics=[FetchTopic(name=topic, partitions=[wanted])],
        )
        answer = await self._connection.ask(FETCH, _VERSION, request, wait_ms=wait_ms)
        part = answer.topics[0].partitions[0]
        if part.error_code != codes.NONE:
            raise _fault(part.error_code, topic, partition, offset)
        data = part.records or b""
        assert not isinstance(data, list)  # only a broker's own answer holds several
        return Fetched(*read_batches(topic, partition, bytes(data), offset), part.high_watermark)


def read_batches(
    topic: str, partition: int, data: bytes, offset: int, count: int | None = None
) -> tuple[list[ConsumerRecord], int]:
    """The records in whole batches from `offset` on, and the offset after the last batch.

    Args:
        count: Batches are looked at until there are so many records.
    Raises: Corrupt("batch.crc_mismatch" | "batch.unreadable").
    """
    found: list[ConsumerRecord] = []
    next_offset = offset
    for position, size in split_batches(data):
        if not check_crc(data, position, size):
            raise Corrupt("batch.crc_mismatch")
        batch = data[position : position + size]
        found += [r for r in batch_records(topic, partition, batch) if r.offset >= offset]
        next_offset = max(next_offset, parse_header(batch).last_offset + 1)
        if count is not None and len(found) >= count:
            break
    return found, next_offset


def batch_records(topic: str, partition: int, batch: bytes) -> list[ConsumerRecord]:
    """The records of one batch, each with the batch's checksum; none of a control batch."""
    header = parse_header(batch)
    if header.is_control:
        return []
    return [
        ConsumerRecord(
            topic,
            partition,
            record.offset,
            record.timestamp,
            record.key,
            record.value,
            Headers(record.headers) if record.headers else NO_HEADERS,
            header.crc,
        )
        for record in iter_records(batch)
    ]


def _fault(code: int, topic: str, partition: int, offset: int) -> SummitError:
    if code == codes.UNKNOWN_TOPIC_OR_PARTITION:
        return Invalid("partition.unknown", topic=topic, partition=partition)
    if code == codes.OFFSET_OUT_OF_RANGE:
        return Invalid(
            "consumer.offset_out_of_range",
            topic=topic,
            partition=partition,
            reason=f"{offset} is before its start or beyond its end",
        )
    return Unavailable("client.broker_fault", reason=f"Kafka error {code}")
