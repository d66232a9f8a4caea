"""All groups of this broker: their timers, their place on the disk, and who waits for what.

The groups themselves are pure; this is where they meet the event loop and the log. Whatever a
group wants saved is staged into `__consumer_offsets` and told back to it when durable.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterable
from typing import Final, cast

from summit.base.clock import Clock
from summit.base.errors import SummitError
from summit.base.logs import get_logger
from summit.base.rand import Rand
from summit.broker.commit import CommitScheduler
from summit.broker.groups import stored
from summit.broker.groups.group import Group
from summit.broker.groups.member import JoinAsk, Reply, SyncAsk, SyncReply, join_error
from summit.broker.groups.offsets import Committed, OffsetTable, TopicPartition
from summit.broker.groups.states import GroupLimits, State
from summit.broker.topics import TopicTable
from summit.log.partition import PartitionLog
from summit.protocol import codes
from summit.records import Record, build_batch

Answer = Callable[[Reply], None]
METADATA_BYTES_MAX: Final = 4096  # of one commit's metadata text, as in Kafka

_log = get_logger(__name__)


class Coordinator:
    """Every consumer group. Loop thread only."""

    def __init__(
        self,
        *,
        limits: GroupLimits,
        clock: Clock,
        rand: Rand,
        loop: asyncio.AbstractEventLoop,
        commit: CommitScheduler,
        log: PartitionLog,
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._rand = rand
        self._loop = loop
        self._commit = commit
        self.log = log
        self._logs = (log,)
        self._groups: dict[str, Group] = {}
        self._emptied_ms: dict[str, int] = {}  # when a group lost its last member
        self._timers: dict[str, tuple[float, asyncio.TimerHandle]] = {}
        self.offsets = OffsetTable()

    # ---- membership ----

    def fresh_member_id(self, prefix: str) -> str:
        """An id that no member has had."""
        return f"{prefix}-{self._rand.bytes(16).hex()}"

    def join(self, group_id: str, ask: JoinAsk, answer: Answer) -> None:
        """Take a JoinGroup request."""
        group = self._groups.get(group_id)
        if not group_id:
            answer(join_error(codes.INVALID_GROUP_ID, ask.member_id))
        elif group is None and ask.member_id:
            answer(join_error(codes.UNKNOWN_MEMBER_ID, ask.member_id))
        else:
            if group is None:
                group = self._groups[group_id] = Group(group_id, self._limits)
            group.join(ask, answer, self._clock.monotonic_ms())
            self._settle(group)

    def sync(self, group_id: str, ask: SyncAsk, answer: Answer) -> None:
        """Take a SyncGroup request."""
        group = self._groups.get(group_id)
        if group is None:
            error = codes.UNKNOWN_MEMBER_ID if group_id else codes.INVALID_GROUP_ID
            answer(SyncReply(error=error))
            return
        group.sync(ask, answer, self._clock.monotonic_ms())
        self._settle(group)

    def heartbeat(
        self, group_id: str, member_id: str, instance_id: str | None, generation: int
    ) -> int:
        """Take a Heartbeat request; its error code."""
        group = self._groups.get(group_id)
        if group is None:
            return codes.UNKNOWN_MEMBER_ID if group_id else codes.INVALID_GROUP_ID
        # A timer that is armed too early finds nothing to do and arms itself anew.
        return group.heartbeat(member_id, instance_id, generation, self._clock.monotonic_ms())

    def leave(self, group_id: str, member_id: str, instance_id: str | None) -> int:
        """Take one member out; its error code."""
        group = self._groups.get(group_id)
        if group is None:
            return codes.UNKNOWN_MEMBER_ID if group_id else codes.INVALID_GROUP_ID
        error = group.leave(member_id, instance_id, self._clock.monotonic_ms())
        self._settle(group)
        return error

    def group(self, group_id: str) -> Group | None:
        """The group as it stands."""
        return self._groups.get(group_id)

    def exists(self, group_id: str) -> bool:
        """Whether there is such a group: one with members, commits, or a remembered generation."""
        return group_id in self._groups or bool(self.offsets.of_group(group_id))

    def group_ids(self) -> list[str]:
        """Every group that has members or committed offsets, or had members since the start."""
        return list(dict.fromkeys([*self._groups, *self.offsets.groups()]))

    # ---- offsets ----

    def check_commit(
        self, group_id: str, member_id: str, instance_id: str | None, generation: int
    ) -> int:
        """Whether this caller may commit for the group: the error code of all its partitions."""
        group = self._groups.get(group_id)
        if group is None:
            if generation >= 0 or member_id:
                return codes.ILLEGAL_GENERATION if group_id else codes.INVALID_GROUP_ID
            return codes.NONE
        return group.check_commit(member_id, instance_id, generation, self._clock.monotonic_ms())

    def commit_offsets(
        self,
        group_id: str,
        commits: list[tuple[TopicPartition, Committed]],
        done: Callable[[SummitError | None], None],
    ) -> None:
        """Make commits durable, then visible, then tell. Raises SummitError as `stage`."""
        self._stage(
            [(stored.offset_key(group_id, *where), _value(commit)) for where, commit in commits]
        )

        def durable(error: SummitError | None) -> None:
            if error is None:
                for where, committed in commits:
                    self.offsets.put(group_id, where, committed)
            done(error)

        self._commit.when_durable(durable, self._logs)

    def stage_offsets(self, commits: dict[str, dict[TopicPartition, Committed]]) -> None:
        """Queue the commits of a transaction, by group, in the open group. Raises as `stage`."""
        pairs: list[tuple[bytes, bytes | None]] = [
            (stored.offset_key(group_id, *where), _value(committed))
            for group_id, of_group in commits.items()
            for where, committed in of_group.items()
        ]
        if pairs:
            self._stage(pairs)

    def apply_offsets(self, commits: dict[str, dict[TopicPartition, Committed]]) -> None:
        """Make the commits of a transaction visible, now that its decision is durable."""
        for group_id, of_group in commits.items():
            for where, committed in of_group.items():
                self.offsets.put(group_id, where, committed)

    # ---- deleting ----

    def delete(self, group_id: str, done: Callable[[int], None]) -> None:
        """Delete a group that has no members, with its commits; `done` hears the error code.

        Raises: SummitError as `stage`.
        """
        group = self._groups.get(group_id)
        if not group_id:
            done(codes.INVALID_GROUP_ID)
        elif not self.exists(group_id):
            done(codes.GROUP_ID_NOT_FOUND)
        elif group is not None and group.state is not State.EMPTY:
            done(codes.NON_EMPTY_GROUP)
        else:
            if group is not None:
                self._write([(stored.group_key(group_id), None)], lambda error: None)
                group.kill()
                self._settle(group)
                del self._groups[group_id]
                self._emptied_ms.pop(group_id, None)
            self.delete_offsets(group_id, list(self.offsets.of_group(group_id)), done)

    def delete_offsets(
        self, group_id: str, where: list[TopicPartition], done: Callable[[int], None]
    ) -> None:
        """Drop a group's commits to some partitions, durably; `done` hears the error code.

        Raises: SummitError as `stage`.
        """

        def durable(error: SummitError | None) -> None:
            if error is None:
                for each in where:
                    self.offsets.remove(group_id, each)
            done(codes.NONE if error is None else codes.COORDINATOR_NOT_AVAILABLE)

        self._write([(stored.offset_key(group_id, *each), None) for each in where], durable)

    def _write(
        self, pairs: list[tuple[bytes, bytes | None]], done: Callable[[SummitError | None], None]
    ) -> None:
        if pairs:
            self._stage(pairs)
        self._commit.when_durable(done, self._logs)

    def check_member(self, group_id: str, member_id: str, generation: int) -> int:
        """Whether a member may ask in this generation's name."""
        group = self._groups.get(group_id)
        if group is None:
            return codes.UNKNOWN_MEMBER_ID
        return group.check_member(member_id, None, generation)

    def forget_topic(self, topic: str) -> None:
        """Drop every commit to a topic that was deleted."""
        self._forget(self.offsets.of_topic(topic))

    def expire(self, retention_ms: int) -> None:
        """Drop what groups committed that have had no member for the whole retention."""
        limit_ms = self._clock.now_ms() - retention_ms
        self._forget(
            [
                (group_id, where)
                for group_id, where in self.offsets.committed_before(limit_ms)
                if not self._has_members(group_id) and self._emptied_ms.get(group_id, 0) < limit_ms
            ]
        )
        for group_id, group in list(self._groups.items()):
            is_unused = group.state is State.EMPTY and not self.offsets.of_group(group_id)
            if is_unused and group.deadline_ms() is None:
                del self._groups[group_id]
                self._emptied_ms.pop(group_id, None)

    def _has_members(self, group_id: str) -> bool:
        group = self._groups.get(group_id)
        return group is not None and bool(group.members)

    def _forget(self, commits: list[tuple[str, TopicPartition]]) -> None:
        if not commits:
            return
        for group_id, where in commits:
            self.offsets.remove(group_id, where)
        try:
            self._stage([(stored.offset_key(group, *where), None) for group, where in commits])
        except SummitError as error:
            _log.warning("offsets.not_forgotten", error=str(error))
            return
        self._commit.when_durable(lambda error: None, self._logs)

    def describe(self, topics: TopicTable) -> dict[str, dict[str, object]]:
        """Every group's state, members and lag (records not yet committed, per partition)."""
        return {group_id: self._describe(group_id, topics) for group_id in self.group_ids()}

    def _describe(self, group_id: str, topics: TopicTable) -> dict[str, object]:
        group = self._groups.get(group_id)
        lag: dict[str, int] = {}
        for (name, index), committed in self.offsets.of_group(group_id).items():
            partition = topics.partition(name, index)
            if partition is not None:
                lag[f"{name}/{index}"] = max(0, partition.log.high_watermark - committed.offset)
        return {
            "state": State.EMPTY.value if group is None else group.state.value,
            "members": 0 if group is None else len(group.members),
            "lag": lag,
            "lag_records": sum(lag.values()),
        }

    # ---- the loop and the disk ----

    def _settle(self, group: Group) -> None:
        """Give out answers, write what is to be written, set the timer."""
        for ticket, reply in group.take_replies():
            cast(Answer, ticket)(reply)
        if group.take_save():
            self._save(group)
        if group.members:
            self._emptied_ms.pop(group.group_id, None)
        elif group.generation:
            self._emptied_ms.setdefault(group.group_id, self._clock.now_ms())
        self._arm(group)

    def _save(self, group: Group) -> None:
        generation = group.generation
        try:
            key = stored.group_key(group.group_id)
            self._stage([(key, stored.group_value(group, self._clock.now_ms()))])
        except SummitError as error:
            self._saved(group, generation, error)
            return
        self._commit.when_durable(functools.partial(self._saved, group, generation), self._logs)

    def _saved(self, group: Group, generation: int, error: SummitError | None) -> None:
        group.saved(generation, codes.NONE if error is None else codes.COORDINATOR_NOT_AVAILABLE)
        self._settle(group)

    def _arm(self, group: Group) -> None:
        deadline_ms = group.deadline_ms()
        armed = self._timers.get(group.group_id)
        if deadline_ms is None:
            if armed is not None:
                armed[1].cancel()
                del self._timers[group.group_id]
            return
        if armed is not None:
            if armed[0] <= deadline_ms:
                return
            armed[1].cancel()
        delay_s = max(0.0, deadline_ms - self._clock.monotonic_ms()) / 1000
        handle = self._loop.call_later(delay_s + 0.001, self._ring, group)
        self._timers[group.group_id] = (deadline_ms, handle)

    def _ring(self, group: Group) -> None:
        self._timers.pop(group.group_id, None)
        group.tick(self._clock.monotonic_ms())
        self._settle(group)
        if group.state is State.EMPTY and group.generation == 0 and group.deadline_ms() is None:
            self._groups.pop(group.group_id, None)  # nobody came back with the id it was given

    def _stage(self, pairs: list[tuple[bytes, bytes | None]]) -> None:
        now_ms = self._clock.now_ms()
        records = [
            Record(offset=i, timestamp=now_ms, key=key, value=value, headers=())
            for i, (key, value) in enumerate(pairs)
        ]
        self.log.stage(build_batch(records), now_ms)

    # ---- at start and end ----

    def replay(self, records: Iterable[Record]) -> None:
        """Bring groups and offsets back from the records of `__consumer_offsets`."""
        generations: dict[str, stored.GroupValue | None] = {}
        for record in records:
            key = None if record.key is None else stored.decode_key(record.key)
            if isinstance(key, stored.GroupKey):
                value = record.value
                generations[key.group_id] = (
                    None if value is None else stored.decode_group_value(value)
                )
            elif isinstance(key, stored.OffsetKey):
                self._replay_offset(key, record.value)
        for group_id, generation in generations.items():
            if generation is not None:
                group = Group(group_id, self._limits)
                stored.restore_group(group, generation, self._clock.monotonic_ms())
                self._groups[group_id] = group
                if not group.members:
                    self._emptied_ms[group_id] = generation.state_timestamp_ms
                self._arm(group)

    def _replay_offset(self, key: stored.OffsetKey, data: bytes | None) -> None:
        where = (key.topic, key.partition)
        value = None if data is None else stored.decode_offset_value(data)
        if value is None:
            self.offsets.remove(key.group_id, where)
        else:
            self.offsets.put(
                key.group_id,
                where,
                Committed(
                    value.offset, value.leader_epoch, value.metadata, value.commit_timestamp_ms
                ),
            )

    def close(self) -> None:
        """Stop all timers."""
        for _, handle in self._timers.values():
            handle.cancel()
        self._timers.clear()


def _value(committed: Committed) -> bytes:
    return stored.offset_value(
        stored.OffsetValue(
            offset=committed.offset,
            leader_epoch=committed.leader_epoch,
            metadata=committed.metadata,
            commit_timestamp_ms=committed.commit_ms,
        )
    )
