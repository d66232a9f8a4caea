"""Reading the partitions of the slots that are held, from given offsets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from summit.base.clock import Clock
from summit.client.admin import Admin
from summit.client.consumer import StreamConsumer
from summit.client.settings import AdminConfig, ConsumerConfig
from summit.client.types import ConsumerRecord, TopicPartition
from summit.streams.settings import StreamSettings

_REQUEST_MS = 5_000


class Reader:
    """Reads partitions; one loop's.

    Attributes:
        admin: Asks the cluster.
    """

    def __init__(self, settings: StreamSettings, clock: Clock) -> None:
        self._group = settings.app_id
        self._to_end = settings.start_from == "latest"
        self.admin = Admin(
            AdminConfig(
                client_id=settings.app_id,
                bootstrap_servers=settings.servers,
                request_timeout_ms=_REQUEST_MS,
            )
        )
        self._consumer = StreamConsumer(
            ConsumerConfig(
                client_id=settings.app_id,
                group_id=f"_{settings.app_id}.inputs",  # only a name: it never joins or commits
                bootstrap_servers=settings.servers,
                auto_offset_reset="earliest",
                enable_auto_commit=False,
                isolation_level="read_committed",
            ),
            clock=clock,
            tell_ends=True,
        )

    async def start(self) -> None:
        """Connect. Raises Unavailable where no broker answers."""
        await self.admin.connect()
        await self._consumer.connect()

    async def stop(self) -> None:
        """Disconnect. Idempotent."""
        await self._consumer.close()
        await self.admin.close()

    async def starts(
        self, fence: TopicPartition, outside: list[TopicPartition], own: list[TopicPartition]
    ) -> dict[TopicPartition, int]:
        """Where a slot goes on, once no transaction may move that.

        Args:
            fence: What every transaction names that concerns the slot.
            outside: Partitions of topics from outside: begun as the settings say in a slot that
                never ran, else at their first record.
            own: Partitions of topics of the app.
        Raises: Unavailable.
        """
        committed = await self.admin.stable_offsets(self._group, [fence, *outside, *own])
        bounds = await self.bounds([*outside, *own])
        to_end = self._to_end and fence not in committed
        starts = {}
        for place, (first, end) in bounds.items():
            at = committed.get(place)
            if at is None:
                starts[place] = end if to_end and place in outside else first
            else:  # beyond the end where the topic was deleted and made anew
                starts[place] = first if at > end else max(at, first)
        return starts

    async def bounds(
        self, places: Iterable[TopicPartition]
    ) -> dict[TopicPartition, tuple[int, int]]:
        """First kept and next offset of these partitions. Raises Unavailable; Invalid."""
        wanted = set(places)
        return {
            TopicPartition(topic, partition): found
            for topic in sorted({place.topic for place in wanted})
            for partition, found in (await self.admin.offsets(topic)).items()
            if TopicPartition(topic, partition) in wanted
        }

    async def assign(self, positions: Mapping[TopicPartition, int]) -> None:
        """Read exactly these partitions from these offsets on."""
        starts = {(place.topic, place.partition): at for place, at in positions.items()}
        await self._consumer.assign(starts)

    async def poll(self, count: int, timeout_ms: int) -> dict[TopicPartition, list[ConsumerRecord]]:
        """The next records, at most `count`, after at most `timeout_ms`; by partition."""
        found: dict[TopicPartition, list[ConsumerRecord]] = {}
        for record in await self._consumer.poll_batch(count, timeout_ms):
            found.setdefault(TopicPartition(record.topic, record.partition), []).append(record)
        return found

    def wake(self) -> None:
        """Let the running `poll` return soon."""
        self._consumer.wake()

    def read_to(self) -> dict[TopicPartition, int]:
        """Partitions read to an end, and that offset: every record before it was polled."""
        return {TopicPartition(*place): end for place, end in self._consumer.read_to().items()}
