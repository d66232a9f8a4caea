"""The log of a Kafka-protocol broker, as a file collector reads it back."""

from __future__ import annotations

from collections.abc import AsyncIterator

from summit.base.errors import Invalid
from summit.client.log_reader import LogReader
from summit.ingest.files.coordinates import CHECKPOINT_HEADER, SOURCE_HEADER
from summit.ingest.files.log_access import Written
from summit.ingest.producing import Producer
from summit.ingest.topics import addresses_of, admin_config, ensure_topic


class KafkaLog:
    """Reads at the given brokers; dials them at the first question."""

    def __init__(self, addresses: list[str]) -> None:
        self._addresses = addresses
        self._reader: LogReader | None = None

    async def ensure_topic(self, topic: str) -> int:
        """Create the topic unless it exists; return how many partitions it has."""
        return await ensure_topic(self._addresses, topic)

    async def partition_count(self, topic: str) -> int:
        """How many partitions the topic has; 0 when there is no such topic."""
        reader = await self._connected()
        try:
            return await reader.partition_count(topic)
        except Invalid as error:
            if error.code == "topic.unknown":
                return 0
            raise

    async def span(self, topic: str, partition: int) -> tuple[int, int]:
        """First offset kept, and the offset after the last readable record."""
        return await (await self._connected()).span(topic, partition)

    async def read(
        self, topic: str, partition: int, first: int, stop: int
    ) -> AsyncIterator[list[Written]]:
        """The records of offsets `first` (inclusive) to `stop` (exclusive), in order."""
        reader = await self._connected()
        async for records in reader.read(topic, partition, first, stop):
            yield [
                Written(
                    record.offset,
                    record.timestamp,
                    record.headers.get(SOURCE_HEADER),
                    record.headers.get(CHECKPOINT_HEADER),
                )
                for record in records
            ]

    async def close(self) -> None:
        """Let go of every connection."""
        reader, self._reader = self._reader, None
        if reader is not None:
            await reader.close()

    async def _connected(self) -> LogReader:
        if self._reader is None:
            reader = LogReader(admin_config(self._addresses))
            await reader.connect()
            self._reader = reader
        return self._reader


def log_of(producer: Producer) -> KafkaLog:
    """The log that a producer writes to. Raises Invalid("collector.no_log")."""
    addresses = addresses_of(producer)
    if not addresses:
        raise Invalid("collector.no_log")
    return KafkaLog(addresses)
