"""Partitions that a member holds or should hold: sets of (topic id, index), and their wire form."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from summit.protocol.consumer_group_heartbeat import HeartbeatTopicPartitions

Place = tuple[uuid.UUID, int]
Places = frozenset[Place]
NOWHERE: Places = frozenset()


def by_topic(places: Iterable[Place]) -> dict[uuid.UUID, list[int]]:
    """The indexes of each topic, in order."""
    topics: dict[uuid.UUID, list[int]] = {}
    for topic_id, index in sorted(places, key=in_order):
        topics.setdefault(topic_id, []).append(index)
    return topics


def in_order(place: Place) -> tuple[int, int]:
    """What places are sorted by."""
    return place[0].int, place[1]


def to_wire(places: Places) -> list[HeartbeatTopicPartitions]:
    """As heartbeats and stored records carry it."""
    return [
        HeartbeatTopicPartitions(topic_id=topic_id, partitions=indexes)
        for topic_id, indexes in by_topic(places).items()
    ]


def from_wire(topics: Iterable[HeartbeatTopicPartitions]) -> Places:
    """The set that a message carries."""
    return frozenset((topic.topic_id, index) for topic in topics for index in topic.partitions)
