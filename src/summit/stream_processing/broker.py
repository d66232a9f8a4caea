"""`MessageBroker`: a broker with the guide's methods and events.

The broker itself is the back end (back_end.py): an embedded one, or a cluster's. What this class
does for its caller goes over Kafka's protocol, through the client room.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any, NamedTuple, Self

from summit.base.emitter import Emitter, Payload
from summit.base.errors import Closed, Conflict, Invalid, SummitError, Unavailable
from summit.base.limits import METRICS_INTERVAL_MS
from summit.base.tasks import Tasks, to_the_end
from summit.client import (
    Admin,
    AdminConfig,
    ConsumerRecord,
    GroupDescription,
    Partition,
    PartitionMetadata,
    ProducerConfig,
    ProducerRecord,
    ProducerResult,
    StreamProducer,
    TopicConfig,
    TopicCreated,
    TopicMetadata,
)
from summit.stream_processing.back_end import BackEnd, BackupMade
from summit.stream_processing.cluster import ClusterBackEnd
from summit.stream_processing.connection import BrokerConnection
from summit.stream_processing.dialled import partition_metadata
from summit.stream_processing.embedded import EmbeddedBroker
from summit.stream_processing.fetching import BatchFetcher
from summit.stream_processing.leaders import LeaderFetcher
from summit.stream_processing.metrics import StreamMetrics
from summit.stream_processing.settings import BrokerConfig
from summit.stream_processing.topics import change_topic, read_topic_config


class _Clients(NamedTuple):
    """How the broker object talks to its own broker."""

    admin: Admin
    producer: StreamProducer
    fetcher: BatchFetcher | LeaderFetcher


class MessageBroker(Emitter):
    """An embedded broker, or a cluster; one loop's, from `start` to `stop`. Also `async with`.

    Events: `broker:started` and `broker:stopped` {broker_id}; `topic:created` {topic, partitions,
    warnings}; `topic:deleted` {topic}; `message:produced` {topic, partition, offset};
    `messages:consumed` {topic, partition, count}; `metrics:updated`, a `StreamMetrics` each
    second; `error` {error} when a failing disk stopped the broker.

    An embedded broker is one honest node: it leads every partition, and nothing is copied to
    another machine. With `bootstrap_servers` the same methods manage and observe an Apache Kafka
    cluster: replicas, leaders and figures are the cluster's own; what a client cannot know is None.

    Args:
        config: A `BrokerConfig` or a mapping with its names; or give its fields by keyword.
    """

    def __init__(
        self, config: BrokerConfig | Mapping[str, Any] | None = None, **fields: Any
    ) -> None:
        super().__init__()
        self.config = BrokerConfig.of(config, fields)
        servers = self.config.servers
        self._back_end: BackEnd = (
            ClusterBackEnd(servers) if servers else EmbeddedBroker(self.config)
        )
        self._clients: asyncio.Task[_Clients] | None = None
        self._tasks = Tasks()
        self._changing = asyncio.Lock()

    @classmethod
    def in_memory(cls, **fields: Any) -> Self:
        """A broker on a free port with nothing on a disk, for tests.

        It is a real one in all else. What it holds is gone with the object, not with `stop`.

        Example:
            async with MessageBroker.in_memory() as broker:
                await broker.create_topic({"name": "a-b"})
        """
        return cls(**{"in_memory": True, "port": 0, **fields})

    # ---- life ----

    async def start(self) -> None:
        """Recover what is on the disk and listen; returns when clients can connect.

        Raises: Conflict("broker.running") "Broker already running"; Conflict("disk.locked") when
            another broker has the data directory, or the port is taken.
        """
        async with self._changing:
            if self._clients is not None:
                raise Conflict("broker.running")
            loop = asyncio.get_running_loop()

            def on_failed(error: SummitError) -> None:
                loop.call_soon_threadsafe(self._failed, error)

            try:
                await to_the_end(asyncio.to_thread(self._back_end.start, on_failed))
            except asyncio.CancelledError:
                await to_the_end(asyncio.to_thread(self._back_end.stop))
                raise
            self._clients = loop.create_task(self._dial(), name="message-broker.dial")
            self._tasks.spawn(self._tell_metrics(), "message-broker.metrics")
        self.emit("broker:started", Payload(broker_id=self.broker_id))

    async def stop(self) -> None:
        """Stop listening, make durable what was taken, end. Nothing happens if it is stopped.

        What waits for an answer of this object's meanwhile gets one, or Closed.
        """
        async with self._changing:
            dialling, self._clients = self._clients, None
            if dialling is None:
                return
            broker_id = self.broker_id
            await to_the_end(self._end(dialling))
        self.emit("broker:stopped", Payload(broker_id=broker_id))

    async def _end(self, dialling: asyncio.Task[_Clients]) -> None:
        await self._tasks.cancel_all()
        await _hang_up(dialling)
        await asyncio.to_thread(self._back_end.stop)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def backup(self, directory: str | os.PathLike[str]) -> BackupMade:
        """Copy all that an embedded broker holds to `directory`, empty or not there yet.

        It serves on. The copy is of one moment: whole transactions, and no group's offset ahead of
        the records. `summit broker verify` checks it, `summit broker restore` makes a data
        directory of it. A call that is cancelled leaves the backup to be finished.

        Raises: Invalid("backup.of_a_cluster") with `bootstrap_servers`; Conflict("backup.refused")
            in memory, or while another is made; Conflict("backup.target_in_use");
            Unavailable("disk.full"); Closed("broker.not_running"), also when it stops meanwhile.
        """
        return await asyncio.to_thread(self._back_end.backup, os.path.abspath(directory))

    @property
    def address(self) -> str:
        """`host:port` to dial, with the real port. Raises Closed while it is stopped."""
        return self._back_end.address

    @property
    def broker_id(self) -> int | None:
        """The id that clients see; of a cluster its controller's, None while nobody knows it."""
        return self._back_end.broker_id

    def get_broker_id(self) -> int | None:
        """As `broker_id`."""
        return self.broker_id

    def is_leader_broker(self) -> bool:
        """Whether it runs: a lone broker leads every partition and is its own controller.

        Of a cluster: whether it has an elected controller.
        """
        return self._back_end.is_controller

    # ---- topics ----

    async def create_topic(self, config: TopicConfig | Mapping[str, Any]) -> TopicCreated:
        """Create a topic; returns when it is durable.

        A replication factor above 1 is kept as a wish: the topic has one replica, the result a
        warning, and its partitions count as under-replicated.

        Raises: Conflict("topic.exists") "Topic X already exists"; Invalid.
        """
        created = await (await self._ready()).admin.create_topic(config)
        self.emit(
            "topic:created",
            Payload(topic=created.name, partitions=created.partitions, warnings=created.warnings),
        )
        return created

    async def delete_topic(self, name: str) -> None:
        """Delete a topic and its records. Raises Invalid "Topic X does not exist"."""
        await (await self._ready()).admin.delete_topic(name)
        self.emit("topic:deleted", Payload(topic=name))

    async def update_topic_config(
        self, name: str, changes: TopicConfig | Mapping[str, Any]
    ) -> TopicConfig:
        """Change some settings of a topic; they hold at once.

        Args:
            changes: A mapping of what shall be different, where None means the broker's default,
                or a `TopicConfig`, whose fields that are None stay as they are. Partitions can be
                added, not taken away.
        Returns: All settings as they are now.
        Raises: Invalid for an unknown topic, and for what is no setting or no value of it.
        """
        return await change_topic((await self._ready()).admin, name, changes)

    async def get_topic_config(self, name: str) -> TopicConfig:
        """A topic's settings, defaults filled in. Raises Invalid("topic.unknown")."""
        return await read_topic_config((await self._ready()).admin, name)

    async def list_topics(self, *, internal: bool = False) -> list[str]:
        """The names of all topics, sorted; those of the platform (`_…`) only if asked for."""
        names = await (await self._ready()).admin.list_topics()
        return [name for name in names if internal or not name.startswith("_")]

    async def get_topic_metadata(self, topic: str) -> TopicMetadata:
        """Id and partitions of a topic. Raises Invalid("topic.unknown")."""
        (found,) = await (await self._ready()).admin.describe_topics([topic])
        return found

    async def get_topic_partitions(self, topic: str) -> list[Partition]:
        """Who serves the partitions of a topic. Raises Invalid("topic.unknown")."""
        return (await self.get_topic_metadata(topic)).partitions

    async def get_partition_info(self, topic: str, partition: int) -> PartitionMetadata:
        """One partition with its offsets.

        Raises: Invalid("topic.unknown"), Invalid("partition.unknown").
        """
        return await partition_metadata((await self._ready()).admin, topic, partition)

    async def describe_group(self, group_id: str) -> GroupDescription:
        """State, members and assignments of a consumer group."""
        return await (await self._ready()).admin.describe_group(group_id)

    # ---- records ----

    async def produce(self, record: ProducerRecord | Mapping[str, Any]) -> ProducerResult:
        """Write one record, acknowledged as durable; errors as `StreamProducer.send`."""
        result = await (await self._ready()).producer.send(record)
        self.emit(
            "message:produced",
            Payload(topic=result.topic, partition=result.partition, offset=result.offset),
        )
        return result

    async def consume(
        self, topic: str, partition: int, offset: int, max_messages: int = 100
    ) -> list[ConsumerRecord]:
        """Up to `max_messages` records from `offset` on, each with its batch's CRC-32C.

        Empty at the end of the log; nothing is waited for.

        Raises: Invalid for an unknown topic or partition, or an offset outside the log.
        """
        clients = await self._ready()
        if partition < 0 or offset < 0 or max_messages < 1:
            raise Invalid(
                "client.refused", reason="partition and offset are 0 or more, maxMessages 1"
            )
        try:
            records = await clients.fetcher.records(topic, partition, offset, max_messages)
        except Invalid as error:
            if error.code == "partition.unknown":
                await self.get_topic_metadata(topic)  # raises when it is the topic
            raise
        except Unavailable:
            self._require_running()  # it was stopped meanwhile
            raise
        self.emit(
            "messages:consumed", Payload(topic=topic, partition=partition, count=len(records))
        )
        return records

    # ---- figures ----

    def get_metrics(self) -> StreamMetrics:
        """The figures of this moment; all 0 while the broker is stopped."""
        return self._back_end.metrics()

    async def _tell_metrics(self) -> None:
        while True:
            await asyncio.sleep(METRICS_INTERVAL_MS / 1000)
            if self._back_end.is_running and self.has_listeners("metrics:updated"):
                self.emit("metrics:updated", await asyncio.to_thread(self._back_end.metrics))

    # ---- small parts ----

    async def _dial(self) -> _Clients:
        """Connect to the back end; begun at start, so that nobody waits for it later."""
        servers, security = self._back_end.inner
        name = f"message-broker-{self.broker_id}"
        admin = Admin(AdminConfig(client_id=name, bootstrap_servers=servers, security=security))
        producer = StreamProducer(
            ProducerConfig(
                client_id=name, bootstrap_servers=servers, security=security, linger_ms=0
            )
        )
        async with AsyncExitStack() as on_failure:
            await producer.connect()
            on_failure.push_async_callback(producer.close)
            await admin.connect()
            on_failure.pop_all()
        fetcher: BatchFetcher | LeaderFetcher = LeaderFetcher(admin)
        if self._back_end.leads_all:  # where this process reaches it, whatever it tells others
            fetcher = BatchFetcher(BrokerConnection(servers, security))
        return _Clients(admin, producer, fetcher)

    async def _ready(self) -> _Clients:
        return await asyncio.shield(self._require_running())

    def _require_running(self) -> asyncio.Task[_Clients]:
        if self._clients is None:
            raise Closed("broker.not_running")
        return self._clients

    def _failed(self, error: SummitError) -> None:
        self.emit("error", Payload(error=error))


async def _hang_up(dialling: asyncio.Task[_Clients]) -> None:
    try:
        clients = await dialling
    except SummitError:
        return
    clients.fetcher.close()
    await clients.producer.close()
    await clients.admin.close()
