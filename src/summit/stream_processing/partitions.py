"""`PartitionManager`: the guide's partitions, as the broker or the cluster has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final

from summit.base.config import suggestion
from summit.base.errors import Invalid, Unavailable
from summit.base.rand import Rand
from summit.client import (
    AdminConfig,
    Partition,
    PartitionMetadata,
    ProducerConfig,
    StickyPartitions,
    TopicPartition,
    keyed_partition,
)
from summit.stream_processing.dialled import Dialled, partition_metadata

_MOVABLE: Final = "log_start_offset"
_FACTS: Final = ("leader", "replicas", "isr", "high_water_mark", "log_end_offset")
_WIRE: Final = {
    "logStartOffset": _MOVABLE,
    "highWaterMark": "high_water_mark",
    "logEndOffset": "log_end_offset",
}


class PartitionManager(Dialled):
    """Adds, describes and chooses partitions. Nothing is kept here: the cluster is asked each time.

    Args:
        brokers, config: As of every manager here.
        broker_id: Whose leadership `is_partition_leader` asks for when none is named; by default
            that of the broker of this process which `brokers` is.
        batch_bytes: After how many bytes records without a key go to another partition.
    """

    _role: ClassVar[str] = "partition manager"

    def __init__(
        self,
        brokers: Any = None,
        config: AdminConfig | Mapping[str, Any] | None = None,
        *,
        broker_id: int | None = None,
        batch_bytes: int = ProducerConfig().batch_size,
        rand: Rand | None = None,
    ) -> None:
        super().__init__(brokers, config)
        own = getattr(brokers, "broker_id", None)
        self.broker_id: int | None = own if broker_id is None else broker_id
        self._sticky = StickyPartitions(batch_bytes, rand or Rand())

    # ---- changes ----

    async def create_partitions(self, topic: str, partitions: int) -> list[Partition]:
        """Let a topic have this many partitions. Returns all of them.

        Raises: Invalid("topic.unknown"); Invalid when it would not be an increase.
        """
        await self._admin.create_partitions(topic, partitions)
        return await self.get_topic_partitions(topic)

    async def delete_partitions(
        self, topic: str, partitions: Iterable[int] | None = None
    ) -> list[Partition]:
        """Delete all partitions of a topic with their records, and so the topic. Returns them.

        Raises: Invalid("partition.not_removable") when only some are named; Invalid("topic.unknown"
            | "partition.unknown").
        """
        gone = await self.get_topic_partitions(topic)
        indexes = {partition.partition for partition in gone}
        named = indexes if partitions is None else set(partitions)
        for index in sorted(named - indexes):
            raise Invalid("partition.unknown", topic=topic, partition=index)
        if named != indexes:
            raise Invalid("partition.not_removable", topic=topic)
        await self._admin.delete_topic(topic)
        self._sticky.forget(topic)
        return gone

    async def update_partition_metadata(
        self, topic: str, partition: int, **changes: Any
    ) -> PartitionMetadata:
        """Ask anew what is true of a partition, after moving its start where that is asked for.

        Args:
            changes: `log_start_offset`: the records before it are deleted. Nothing else can be set.
        Raises: Invalid("partition.fact") for what only the cluster can change; Invalid for an
            offset beyond the end, and as `get_partition_metadata`.
        """
        wanted = {_WIRE.get(name, name): value for name, value in changes.items()}
        for name in wanted:
            if name in _FACTS:
                raise Invalid("partition.fact", field=name)
            if name != _MOVABLE:
                raise Invalid(
                    "config.unknown_key", key=name, where="PartitionMetadata",
                    hint=suggestion(name, (_MOVABLE, *_FACTS)), pointer=f"/{name}",
                )  # fmt: skip
        before = await self.get_partition_metadata(topic, partition)
        if _MOVABLE not in wanted:
            return before
        start = wanted[_MOVABLE]
        if not isinstance(start, int) or start < before.log_start_offset:
            reason = f"logStartOffset {start} is before {before.log_start_offset}"
            raise Invalid(
                "consumer.offset_out_of_range", topic=topic, partition=partition, reason=reason
            )
        await self._admin.delete_records(topic, {partition: start})
        return await self.get_partition_metadata(topic, partition)

    async def rebalance_partitions(
        self, topics: Iterable[str] | None = None
    ) -> list[TopicPartition]:
        """Let each partition be led by the first of its replicas, so that the work is spread as
        it was when the topics were made.

        Args:
            topics: Whose partitions; all topics by default.
        Returns: The partitions whose leader changed; none on a lone broker, which leads them all.
        Raises: Invalid("topic.unknown"); Unavailable when a first replica is not in sync.
        """
        wanted = None
        if topics is not None:
            wanted = [
                TopicPartition(topic, each.partition)
                for topic in topics
                for each in await self._admin.partitions(topic)
            ]
        if len(await self._admin.brokers()) < 2 or wanted == []:
            return []
        return await self._admin.elect_leaders(wanted)

    # ---- choosing ----

    async def select_partition(
        self, topic: str, key: str | bytes | None = None, *, size_bytes: int = 0
    ) -> int:
        """The partition that a record with this key goes to, as every Kafka client chooses it.

        Without a key: the same one for a batch's worth of records, then another one that has a
        leader.

        Args:
            size_bytes: Of the record, for records without a key.
        Raises: Invalid("topic.unknown"); Unavailable("partition.no_leader") without a key.
        """
        partitions = await self.get_topic_partitions(topic)
        if key is not None:
            plain = key.encode() if isinstance(key, str) else key
            return keyed_partition(plain, len(partitions))
        led = [each.partition for each in partitions if each.leader >= 0]
        if not led:
            raise Unavailable("partition.no_leader", topic=topic)
        return self._sticky.choose(topic, led, size_bytes)

    # ---- questions ----

    async def get_topic_partitions(self, topic: str) -> list[Partition]:
        """Who serves the partitions of a topic. Raises Invalid("topic.unknown")."""
        return await self._admin.partitions(topic)

    async def get_partition_info(self, topic: str, partition: int) -> Partition:
        """Who serves one partition. Raises Invalid("topic.unknown" | "partition.unknown")."""
        return await self._partition(topic, partition)

    async def get_partition_leader(self, topic: str, partition: int) -> int:
        """The id of the broker that leads a partition; -1 while none does."""
        return (await self._partition(topic, partition)).leader

    async def is_partition_leader(
        self, topic: str, partition: int, broker_id: int | None = None
    ) -> bool:
        """Whether a broker leads a partition. A lone broker leads every one.

        Raises: Invalid when no broker is named and none was at the making.
        """
        asked = self.broker_id if broker_id is None else broker_id
        if asked is None:
            raise Invalid("client.refused", reason="name the broker_id that is asked about")
        return await self.get_partition_leader(topic, partition) == asked

    async def get_partition_metadata(self, topic: str, partition: int) -> PartitionMetadata:
        """One partition with its offsets. Raises Invalid("topic.unknown" | "partition.unknown")."""
        return await partition_metadata(self._admin, topic, partition)
