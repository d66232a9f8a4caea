"""`Migration`: the whole move, step by step; each step may be done again.

Topics are made, records copied and compared, topics settled, what groups have
committed translated. A second run takes over what has come since.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, Self

import msgspec

from summit.base.clock import Clock, SystemClock
from summit.client import (
    AdminConfig,
    ClusterAdmin,
    LogReader,
    ProducerConfig,
    StreamProducer,
    TopicPartition,
)
from summit.journal.topics import (
    ALERTS_TOPIC,
    CORRELATIONS_TOPIC,
)
from summit.migration.copying import PartitionCopy
from summit.migration.ledger import Checkpoint, Ledger
from summit.migration.plan import NAMING_PLACES, MigrationPlan, TopicMove, make_plan
from summit.migration.records import (
    Change,
    as_it_is,
    with_evidence,
    with_groups,
    with_places,
    with_source,
)
from summit.migration.topics import ready_for_copy, settle
from summit.migration.verifying import verify

_RETRIES: Final = 1_000_000
_DELIVERY_MS: Final = 600_000  # a broker that is away so long ends the move, which may be resumed
_BATCH_BYTES: Final = 262_144
_REQUEST_BYTES: Final = 500_000_000  # the largest record that is taken; topics have their own limit
_LARGEST: Final = "max.message.bytes"


class Progress(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How far a move is: `step` is copy or verify."""

    step: str
    topic: str
    done: int
    total: int


class MigrationReport(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was moved by one run.

    Attributes:
        records: Of all topics, those of earlier runs included.
        copied, verified: In this run.
        checksums: By `topic/partition`: that of the records, the same on both sides.
        groups: Groups whose offsets were set.
    """

    source: str
    target: str
    topics: int
    records: int
    copied: int
    verified: int
    checksums: dict[str, str]
    groups: list[str]
    warnings: list[str]


class Migration:
    """One move from a source to a target; one loop's. Use it as `async with`.

    Args:
        source, target: Addresses of brokers.
        topics: Only these; all but those of the brokers without.
        on_progress: Called now and then while records are read.
    """

    def __init__(
        self,
        source: Sequence[str],
        target: Sequence[str],
        *,
        topics: Collection[str] = (),
        on_progress: Callable[[Progress], None] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._servers = (list(source), list(target))
        self._names = list(topics)
        self._on_progress = on_progress
        self._clock = clock or SystemClock()
        ends = [
            AdminConfig(client_id="summit-migrate", bootstrap_servers=list(servers))
            for servers in self._servers
        ]
        self._source, self._target = (ClusterAdmin(config) for config in ends)
        self._reader = LogReader(ends[0], committed=True)
        self._checker = LogReader(ends[1])
        self._producer = StreamProducer(
            ProducerConfig(
                client_id="summit-migrate", bootstrap_servers=list(target), retries=_RETRIES,
                delivery_timeout_ms=_DELIVERY_MS, batch_size=_BATCH_BYTES, linger_ms=5,
                compression_type="lz4", max_request_size=_REQUEST_BYTES,
            )
        )  # fmt: skip
        self._ledger = Ledger(self._producer)

    async def __aenter__(self) -> Self:
        try:
            for client in self._clients():
                await client.connect()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in reversed(self._clients()):
            await client.close()

    async def plan(self) -> MigrationPlan:
        """What a run would move; nothing is changed."""
        return await make_plan(self._source, self._target, self._names)

    async def run(self) -> MigrationReport:
        """Move everything that is not moved yet.

        Raises: Conflict("migrate.topic_exists" | "migrate.target_changed" |
            "migrate.other_source"); Corrupt("migrate.mismatch"); Unavailable: run it again then.
        """
        plan = await self.plan()
        await self._ledger.open(self._target, self._checker)
        warnings = list(plan.warnings)
        copied = verified = done = 0
        for move in plan.topics:
            warnings += await self._prepare(plan, move)
            copied += await self._copy(plan, move, done)
            done += move.records
        done = 0
        for move in plan.topics:
            verified += await self._verify(plan, move, done)
            warnings += await settle(self._target, move)
            done += move.records
        groups = await self._move_groups(plan)
        mine = [
            state
            for state in self._ledger.checkpoints.values()
            if state.topic in {move.name for move in plan.topics}
        ]
        return MigrationReport(
            source=plan.source,
            target=plan.target,
            topics=len(plan.topics),
            records=sum(state.count for state in mine),
            copied=copied,
            verified=verified,
            checksums={f"{s.topic}/{s.partition}": s.digest for s in mine},
            groups=groups,
            warnings=warnings,
        )

    # ---- steps ----

    async def _prepare(self, plan: MigrationPlan, move: TopicMove) -> list[str]:
        """Make the topic, and note that it is this migration's, should it be killed at once."""
        configs = await self._source.topic_configs(move.name)
        largest = int(configs[_LARGEST].value or 0)
        target_id, warnings = await ready_for_copy(
            self._target, move, largest, self._ledger.has_begun
        )
        for partition in range(move.partitions):
            fresh = Checkpoint(
                source=plan.source, topic=move.name, partition=partition,
                topic_id=move.topic_id, target_id=target_id,
            )  # fmt: skip
            if self._ledger.begin(fresh) is fresh:
                await self._ledger.write(fresh)
        return warnings

    async def _copy(self, plan: MigrationPlan, move: TopicMove, before: int) -> int:
        change = self._change(plan, move)
        copied = 0
        seen = before

        def told(records: int) -> None:
            nonlocal seen
            seen += records
            self._tell("copy", move.name, seen, plan.records)

        copy = PartitionCopy(self._ledger, self._reader, self._producer, change, told)
        sources = await self._source.offsets(move.name, committed=True)
        targets = await self._target.offsets(move.name)
        for partition, (first, stop) in sources.items():
            state = self._ledger.checkpoints.get(TopicPartition(move.name, partition))
            if state is None:  # the source has just grown; the next run takes it
                continue
            copied += await copy.run(state, first, stop, targets[partition][1])
        return copied

    async def _verify(self, plan: MigrationPlan, move: TopicMove, before: int) -> int:
        compared = 0
        for partition in range(move.partitions):
            state = self._ledger.checkpoints[TopicPartition(move.name, partition)]
            fresh = await verify(state, self._checker)
            if fresh:
                await self._ledger.write(state)
            compared += fresh
            self._tell("verify", move.name, before + compared, plan.records)
        return compared

    async def _move_groups(self, plan: MigrationPlan) -> list[str]:
        """Set what groups have committed; never behind what they have read at the target."""
        moved = []
        for group in plan.groups:
            there = await self._target.group_offsets(group.group)
            wanted = {
                where: commit._replace(offset=self._ledger.maps[where].translate(commit.offset))
                for where, commit in group.commits.items()
            }
            fresh = {
                where: commit
                for where, commit in wanted.items()
                if commit.offset > there.get(where, -1)
            }
            if fresh:
                await self._target.set_group_offsets(group.group, fresh)
                moved.append(group.group)
        return moved

    # ---- small parts ----

    def _change(self, plan: MigrationPlan, move: TopicMove) -> Change:
        ids = {topic.name: topic.topic_id for topic in plan.topics}
        if move.name == ALERTS_TOPIC:
            return with_evidence(self._ledger.maps, ids)
        if move.name == CORRELATIONS_TOPIC:
            return with_groups(self._ledger.maps, ids, move.topic_id)
        if move.name in NAMING_PLACES:
            return with_places(self._ledger.maps, ids, move.name)
        if move.name.startswith("_summit."):
            return as_it_is
        return with_source(move.topic_id)

    def _tell(self, step: str, topic: str, done: int, total: int) -> None:
        if self._on_progress is not None:
            self._on_progress(Progress(step=step, topic=topic, done=min(done, total), total=total))

    def _clients(self) -> list[Any]:
        return [self._source, self._target, self._reader, self._checker, self._producer]
