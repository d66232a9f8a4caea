"""Which part of the log is meant: topics and a range of time, as offsets of each partition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from summit.base.errors import Invalid
from summit.client.admin import Admin
from summit.client.types import TopicPartition
from summit.journal.inputs import TopicFilter
from summit.keyed.rule import is_user_topic

Spans = dict[TopicPartition, tuple[int, int]]
_ALL: Final = TopicFilter(["*"])


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the log.

    Attributes:
        topics: Names and globs; none = every topic with events of users.
        since_ms: Begin at the first record of this time or later; None = at the first kept.
        until_ms: End before the first record of this time or later; None = at the end of now.
    """

    topics: Sequence[str] = ()
    since_ms: int | None = None
    until_ms: int | None = None


class Found(NamedTuple):
    """First offset and offset behind the last of each partition; ids of topics by name."""

    spans: Spans
    topic_ids: dict[str, str]


async def find_spans(admin: Admin, wanted: Range, only: TopicFilter = _ALL) -> Found:
    """The offsets of a range, of what readers of committed records can reach.

    Args:
        only: Others are not asked for.
    Raises: Invalid("topic.unknown"); Unavailable.
    """
    chosen = TopicFilter(wanted.topics) if wanted.topics else _ALL
    known = [name for name in await admin.list_topics() if is_user_topic(name)]
    topics = await admin.describe_topics(
        [name for name in known if chosen.reads(name) and only.reads(name)]
    )
    for name in wanted.topics:
        if not set(name) & set("*?[") and name not in known:
            raise Invalid("topic.unknown", topic=name)
    spans: Spans = {}
    for topic in topics:
        bounds = await admin.offsets(topic.name, committed=True)
        firsts = await _by_time(admin, topic.name, wanted.since_ms)
        stops = await _by_time(admin, topic.name, wanted.until_ms)
        for partition, (first, end) in bounds.items():
            begin = first if wanted.since_ms is None else firsts.get(partition, end)
            stop = min(end, stops.get(partition, end))
            spans[TopicPartition(topic.name, partition)] = (max(first, begin), stop)
    return Found(
        {place: (first, max(first, stop)) for place, (first, stop) in sorted(spans.items())},
        {topic.name: topic.topic_id or topic.name for topic in topics},
    )


async def _by_time(admin: Admin, topic: str, time_ms: int | None) -> dict[int, int]:
    if time_ms is None:
        return {}
    found = await admin.offsets_for_time(topic, time_ms)
    return {partition: at for partition, at in found.items() if at is not None}
