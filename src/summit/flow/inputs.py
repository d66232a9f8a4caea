"""The worker's inputs: which partitions there are, and reading them from given offsets."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress

from summit.base.clock import Clock
from summit.base.errors import Conflict, Invalid, Unavailable
from summit.base.limits import INPUTS_REQUEST_MS
from summit.client.admin import Admin
from summit.client.column_reader import ColumnReader
from summit.client.settings import AdminConfig, ConsumerConfig
from summit.client.types import TopicPartition
from summit.flow.settings import WorkerSettings
from summit.journal.progress_record import Positions, partition_name, split_partition_name
from summit.keyed.chunks import Chunk
from summit.keyed.rule import is_user_topic


class Inputs:
    """All user topics of the cluster, and a reader of some of their partitions.

    Attributes:
        partitions: Number of partitions by user topic, as last looked at.
        topic_ids: Id by topic; the name where the cluster knows no ids.
    """

    def __init__(self, settings: WorkerSettings, clock: Clock) -> None:
        self._settings = settings
        self._admin = Admin(
            AdminConfig(
                client_id=settings.name,
                bootstrap_servers=settings.servers,
                request_timeout_ms=INPUTS_REQUEST_MS,
            )
        )
        self._reader = ColumnReader(
            ConsumerConfig(
                client_id=settings.name,
                group_id=f"_{settings.group_id}.inputs",  # only a name: it never joins or commits
                bootstrap_servers=settings.servers,
                auto_offset_reset="earliest",
                enable_auto_commit=False,
                isolation_level="read_committed",
            ),
            clock,
        )
        self.partitions: dict[str, int] = {}
        self.topic_ids: dict[str, str] = {}

    async def start(self) -> None:
        """Connect. Raises Unavailable where no broker answers."""
        await self._admin.connect()
        await self._reader.connect()

    async def stop(self) -> None:
        """Disconnect. Idempotent."""
        await self._reader.close()
        await self._admin.close()

    @property
    def admin(self) -> Admin:
        """The admin client of this worker."""
        return self._admin

    async def look(self) -> list[str]:
        """See which user topics there are now.

        Returns: Topics that were deleted and made anew since the last look.
        Raises: Unavailable.
        """
        names = [name for name in await self._admin.list_topics() if is_user_topic(name)]
        topics = await self._admin.describe_topics(names)
        ids = {topic.name: topic.topic_id or topic.name for topic in topics}
        anew = [name for name, was in self.topic_ids.items() if ids.get(name, was) != was]
        self.topic_ids.update(ids)
        self.partitions = {topic.name: len(topic.partitions) for topic in topics}
        return anew

    def names(self, topic: str) -> list[str]:
        """The partitions of a topic as `topic/partition`."""
        return [partition_name(topic, n) for n in range(self.partitions.get(topic, 0))]

    def topic_id(self, topic: str) -> str:
        """The id of a topic."""
        return self.topic_ids.get(topic, topic)

    async def bounds(self, topics: set[str]) -> dict[str, tuple[int, int]]:
        """First kept and next readable offset of every partition of these topics.

        Raises: Invalid("topic.unknown") for one that was deleted meanwhile; Unavailable.
        """
        return {
            partition_name(topic, partition): found
            for topic in sorted(topics)
            for partition, found in (await self._admin.offsets(topic)).items()
        }

    async def ends(self, positions: Positions, *, insist: bool = False) -> Positions:
        """Where these partitions end now; those of deleted topics are left out.

        Args:
            insist: Raise Unavailable where no broker answers; else those are left out too.
        """
        ends: Positions = {}
        for topic in sorted({split_partition_name(name)[0] for name in positions}):
            try:
                bounds = await self.bounds({topic})
            except Invalid:
                continue  # deleted meanwhile; the next look notices
            except Unavailable:
                if insist:
                    raise
                continue
            ends.update({name: end for name, (_, end) in bounds.items()})
        return ends

    async def begin_at_end(self) -> None:
        """Let the group begin behind the records of now, if it is to and has read nothing yet.

        Said for all topics before anybody joins, so that it holds for workers that start at once.

        Raises: Unavailable; Invalid("topic.unknown").
        """
        group = self._settings.group_id
        if self._settings.start_from != "latest" or await self._admin.group_offsets(group):
            return
        bounds = await self.bounds(set(self.partitions))
        ends = {
            TopicPartition(*split_partition_name(name)): end for name, (_, end) in bounds.items()
        }
        with suppress(Conflict):  # one that started at once was sooner, and has joined
            await self._admin.set_group_offsets(group, ends)

    async def starts(
        self, names: list[str], *, at_end: bool, anew: Collection[str] = ()
    ) -> Positions:
        """Where the group goes on in these partitions, once no transaction may move that.

        Args:
            at_end: Begin behind the last record, wherever the group has left it.
            anew: Topics that were made anew: what is committed for them does not count.
        Raises: Unavailable; Invalid("topic.unknown").
        """
        places = {TopicPartition(*split_partition_name(name)): name for name in names}
        bounds = await self.bounds({place.topic for place in places})
        group = self._settings.group_id
        committed = await self._admin.stable_offsets(group, places)
        starts: Positions = {}
        for place, name in places.items():
            if name not in bounds:
                continue  # deleted between two questions
            first, end = bounds[name]
            at = None if at_end or place.topic in anew else committed.get(place)
            if at is None:
                starts[name] = end if at_end else first
            elif at > end:  # the topic was deleted and made anew meanwhile
                starts[name] = first
            else:
                starts[name] = max(at, first)
        return starts

    async def assign(self, positions: Mapping[str, int]) -> None:
        """Read exactly these partitions from these offsets on."""
        await self._reader.assign(
            {TopicPartition(*split_partition_name(name)): at for name, at in positions.items()}
        )

    async def poll(self, count: int, timeout_ms: int) -> list[Chunk]:
        """The next records, at most `count`, after at most `timeout_ms`."""
        return [
            Chunk(c.topic, c.partition, c.offsets, c.timestamps, c.values, c.headers, c.keys)
            for c in await self._reader.poll(count, timeout_ms)
        ]

    async def pause(self, names: Collection[str]) -> None:
        """Bring no records of these partitions until `resume`."""
        await self._reader.pause([TopicPartition(*split_partition_name(n)) for n in names])

    async def resume(self, names: Collection[str]) -> None:
        """Bring records of these partitions again."""
        await self._reader.resume([TopicPartition(*split_partition_name(n)) for n in names])

    def wake(self) -> None:
        """Let the running `poll` return soon."""
        self._reader.wake()

    def read_to(self) -> Positions:
        """Partitions read to an end, and that offset: every record before it was polled."""
        return {partition_name(*place): end for place, end in self._reader.read_to().items()}
