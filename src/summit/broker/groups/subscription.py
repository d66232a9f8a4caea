"""What consumers say to one another through a classic group: subscriptions and assignments.

A classic group does not look inside; this is the one place that does: so that an administrator's
request does not take the commits of a topic from under its readers, and so that members of both
protocols can be in one group.

Source: Kafka's ConsumerProtocolSubscription and ConsumerProtocolAssignment, versions 0-3.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final

from summit.base.errors import SummitError
from summit.broker.groups.group import Group
from summit.protocol.compiler import compile_decoder, compile_encoder
from summit.protocol.message import ARRAY, BYTES, INT32, STRING, Message, field
from summit.protocol.primitives import Buffer

PROTOCOL_TYPE: Final = "consumer"
_VERSION: Final = struct.Struct(">h")
_VERSION_MAX: Final = 3


class NamedPartitions(Message):
    """Some partitions of a topic."""

    topic: str = field(STRING, "0+")
    partitions: list[int] = field(ARRAY(INT32), "0+")


class Subscription(Message):
    """What a member reads and, from version 1, what it has."""

    topics: list[str] = field(ARRAY(STRING), "0+")
    user_data: bytes | None = field(BYTES, "0+", nullable="0+", default=None)
    owned_partitions: list[NamedPartitions] = field(
        ARRAY(NamedPartitions), "1+", default_factory=list
    )
    generation_id: int = field(INT32, "2+", default=-1)
    rack_id: str | None = field(STRING, "3+", nullable="3+", default=None)


class Assignment(Message):
    """What a member is to read."""

    assigned_partitions: list[NamedPartitions] = field(ARRAY(NamedPartitions), "0+")
    user_data: bytes | None = field(BYTES, "0+", nullable="0+", default=None)


_SUBSCRIPTIONS: Final = [
    compile_decoder(Subscription, version, flexible=False) for version in range(_VERSION_MAX + 1)
]
_read_assignment = compile_decoder(Assignment, 0, flexible=False)
_write_assignment = compile_encoder(Assignment, 0, flexible=False)


def decode_subscription(data: bytes) -> Subscription | None:
    """A subscription of any version; None where it is none."""
    version = version_of(data)
    if version < 0:
        return None
    try:
        found, _ = _SUBSCRIPTIONS[min(version, _VERSION_MAX)](memoryview(data), _VERSION.size)
    except (SummitError, UnicodeDecodeError):
        return None
    return found


def decode_assignment(data: bytes) -> list[NamedPartitions]:
    """What an assignment gives; nothing where it is none."""
    try:
        found, _ = _read_assignment(memoryview(data), _VERSION.size)
    except (SummitError, UnicodeDecodeError):
        return []
    return found.assigned_partitions


def encode_assignment(partitions: Iterable[NamedPartitions], version: int) -> bytes:
    """An assignment in the version that a member subscribed in."""
    parts: list[Buffer] = [_VERSION.pack(max(0, min(version, _VERSION_MAX)))]
    _write_assignment(Assignment(assigned_partitions=list(partitions)), parts.append)
    return b"".join(parts)


def version_of(data: bytes) -> int:
    """The version that a subscription begins with; -1 where there is none."""
    return int(_VERSION.unpack_from(data)[0]) if len(data) >= _VERSION.size else -1


def subscribed_topics(group: Group) -> frozenset[str] | None:
    """The topics of all members; None when one of them cannot be read, and so may read any."""
    topics: set[str] = set()
    for member in group.members.values():
        for _, metadata in member.protocols:
            found = decode_subscription(metadata)
            if found is None:
                return None
            topics.update(found.topics)
    return frozenset(topics)
