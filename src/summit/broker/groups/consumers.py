"""All consumer groups whose partitions the broker assigns: their timers, their place on the disk.

The groups themselves are pure; this is where they meet the event loop and the log. An answer leaves
when everything that the group has changed until then is durable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from summit.base.clock import Clock
from summit.base.errors import Invalid, SummitError
from summit.base.logs import get_logger
from summit.broker.groups import stored_consumer
from summit.broker.groups.alarms import Alarms
from summit.broker.groups.assignors import Sizes
from summit.broker.groups.consumer_group import ConsumerGroup, ConsumerLimits
from summit.broker.groups.group_log import GroupLog
from summit.broker.topics import TopicTable
from summit.protocol import codes

Settled = Callable[[int], None]
_PATTERNS_KEPT: Final = 1_000

_log = get_logger(__name__)


class Shapes:
    """The topics as groups see them."""

    def __init__(self, topics: TopicTable) -> None:
        self._topics = topics
        self._found: dict[str, frozenset[str]] = {}
        self._found_version = -1

    @property
    def version(self) -> int:
        return self._topics.version

    def sizes(self, names: frozenset[str]) -> Sizes:
        found = {}
        for name in names:
            topic = self._topics.named(name)
            if topic is not None:
                found[topic.topic_id] = len(topic.partitions)
        return found

    def matching(self, pattern: str) -> frozenset[str]:
        """Names that a pattern matches. Raises ValueError for what is no RE2 expression."""
        from summit.events.regexes import compile_regex  # costs memory, and few groups need it

        if self._found_version != self._topics.version or len(self._found) >= _PATTERNS_KEPT:
            self._found.clear()
            self._found_version = self._topics.version
        names = self._found.get(pattern)
        if names is None:
            try:
                matches = compile_regex(pattern).fullmatch
            except Invalid as error:
                raise ValueError(str(error)) from error
            names = frozenset(topic.name for topic in self._topics if matches(topic.name))
            self._found[pattern] = names
        return names


class ConsumerGroups:
    """Every such group. Loop thread only.

    Args:
        on_changed: Hears a group after each of its changes: whether it lives, or goes down to the
            classic protocol, is decided there.
    """

    def __init__(
        self,
        *,
        limits: ConsumerLimits,
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
        log: GroupLog,
        topics: TopicTable,
        on_changed: Callable[[ConsumerGroup], None],
    ) -> None:
        self.limits = limits
        self.shapes = Shapes(topics)
        self.groups: dict[str, ConsumerGroup] = {}
        self._clock = clock
        self._log = log
        self._alarms = Alarms(clock, loop)
        self._on_changed = on_changed
        self._unsettled: dict[str, int] = {}  # groups whose changes are on their way to the disk

    def make(self, group_id: str) -> ConsumerGroup:
        """A new, empty group."""
        group = ConsumerGroup(group_id, self.limits, self.shapes)
        self.groups[group_id] = group
        return group

    def settle(self, group: ConsumerGroup, done: Settled) -> None:
        """Write what the group changed; `done` hears NONE when all of it is durable, else a code.

        What cannot be written stays to be written: the next request tries again.
        """
        group_id = group.group_id
        dirty = group.take_dirty()
        if dirty:
            try:
                self._log.stage(stored_consumer.records_of(group, dirty))
            except SummitError as error:
                group.give_back(dirty)
                _log.warning("group.not_written", group=group_id, error=str(error))
                done(codes.COORDINATOR_NOT_AVAILABLE)
                self._after(group)
                return
        if not dirty and not self._unsettled.get(group_id):
            done(codes.NONE)
            if not self._alarms.is_armed(group_id):  # deadlines have only moved away
                self.arm(group)
            return
        self._unsettled[group_id] = self._unsettled.get(group_id, 0) + 1

        def durable(error: SummitError | None) -> None:
            left = self._unsettled.pop(group_id) - 1
            if left:
                self._unsettled[group_id] = left
            if error is not None:
                group.give_back(dirty)
            done(codes.NONE if error is None else codes.COORDINATOR_NOT_AVAILABLE)

        self._log.when_durable(durable)
        self._after(group)

    def _after(self, group: ConsumerGroup) -> None:
        self._on_changed(group)
        if self.groups.get(group.group_id) is group:
            self.arm(group)

    def drop(self, group: ConsumerGroup) -> None:
        """Forget a group, without a word on the disk."""
        self.groups.pop(group.group_id, None)
        self._alarms.arm(group.group_id, None, lambda: None)

    def arm(self, group: ConsumerGroup) -> None:
        """Set the group's timer."""
        self._alarms.arm(group.group_id, group.deadline_ms(), lambda: self._ring(group))

    def _ring(self, group: ConsumerGroup) -> None:
        if self.groups.get(group.group_id) is not group:
            return
        group.tick(self._clock.monotonic_ms())
        self.settle(group, lambda code: None)

    def restore(self, stored: dict[str, stored_consumer.StoredGroup]) -> None:
        """Bring the groups back that were stored."""
        for group_id, each in stored.items():
            if each.epoch is not None:
                group = self.make(group_id)
                each.restore(group, self._clock.monotonic_ms())
                self.arm(group)

    def close(self) -> None:
        """Stop all timers."""
        self._alarms.close()
