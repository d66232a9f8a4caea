"""Reads whole record batches from a broker over the wire, with their checksums.

librdkafka checks a batch's CRC and keeps it to itself; who wants to show it asks the broker.
"""

from __future__ import annotations

import asyncio
import struct
from typing import Final

from summit.base.errors import Invalid, SummitError, Unavailable
from summit.client import NO_HEADERS, ConsumerRecord, Headers
from summit.protocol import codes, frames
from summit.protocol.fetch import FETCH, FetchPartition, FetchRequest, FetchTopic
from summit.records import iter_records, parse_header, split_batches

_VERSION: Final = 12
_FETCH_BYTES: Final = 1 << 20
_TIMEOUT_S: Final = 30.0
_LENGTH: Final = struct.Struct(">i")


class BatchFetcher:
    """One connection that asks for batches; one request at a time."""

    def __init__(self, host: str, port: int) -> None:
        self._place = (host, port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._turn = asyncio.Lock()
        self._correlation_id = 0

    async def fetch(
        self, topic: str, partition: int, offset: int, max_messages: int
    ) -> list[ConsumerRecord]:
        """Up to `max_messages` records from `offset` on; empty at the end of the log.

        Raises: Invalid("partition.unknown"), Invalid("consumer.offset_out_of_range"),
            Unavailable when the broker does not answer.
        """
        found: list[ConsumerRecord] = []
        at = offset
        while len(found) < max_messages:
            data, end = await self._ask(topic, partition, at)
            fresh = [record for record in _records(topic, partition, data) if record.offset >= at]
            found += fresh
            at = fresh[-1].offset + 1 if fresh else end
            if at >= end:
                break
        return found[:max_messages]

    async def close(self) -> None:
        """End the connection."""
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].close()

    async def _ask(self, topic: str, partition: int, offset: int) -> tuple[bytes, int]:
        """Batches from the one that holds `offset`, and the high watermark."""
        wanted = FetchPartition(
            index=partition, fetch_offset=offset, partition_max_bytes=_FETCH_BYTES
        )
        request = FetchRequest(
            max_wait_ms=0,
            min_bytes=0,
            max_bytes=_FETCH_BYTES,
            topics=[FetchTopic(name=topic, partitions=[wanted])],
        )
        async with self._turn:
            try:
                async with asyncio.timeout(_TIMEOUT_S):
                    frame = await self._exchange(request)
            except (OSError, EOFError, TimeoutError) as error:
                await self.close()
                raise Unavailable("client.timeout", reason=repr(error)) from error
            except asyncio.CancelledError:
                await self.close()  # an answer is still on its way
                raise
        _, position = frames.decode_response_header(FETCH, _VERSION, frame)
        answer, _ = FETCH.decode_response(_VERSION, frame, position)
        part = answer.topics[0].partitions[0]
        if part.error_code != codes.NONE:
            raise _fault(part.error_code, topic, partition, offset)
        records = part.records or b""
        assert not isinstance(records, list)  # only a broker's own answer holds several
        return bytes(records), part.high_watermark

    async def _exchange(self, request: FetchRequest) -> bytes:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._place)
        reader, writer = self._streams
        self._correlation_id += 1
        writer.write(
            frames.encode_request_frame(
                FETCH, _VERSION, self._correlation_id, request, "summit-message-broker"
            )
        )
        await writer.drain()
        (size,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        return await reader.readexactly(size)


def _records(topic: str, partition: int, data: bytes) -> list[ConsumerRecord]:
    found: list[ConsumerRecord] = []
    for position, size in split_batches(data):
        batch = data[position : position + size]
        checksum = parse_header(batch).crc
        found += [
            ConsumerRecord(
                topic,
                partition,
                record.offset,
                record.timestamp,
                record.key,
                record.value,
                Headers(record.headers) if record.headers else NO_HEADERS,
                checksum,
            )
            for record in iter_records(batch)
        ]
    return found


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
