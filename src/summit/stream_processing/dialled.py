"""What the managers of topics, partitions and replication have in common: whom they ask.

Each has an `Admin` of its own, so it works over anything that Kafka clients can dial: the embedded
broker of this process, another process, or an Apache Kafka cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from summit.base.errors import Conflict, Invalid
from summit.client import Admin, AdminConfig, Partition, PartitionMetadata


class Dialled:
    """Asks a broker or a cluster; one loop's, from `connect` to `close`. Also `async with`.

    Args:
        brokers: Whom to dial: one address or several, or brokers of this process (anything with an
            `address`); None = `bootstrapServers` of `config`.
        config: An `AdminConfig`, or a mapping with its names.
    """

    _role: ClassVar[str] = "manager"

    def __init__(
        self, brokers: Any = None, config: AdminConfig | Mapping[str, Any] | None = None
    ) -> None:
        if config is None:
            config = AdminConfig(client_id=f"summit-{self._role.replace(' ', '-')}")
        self.config = config if isinstance(config, AdminConfig) else AdminConfig.from_dict(config)
        self._brokers = brokers
        self._connected: Admin | None = None

    async def connect(self, brokers: Any = None) -> None:
        """Dial `brokers`, or those given before, and see that one answers.

        Raises: Unavailable("client.no_brokers"); Invalid for what is no address; Conflict when it
            is connected.
        """
        if self._connected is not None:
            raise Conflict("client.connected", what=self._role)
        admin = Admin(self.config)
        await admin.connect(self._brokers if brokers is None else brokers)
        self._connected = admin

    async def close(self) -> None:
        """Let go of the cluster. Idempotent."""
        admin, self._connected = self._connected, None
        if admin is not None:
            await admin.close()

    async def __aenter__(self) -> Self:
        if self._connected is None:
            await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def _admin(self) -> Admin:
        if self._connected is None:
            raise Invalid("client.not_connected", what=self._role)
        return self._connected

    async def _partition(self, topic: str, partition: int) -> Partition:
        return partition_of(await self._admin.partitions(topic), topic, partition)


def partition_of(partitions: list[Partition], topic: str, index: int) -> Partition:
    """One of a topic's partitions. Raises Invalid("partition.unknown")."""
    for found in partitions:
        if found.partition == index:
            return found
    raise Invalid("partition.unknown", topic=topic, partition=index)


async def partition_metadata(admin: Admin, topic: str, partition: int) -> PartitionMetadata:
    """One partition with its offsets.

    Raises: Invalid("topic.unknown" | "partition.unknown").
    """
    found = partition_of(await admin.partitions(topic), topic, partition)
    offsets = (await admin.offsets(topic)).get(partition)
    if offsets is None:  # made anew meanwhile
        raise Invalid("partition.unknown", topic=topic, partition=partition)
    start, end = offsets
    return PartitionMetadata(
        partition=partition,
        leader=found.leader,
        replicas=found.replicas,
        isr=found.isr,
        high_water_mark=end,
        log_start_offset=start,
        log_end_offset=end,
    )
