"""All groups of this broker: their timers, their place on the disk, and who waits for what.

The groups themselves are pure; this is where they meet the event loop and the log. Whatever a
group wants saved is staged into `__consumer_offsets` and told back to it when durable. Groups whose
members assign among themselves are driven here, those that the broker assigns in `consumers`; a
group may become one of the other kind.
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
from summit.broker.groups import classic_members, migrating, stored, stored_consumer
from summit.broker.groups.alarms import Alarms
from summit.broker.groups.consumer_group import (
    FIRST_EPOCH,
    Beat,
    BeatReply,
    ConsumerGroup,
    ConsumerLimits,
)
from summit.broker.groups.consumer_member import JOINING
from summit.broker.groups.consumers import ConsumerGroups
from summit.broker.groups.group import Group
from summit.broker.groups.group_log import GroupLog, Pairs
from summit.broker.groups.member import JoinAsk, Reply, SyncAsk, SyncReply, join_error
from summit.broker.groups.offsets import Committed, OffsetTable, TopicPartition
from summit.broker.groups.states import GroupLimits, State
from summit.broker.topics import TopicTable
from summit.log.partition import PartitionLog
from summit.protocol import codes
from summit.records import Record

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
        topics: TopicTable,
        consumer_limits: ConsumerLimits,
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._rand = rand
        self.log = log
        self._log = GroupLog(clock, commit, log)
        self._topics = topics
        self._groups: dict[str, Group] = {}
        self._emptied_ms: dict[str, int] = {}  # when a group lost its last member
        self._alarms = Alarms(clock, loop)
        self.offsets = OffsetTable()
        self.consumers = ConsumerGroups(
            limits=consumer_limits,
            clock=clock,
            loop=loop,
            log=self._log,
            topics=topics,
            on_changed=self._consumers_changed,
        )

    # ---- membership ----

    def fresh_member_id(self, prefix: str) -> str:
        """An id that no member has had."""
        return f"{prefix}-{self._rand.bytes(16).hex()}"

    def join(self, group_id: str, ask: JoinAsk, answer: Answer) -> None:
        """Take a JoinGroup request."""
        newer = self._consumers_of(group_id)
        if newer is not None and newer.members:
            joined = classic_members.join(newer, self._topics, ask, self._clock.monotonic_ms())
            self.consumers.settle(
                newer, lambda code: answer(join_error(code, ask.member_id) if code else joined)
            )
            return
        group = self._groups.get(group_id)
        if not group_id:
            answer(join_error(codes.INVALID_GROUP_ID, ask.member_id))
        elif group is None and ask.member_id:
            answer(join_error(codes.UNKNOWN_MEMBER_ID, ask.member_id))
        else:
            if group is None:
                if newer is not None:
                    self._end_consumers(newer)
                group = self._groups[group_id] = Group(group_id, self._limits)
            group.join(ask, answer, self._clock.monotonic_ms())
            self._settle(group)

    def sync(self, group_id: str, ask: SyncAsk, answer: Answer) -> None:
        """Take a SyncGroup request."""
        newer = self._consumers_of(group_id)
        if newer is not None:
            synced = classic_members.sync(newer, self._topics, ask, self._clock.monotonic_ms())
            self.consumers.settle(
                newer, lambda code: answer(SyncReply(error=code) if code else synced)
            )
            self.consumers.arm(newer)
            return
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
        newer = self._consumers_of(group_id)
        if newer is not None:
            now_ms = self._clock.monotonic_ms()
            error = classic_members.heartbeat(newer, member_id, instance_id, generation, now_ms)
            if error == codes.REBALANCE_IN_PROGRESS:  # a deadline to join may have come
                self.consumers.arm(newer)
            return error
        group = self._groups.get(group_id)
        if group is None:
            return codes.UNKNOWN_MEMBER_ID if group_id else codes.INVALID_GROUP_ID
        # A timer that is armed too early finds nothing to do and arms itself anew.
        return group.heartbeat(member_id, instance_id, generation, self._clock.monotonic_ms())

    def leave(self, group_id: str, member_id: str, instance_id: str | None) -> int:
        """Take one member out; its error code."""
        newer = self._consumers_of(group_id)
        if newer is not None:
            error = newer.leave(member_id, instance_id)
            self.consumers.settle(newer, lambda code: None)
            return error
        group = self._groups.get(group_id)
        if group is None:
            return codes.UNKNOWN_MEMBER_ID if group_id else codes.INVALID_GROUP_ID
        error = group.leave(member_id, instance_id, self._clock.monotonic_ms())
        self._settle(group)
        return error

    def beat(self, group_id: str, beat: Beat, answer: Callable[[BeatReply], None]) -> None:
        """Take a ConsumerGroupHeartbeat request that does not leave."""
        now_ms = self._clock.monotonic_ms()
        group = self._consumers_of(group_id) or self._consumers_for(group_id, beat, now_ms)
        if group is None:
            answer(BeatReply(error=codes.GROUP_ID_NOT_FOUND))
            return
        reply = group.heartbeat(beat, now_ms)
        if reply.error and group.epoch == FIRST_EPOCH and not group.members:
            self.consumers.drop(group)  # made for nothing
        self.consumers.settle(group, lambda code: answer(BeatReply(error=code) if code else reply))

    def leave_consumers(
        self,
        group_id: str,
        member_id: str,
        instance_id: str | None,
        done: Callable[[int], None],
        *,
        for_a_while: bool,
    ) -> None:
        """Take a ConsumerGroupHeartbeat request that leaves; `done` hears the error code."""
        group = self._consumers_of(group_id)
        if group is None:
            done(codes.GROUP_ID_NOT_FOUND)
            return
        error = group.leave(member_id, instance_id, for_a_while=for_a_while)
        self.consumers.settle(group, lambda code: done(error or code))

    def group(self, group_id: str) -> Group | None:
        """The group as it stands, if its members assign among themselves."""
        return self._groups.get(group_id)

    def exists(self, group_id: str) -> bool:
        """Whether there is such a group: one with members, commits, or a remembered generation."""
        return (
            group_id in self._groups
            or group_id in self.consumers.groups
            or bool(self.offsets.of_group(group_id))
        )

    def group_ids(self) -> list[str]:
        """Every group that has members or committed offsets, or had members since the start."""
        return list(dict.fromkeys([*self._groups, *self.consumers.groups, *self.offsets.groups()]))

    # ---- groups that become one of the other kind ----

    def _consumers_of(self, group_id: str) -> ConsumerGroup | None:
        return self.consumers.groups.get(group_id)

    def _consumers_for(self, group_id: str, beat: Beat, now_ms: float) -> ConsumerGroup | None:
        """A new group for a member that joins: of the members that a classic one has, or empty."""
        if beat.epoch != JOINING:
            return None
        classic = self._groups.get(group_id)
        if classic is None:
            return self.consumers.make(group_id)
        if classic.members and not migrating.can_go_up(classic):
            return None
        try:
            self._log.stage([(stored.group_key(group_id), None)])
        except SummitError as error:
            _log.warning("group.not_written", group=group_id, error=str(error))
            return None
        group = self.consumers.make(group_id)
        if classic.members:
            migrating.go_up(classic, group, self._topics, now_ms)
        classic.kill(codes.REBALANCE_IN_PROGRESS)
        self._settle(classic)
        del self._groups[group_id]
        self._emptied_ms.pop(group_id, None)
        return group

    def _consumers_changed(self, group: ConsumerGroup) -> None:
        group_id = group.group_id
        if group.members:
            self._emptied_ms.pop(group_id, None)
        else:
            self._emptied_ms.setdefault(group_id, self._clock.now_ms())
        if not group.is_all_classic:
            return
        below = migrating.go_down(group, self._limits, self._topics, self._clock.monotonic_ms())
        value = stored.group_value(below, self._clock.now_ms())
        pairs = [*stored_consumer.tombstones_of(group), (stored.group_key(group_id), value)]
        try:
            self._log.stage(pairs)
        except SummitError as error:  # the next change tries again
            _log.warning("group.not_written", group=group_id, error=str(error))
            return
        self._log.when_durable(lambda error: None)
        self.consumers.drop(group)
        self._groups[group_id] = below
        below.begin_rebalance(self._clock.monotonic_ms())
        self._settle(below)

    def _end_consumers(self, group: ConsumerGroup) -> None:
        """Forget a group that has no members, on the disk too. Raises SummitError as `stage`."""
        self._log.write(stored_consumer.tombstones_of(group), lambda error: None)
        self.consumers.drop(group)
        self._emptied_ms.pop(group.group_id, None)

    # ---- offsets ----

    def check_commit(
        self,
        group_id: str,
        member_id: str,
        instance_id: str | None,
        generation: int,
        version: int | None = None,
    ) -> int:
        """Whether this caller may commit for the group: the error code of all its partitions.

        Args:
            version: Of an OffsetCommit request; None for a transaction's.
        """
        newer = self._consumers_of(group_id)
        if newer is not None:
            return newer.check_commit(member_id, generation, version)
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
        self._log.stage(
            [(stored.offset_key(group_id, *where), _value(commit)) for where, commit in commits]
        )

        def durable(error: SummitError | None) -> None:
            if error is None:
                for where, committed in commits:
                    self.offsets.put(group_id, where, committed)
            done(error)

        self._log.when_durable(durable)

    def stage_offsets(self, commits: dict[str, dict[TopicPartition, Committed]]) -> None:
        """Queue the commits of a transaction, by group, in the open group. Raises as `stage`."""
        pairs: Pairs = [
            (stored.offset_key(group_id, *where), _value(committed))
            for group_id, of_group in commits.items()
            for where, committed in of_group.items()
        ]
        if pairs:
            self._log.stage(pairs)

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
        newer = self._consumers_of(group_id)
        if not group_id:
            done(codes.INVALID_GROUP_ID)
        elif not self.exists(group_id):
            done(codes.GROUP_ID_NOT_FOUND)
        elif (group is not None and group.state is not State.EMPTY) or (newer and newer.members):
            done(codes.NON_EMPTY_GROUP)
        else:
            if newer is not None:
                self._end_consumers(newer)
            if group is not None:
                self._log.write([(stored.group_key(group_id), None)], lambda error: None)
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

        self._log.write([(stored.offset_key(group_id, *each), None) for each in where], durable)

    def check_member(self, group_id: str, member_id: str, generation: int) -> int:
        """Whether a member may ask in this generation's name."""
        newer = self._consumers_of(group_id)
        if newer is not None:
            return newer.check_epoch(member_id, generation)
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
        for group_id, newer in list(self.consumers.groups.items()):
            if not newer.members and not self.offsets.of_group(group_id):
                try:
                    self._end_consumers(newer)
                except SummitError as error:
                    _log.warning("group.not_written", group=group_id, error=str(error))

    def _has_members(self, group_id: str) -> bool:
        group = self._groups.get(group_id) or self._consumers_of(group_id)
        return group is not None and bool(group.members)

    def _forget(self, commits: list[tuple[str, TopicPartition]]) -> None:
        if not commits:
            return
        for group_id, where in commits:
            self.offsets.remove(group_id, where)
        try:
            self._log.stage([(stored.offset_key(group, *where), None) for group, where in commits])
        except SummitError as error:
            _log.warning("offsets.not_forgotten", error=str(error))
            return
        self._log.when_durable(lambda error: None)

    def describe(self, topics: TopicTable) -> dict[str, dict[str, object]]:
        """Every group's state, members and lag (records not yet committed, per partition)."""
        return {group_id: self._describe(group_id, topics) for group_id in self.group_ids()}

    def _describe(self, group_id: str, topics: TopicTable) -> dict[str, object]:
        group = self._groups.get(group_id) or self._consumers_of(group_id)
        lag: dict[str, int] = {}
        for (name, index), committed in self.offsets.of_group(group_id).items():
            partition = topics.partition(name, index)
            if partition is not None:
                lag[f"{name}/{index}"] = max(0, partition.log.high_watermark - committed.offset)
        return {
            "state": _state_of(group),
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
            self._log.stage([(key, stored.group_value(group, self._clock.now_ms()))])
        except SummitError as error:
            self._saved(group, generation, error)
            return
        self._log.when_durable(functools.partial(self._saved, group, generation))

    def _saved(self, group: Group, generation: int, error: SummitError | None) -> None:
        group.saved(generation, codes.NONE if error is None else codes.COORDINATOR_NOT_AVAILABLE)
        self._settle(group)

    def _arm(self, group: Group) -> None:
        ring = functools.partial(self._ring, group)
        self._alarms.arm(group.group_id, group.deadline_ms(), ring)

    def _ring(self, group: Group) -> None:
        group.tick(self._clock.monotonic_ms())
        self._settle(group)
        if group.state is State.EMPTY and group.generation == 0 and group.deadline_ms() is None:
            self._groups.pop(group.group_id, None)  # nobody came back with the id it was given

    # ---- at start and end ----

    def replay(self, records: Iterable[Record]) -> None:
        """Bring groups and offsets back from the records of `__consumer_offsets`."""
        generations: dict[str, stored.GroupValue | None] = {}
        consumers: dict[str, stored_consumer.StoredGroup] = {}
        for record in records:
            key = None if record.key is None else stored.decode_key(record.key)
            if isinstance(key, stored.GroupKey):
                value = record.value
                generations[key.group_id] = (
                    None if value is None else stored.decode_group_value(value)
                )
            elif isinstance(key, stored.OffsetKey):
                self._replay_offset(key, record.value)
            elif record.key is not None:
                stored_consumer.replay(consumers, record.key, record.value)
        for group_id, generation in generations.items():
            if generation is not None:
                group = Group(group_id, self._limits)
                stored.restore_group(group, generation, self._clock.monotonic_ms())
                self._groups[group_id] = group
                if not group.members:
                    self._emptied_ms[group_id] = generation.state_timestamp_ms
                self._arm(group)
        self.consumers.restore(consumers)
        for group_id, newer in self.consumers.groups.items():
            if not newer.members:
                self._emptied_ms[group_id] = self._clock.now_ms()

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
        self._alarms.close()
        self.consumers.close()


def _state_of(group: Group | ConsumerGroup | None) -> str:
    if group is None:
        return State.EMPTY.value
    return group.state.value if isinstance(group, Group) else group.state


def _value(committed: Committed) -> bytes:
    return stored.offset_value(
        stored.OffsetValue(
            offset=committed.offset,
            leader_epoch=committed.leader_epoch,
            metadata=committed.metadata,
            commit_timestamp_ms=committed.commit_ms,
        )
    )
