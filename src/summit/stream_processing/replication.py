"""`ReplicationManager`: a view of the replication that the cluster does by itself.

Copying records to other machines is Kafka's work (ARCHITECTURE.md, principle 3). This looks at it:
who holds a copy, who is in sync, how far the others are behind. On a lone broker it says just that:
one replica, in sync with itself, no followers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final, Self

from summit.base.clock import Clock, SystemClock
from summit.base.emitter import Emitter, Payload
from summit.base.errors import Invalid, SummitError, Unavailable
from summit.base.tasks import Tasks
from summit.client import (
    AdminConfig,
    Cluster,
    ConsumerRecord,
    Partition,
    ProducerResult,
    StreamMessage,
    TopicPartition,
)
from summit.stream_processing.connection import BrokerConnection
from summit.stream_processing.dialled import Dialled, partition_of
from summit.stream_processing.fetching import BatchFetcher, Fetched
from summit.stream_processing.followers import (
    Follower,
    Lags,
    Watch,
    ask_lags,
    partitions_by_follower,
)
from summit.stream_processing.replication_settings import ReplicationConfig

_REPLICATE_MS: Final = 30_000


class ReplicationManager(Dialled, Emitter):
    """Watches the replication of partitions; one loop's, from `start` to `stop`.

    Events: `replication:status-checked` {topic, partition, followers} after each look at a
    partition; `isr:updated` {topic, partition, isr} when its in-sync replicas are others than
    before; `message:replicated` {topic, partition, offset, isr} when followers were seen to hold a
    record; `error` {error} when the cluster could not be asked. All tell of the cluster as it is.

    Args:
        brokers, config: As of every manager here.
        replication: A `ReplicationConfig`, or a mapping with its names.
    """

    _role: ClassVar[str] = "replication manager"

    def __init__(
        self,
        brokers: Any = None,
        config: AdminConfig | Mapping[str, Any] | None = None,
        *,
        replication: ReplicationConfig | Mapping[str, Any] | None = None,
        clock: Clock | None = None,
    ) -> None:
        Dialled.__init__(self, brokers, config)
        Emitter.__init__(self)
        if not isinstance(replication, ReplicationConfig):
            replication = ReplicationConfig.from_dict(replication or {})
        self.replication = replication
        self._clock = clock or SystemClock()
        self._watches: dict[TopicPartition, Watch] = {}
        self._connections: dict[str, BrokerConnection] = {}
        self._silent: set[int] = set()  # followers' brokers that gave no answer
        self._tasks = Tasks()

    # ---- life ----

    async def start(self) -> None:
        """Dial, and look at what was set up every so often from now on; as `connect`."""
        await self.connect()
        self._tasks.spawn(self._look_again(), "replication-manager.look")

    async def stop(self) -> None:
        """Look no more and hang up. Idempotent; what was set up is forgotten."""
        await self._tasks.cancel_all()
        self._watches.clear()
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()
        await Dialled.close(self)

    close = stop

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    # ---- what is watched ----

    async def setup_replication(
        self, topic: str, partition: int, replicas: Iterable[int] | None = None
    ) -> Partition:
        """Watch a partition from now on. Returns who serves it.

        Args:
            replicas: The brokers that are expected to hold it.
        Raises: Invalid("replication.not_ours") when others hold it: the cluster decides that;
            Invalid("topic.unknown" | "partition.unknown").
        """
        cluster, found = await self._look(topic, partition)
        wanted = found.replicas if replicas is None else list(replicas)
        if sorted(wanted) != sorted(found.replicas):
            is_alone = len(cluster.brokers) < 2
            reason = "a lone broker holds the one copy" if is_alone else "the cluster placed them"
            raise Invalid(
                "replication.not_ours", topic=topic, partition=partition,
                replicas=found.replicas, wanted=wanted, reason=reason,
            )  # fmt: skip
        self._watches[TopicPartition(topic, partition)] = Watch(found.isr, self.replication)
        return found

    def remove_replication(self, topic: str, partition: int) -> bool:
        """Watch a partition no more; its replicas stay. Returns: whether it was watched."""
        return self._watches.pop(TopicPartition(topic, partition), None) is not None

    async def check_status(self) -> dict[TopicPartition, list[Follower]]:
        """Look at every watched partition now, with the events that follow from it."""
        cluster = await self._admin.cluster()
        watched: dict[TopicPartition, Partition] = {}
        for where in list(self._watches):
            try:
                watched[where] = _find(cluster, *where)
            except Invalid as error:  # it was deleted
                self.remove_replication(*where)
                self.emit("error", Payload(error=error))
        lags = await self._lags(cluster, watched)
        now_ms = self._clock.monotonic_ms()
        status = {}
        for where, found in watched.items():
            watch = self._watches.get(where)
            if watch is None:  # it was removed meanwhile
                continue
            of_this = {broker_id: known.get(where) for broker_id, known in lags.items()}
            status[where] = followers = watch.followers(found, of_this, now_ms)
            self._note_isr(where, found.isr)
            self.emit(
                "replication:status-checked",
                Payload(topic=where.topic, partition=where.partition, followers=followers),
            )
        return status

    # ---- in-sync replicas ----

    async def update_isr(
        self, topic: str, partition: int, isr: Iterable[int] | None = None
    ) -> list[int]:
        """Ask anew which replicas are in sync; `isr:updated` if a watched partition has others.

        Raises: Invalid("partition.fact") for an `isr` that is not the true one.
        """
        _, found = await self._look(topic, partition)
        if isr is not None and sorted(isr) != sorted(found.isr):
            raise Invalid("partition.fact", field="isr")
        self._note_isr(TopicPartition(topic, partition), found.isr)
        return found.isr

    def check_min_isr(self, isr: Iterable[int], minimum: int | None = None) -> bool:
        """Whether so many replicas are in sync that a write with acks=all would be taken."""
        least = self.replication.min_in_sync_replicas if minimum is None else minimum
        return len(set(isr)) >= least

    # ---- records ----

    async def replicate(
        self, record: StreamMessage | ProducerResult, timeout_ms: int = _REPLICATE_MS
    ) -> list[int]:
        """Wait until every in-sync replica holds a record that was written.

        Nothing is sent: the followers fetch it by themselves. They have it when the partition's
        high watermark has passed it.

        Returns: The in-sync replicas; on a lone broker that one, and no event.
        Raises: Unavailable("client.timeout") after `timeout_ms`; Invalid for an offset that was
            never written or is no longer kept; as `handle_fetch_request`.
        """
        topic, partition, offset = record.topic, record.partition, record.offset
        until_ms = self._clock.monotonic_ms() + timeout_ms
        while True:
            left_ms = max(int(until_ms - self._clock.monotonic_ms()), 0)
            wait_ms = min(left_ms, self.replication.replica_fetch_wait_max_ms)
            fetched = await self._fetch(topic, partition, offset, 1, wait_ms)
            if fetched.high_watermark > offset:
                break
            if not left_ms:
                reason = f"offset {offset} of {topic}-{partition} is not replicated yet"
                raise Unavailable("client.timeout", reason=reason)
        isr = (await self._look(topic, partition))[1].isr
        if len(isr) > 1:
            self.emit(
                "message:replicated",
                Payload(topic=topic, partition=partition, offset=offset, isr=isr),
            )
        return isr

    async def handle_fetch_request(
        self, topic: str, partition: int, offset: int, max_bytes: int | None = None
    ) -> list[ConsumerRecord]:
        """What the leader gives to one who fetches from `offset` on, up to the high watermark.

        Waits up to `replica_fetch_wait_max_ms` for a first record.

        Raises: Invalid("topic.unknown" | "partition.unknown" | "consumer.offset_out_of_range");
            Unavailable when the partition has no leader, or that does not answer.
        """
        config = self.replication
        limit = config.replica_fetch_max_bytes if max_bytes is None else max_bytes
        if offset < 0 or limit < 1:
            raise Invalid("client.refused", reason="an offset is 0 or more, maxBytes 1 or more")
        wait_ms = config.replica_fetch_wait_max_ms
        return (await self._fetch(topic, partition, offset, limit, wait_ms)).records

    # ---- small parts ----

    async def _look_again(self) -> None:
        while True:
            await asyncio.sleep(self.replication.replica_lag_time_max_ms / 2000)
            try:
                await self.check_status()
            except SummitError as error:
                self.emit("error", Payload(error=error))

    async def _fetch(
        self, topic: str, partition: int, offset: int, max_bytes: int, wait_ms: int
    ) -> Fetched:
        cluster, found = await self._look(topic, partition)
        address = cluster.brokers.get(found.leader)
        if address is None:
            raise Unavailable("partition.no_leader", topic=topic)
        fetcher = BatchFetcher(self._connection(address))
        return await fetcher.fetch(topic, partition, offset, max_bytes=max_bytes, wait_ms=wait_ms)

    def _connection(self, address: str) -> BrokerConnection:
        if address not in self._connections:
            self._connections[address] = BrokerConnection(address)
        return self._connections[address]

    def _note_isr(self, where: TopicPartition, isr: list[int]) -> None:
        watch = self._watches.get(where)
        if watch is not None and sorted(watch.isr) != sorted(isr):
            watch.isr = isr
            self.emit("isr:updated", Payload(topic=where.topic, partition=where.partition, isr=isr))

    async def _lags(self, cluster: Cluster, watched: Mapping[TopicPartition, Partition]) -> Lags:
        """What the followers' brokers say of how far each is behind."""
        asked = partitions_by_follower(watched)
        answers = await asyncio.gather(
            *(self._lags_of(cluster, broker_id, found) for broker_id, found in asked.items())
        )
        return dict(zip(asked, answers, strict=True))

    async def _lags_of(
        self, cluster: Cluster, broker_id: int, partitions: list[TopicPartition]
    ) -> dict[TopicPartition, int]:
        address = cluster.brokers.get(broker_id)
        if address is None:  # it is down
            return {}
        try:
            lags = await ask_lags(self._connection(address), partitions)
        except SummitError as error:
            if broker_id not in self._silent:  # told once
                self._silent.add(broker_id)
                self.emit("error", Payload(error=error))
            return {}
        self._silent.discard(broker_id)
        return lags

    async def _look(self, topic: str, partition: int) -> tuple[Cluster, Partition]:
        cluster = await self._admin.cluster()
        return cluster, _find(cluster, topic, partition)


def _find(cluster: Cluster, topic: str, partition: int) -> Partition:
    if topic not in cluster.topics:
        raise Invalid("topic.unknown", topic=topic)
    return partition_of(cluster.topics[topic], topic, partition)
