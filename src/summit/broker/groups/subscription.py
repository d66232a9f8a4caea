"""Which topics the members of a consumer group read, out of what they joined with.

A group's metadata is opaque to it; this is the one place that looks inside, and only because an
administrator's request must not take the commits of a topic from under its readers.
"""

from __future__ import annotations

import struct

from summit.broker.groups.group import Group

_COUNT = struct.Struct(">i")
_LENGTH = struct.Struct(">h")
_VERSION_BYTES = 2


def subscribed_topics(group: Group) -> frozenset[str] | None:
    """The topics of all members; None when one of them cannot be read, and so may read any."""
    topics: set[str] = set()
    for member in group.members.values():
        for _, metadata in member.protocols:
            try:
                topics.update(_topics_of(metadata))
            except (struct.error, UnicodeDecodeError):
                return None
    return frozenset(topics)


def _topics_of(metadata: bytes) -> list[str]:
    """The topics of one subscription of the consumer protocol, any version."""
    (count,) = _COUNT.unpack_from(metadata, _VERSION_BYTES)
    position = _VERSION_BYTES + _COUNT.size
    topics = []
    for _ in range(count):
        (size,) = _LENGTH.unpack_from(metadata, position)
        position += _LENGTH.size
        topics.append(metadata[position : position + size].decode())
        position += size
    return topics
