"""`MessageBroker`: an embedded broker with the guide's methods and events.

The broker itself runs on a thread and loop of its own and speaks Kafka's protocol over TCP. What
this class does for its caller goes over that wire too, through the client room.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from summit.base.emitter import Emitter, Payload
from summit.base.errors import Closed, Conflict, Invalid, SummitError
from summit.base.limits import METRICS_INTERVAL_MS
from summit.base.tasks import Tasks
from summit.broker import BrokerThread
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
from summit.stream_processing.fetching import BatchFetcher
from summit.stream_processing.metrics import StreamMetrics, stream_metrics
from summit.stream_processing.settings import BrokerConfig


class _Clients(NamedTuple):
    """How the broker object talks to its own broker."""

    admin: Admin
    producer: StreamProducer
    fetcher: BatchFetcher


class MessageBroker(Emitter):
    """One embedded broker; one loop's, from `start` to `stop`. Also an `async with` context.

    Events: `broker:started` and `broker:stopped` {broker_id}; `topic:created` {topic, partitions,
    warnings}; `topic:deleted` {topic}; `message:produced` {topic, partition, offset};
    `messages:consumed` {topic, partition, count}; `metrics:updated`, a `StreamMetrics` each
    second; `error` {error} when a failing disk stopped the broker.

    It is one honest node: it leads every partition, and nothing is copied to another machine.

    Args:
        config: A `BrokerConfig` or a mapping with its names; or give its fields by keyword.
    """

    def __init__(
        self, config: BrokerConfig | Mapping[str, Any] | None = None, **fields: Any
    ) -> None:
        super().__init__()
        if isinstance(config, BrokerConfig):
            self.config = config.replace(**fields) if fields else config
        else:
            self.config = BrokerConfig.from_dict({**(config or {}), **fields})
        self._thread: BrokerThread | None = None
        self._clients: asyncio.Task[_Clients] | None = None
        self._tasks = Tasks()
        self._changing = asyncio.Lock()

    # ---- life ----

    async def start(self) -> None:
        """Recover what is on the disk and listen; returns when clients can connect.

        Raises: Conflict("broker.running") "Broker already running"; Conflict("disk.locked") when
            another broker has the data directory, or the port is taken.
        """
        async with self._changing:
            if self._thread is not None:
                raise Conflict("broker.running")
            loop = asyncio.get_running_loop()

            def on_failed(error: SummitError) -> None:
                loop.call_soon_threadsafe(self._failed, error)

            thread = BrokerThread(self.config.broker_settings(), on_failed=on_failed)
            await asyncio.to_thread(thread.start)
            self._thread = thread
            self._clients = loop.create_task(self._dial(thread), name="message-broker.dial")
            self._tasks.spawn(self._tell_metrics(), "message-broker.metrics")
        self.emit("broker:started", Payload(broker_id=self.config.broker_id))

    async def stop(self) -> None:
        """Stop listening, make durable what was taken, end. Nothing happens if it is stopped."""
        async with self._changing:
            thread, dialling = self._thread, self._clients
            if thread is None:
                return
            self._thread = self._clients = None
            await self._tasks.cancel_all()
            if dialling is not None:
                await _hang_up(dialling)
            await asyncio.to_thread(thread.stop)
        self.emit("broker:stopped", Payload(broker_id=self.config.broker_id))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def address(self) -> str:
        """`host:port` to dial, with the real port. Raises Closed while it is stopped."""
        thread = self._require()
        return _address(thread)

    def get_broker_id(self) -> int:
        """The id that clients see."""
        return self.config.broker_id

    def is_leader_broker(self) -> bool:
        """Whether it runs: a lone broker leads every partition and is its own controller."""
        return self._thread is not None and self._thread.is_running

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
        partitions = await self.get_topic_partitions(topic)
        if not 0 <= partition < len(partitions):
            raise Invalid("partition.unknown", topic=topic, partition=partition)
        start, end = (await (await self._ready()).admin.offsets(topic))[partition]
        found = partitions[partition]
        return PartitionMetadata(
            partition=partition,
            leader=found.leader,
            replicas=found.replicas,
            isr=found.isr,
            high_water_mark=end,
            log_start_offset=start,
            log_end_offset=end,
        )

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
            records = await clients.fetcher.fetch(topic, partition, offset, max_messages)
        except Invalid as error:
            if error.code == "partition.unknown":
                await self.get_topic_metadata(topic)  # raises when it is the topic
            raise
        self.emit(
            "messages:consumed", Payload(topic=topic, partition=partition, count=len(records))
        )
        return records

    # ---- figures ----

    def get_metrics(self) -> StreamMetrics:
        """The figures of this moment; all 0 while the broker is stopped."""
        thread = self._thread
        if thread is None or not thread.is_running:
            return StreamMetrics()
        return stream_metrics(thread.metrics())

    async def _tell_metrics(self) -> None:
        while True:
            await asyncio.sleep(METRICS_INTERVAL_MS / 1000)
            thread = self._thread
            if thread is not None and thread.is_running and self.has_listeners("metrics:updated"):
                figures = await asyncio.to_thread(thread.metrics)
                self.emit("metrics:updated", stream_metrics(figures))

    # ---- small parts ----

    async def _dial(self, thread: BrokerThread) -> _Clients:
        """Connect to the broker of `thread`; begun at start, so that nobody waits for it later."""
        servers = [_address(thread)]
        name = f"message-broker-{self.config.broker_id}"
        admin = Admin(AdminConfig(client_id=name, bootstrap_servers=servers))
        producer = StreamProducer(
            ProducerConfig(client_id=name, bootstrap_servers=servers, linger_ms=0)
        )
        await producer.connect()
        await admin.connect()
        return _Clients(admin, producer, BatchFetcher(*_dialled(thread)))

    async def _ready(self) -> _Clients:
        self._require()
        assert self._clients is not None
        return await asyncio.shield(self._clients)

    def _require(self) -> BrokerThread:
        if self._thread is None:
            raise Closed("broker.not_running")
        return self._thread

    def _failed(self, error: SummitError) -> None:
        self.emit("error", Payload(error=error))


async def _hang_up(dialling: asyncio.Task[_Clients]) -> None:
    try:
        clients = await dialling
    except SummitError:
        return
    await clients.fetcher.close()
    await clients.producer.close()
    await clients.admin.close()


def _dialled(thread: BrokerThread) -> tuple[str, int]:
    """Where this process reaches the broker: a wildcard address cannot be dialled."""
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound
    return here.get(thread.host, thread.host), thread.port


def _address(thread: BrokerThread) -> str:
    host, port = _dialled(thread)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
