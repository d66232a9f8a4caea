"""Reading whole batches from a cluster: each partition from the broker that leads it."""

from __future__ import annotations

from summit.base.errors import Invalid, Unavailable
from summit.client import Admin, ConsumerRecord, TopicPartition
from summit.stream_processing.connection import BrokerConnection
from summit.stream_processing.dialled import partition_of
from summit.stream_processing.fetching import BatchFetcher


class LeaderFetcher:
    """Keeps a connection to every broker that it has read from, and who leads what.

    Args:
        admin: Connected; it is asked who leads.
    """

    def __init__(self, admin: Admin) -> None:
        self._admin = admin
        self._leaders: dict[TopicPartition, str] = {}
        self._connections: dict[str, BrokerConnection] = {}

    async def records(
        self, topic: str, partition: int, offset: int, max_messages: int
    ) -> list[ConsumerRecord]:
        """As `BatchFetcher.records`; a leader that has changed is looked up again, once."""
        where = TopicPartition(topic, partition)
        known = where in self._leaders
        try:
            return await (await self._fetcher(where)).records(*where, offset, max_messages)
        except (Unavailable, Invalid) as error:
            # A broker that does not lead it, or has never heard of it: ask who does.
            self._leaders.pop(where, None)
            if not known or error.code == "consumer.offset_out_of_range":
                raise
        return await (await self._fetcher(where)).records(*where, offset, max_messages)

    def close(self) -> None:
        """End all connections."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    async def _fetcher(self, where: TopicPartition) -> BatchFetcher:
        if where not in self._leaders:
            found = partition_of(await self._admin.partitions(where.topic), *where)
            address = (await self._admin.brokers()).get(found.leader)
            if address is None:
                raise Unavailable("partition.no_leader", topic=where.topic)
            self._leaders[where] = address
        address = self._leaders[where]
        return BatchFetcher(self._connections.setdefault(address, BrokerConnection(address)))
