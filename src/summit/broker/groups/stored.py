"""What `__consumer_offsets` holds: keys and values in Kafka's own record format.

    key    int16 version, then  0-1: group, topic, partition     2: group
    value  int16 version, then  offset, leader epoch, metadata, commit time   (key 0-1)
                                protocol, generation, members …                (key 2)

A null value is a tombstone. We write value version 3 of both, which Kafka's tools print, and
read 0 to 3.
"""

from __future__ import annotations

import struct
from typing import Final, TypeVar

from summit.broker.groups.group import Group
from summit.broker.groups.member import JoinAsk, Member
from summit.protocol.compiler import Decoder, Encoder, compile_decoder, compile_encoder
from summit.protocol.message import ARRAY, BYTES, INT32, INT64, STRING, Message, field
from summit.protocol.primitives import Buffer

_VERSION: Final = struct.Struct(">h")
_OFFSET_KEY_VERSION: Final = 1
_GROUP_KEY_VERSION: Final = 2
_VALUE_VERSION: Final = 3


class OffsetKey(Message):
    """Whose offset, of what."""

    group_id: str = field(STRING, "0+")
    topic: str = field(STRING, "0+")
    partition: int = field(INT32, "0+")


class OffsetValue(Message):
    """A committed offset."""

    offset: int = field(INT64, "0+")
    leader_epoch: int = field(INT32, "3+", default=-1)
    metadata: str = field(STRING, "0+", default="")
    commit_timestamp_ms: int = field(INT64, "0+")
    expire_timestamp_ms: int = field(INT64, "1", default=-1)


class GroupKey(Message):
    """Which group."""

    group_id: str = field(STRING, "0+")


class StoredMember(Message):
    """One member of a stored generation."""

    member_id: str = field(STRING, "0+")
    instance_id: str | None = field(STRING, "3+", nullable="3+", default=None)
    client_id: str = field(STRING, "0+")
    client_host: str = field(STRING, "0+")
    rebalance_timeout_ms: int = field(INT32, "1+", default=60_000)
    session_timeout_ms: int = field(INT32, "0+")
    subscription: bytes = field(BYTES, "0+")
    assignment: bytes = field(BYTES, "0+")


class GroupValue(Message):
    """A generation of a group."""

    protocol_type: str = field(STRING, "0+")
    generation: int = field(INT32, "0+")
    protocol: str | None = field(STRING, "0+", nullable="0+")
    leader_id: str | None = field(STRING, "0+", nullable="0+")
    state_timestamp_ms: int = field(INT64, "2+", default=-1)
    members: list[StoredMember] = field(ARRAY(StoredMember), "0+")


M = TypeVar("M", bound=Message)
_encoders: dict[type[Message], Encoder[Message]] = {}
_decoders: dict[tuple[type[Message], int], Decoder[Message]] = {}


def _encode(version: int, message: Message) -> bytes:
    encoder = _encoders.get(type(message))
    if encoder is None:
        encoder = compile_encoder(type(message), version, flexible=False)
        _encoders[type(message)] = encoder
    parts: list[Buffer] = [_VERSION.pack(version)]
    encoder(message, parts.append)
    return b"".join(parts)


def _decode(table: type[M], version: int, data: bytes) -> M:
    decoder = _decoders.get((table, version))
    if decoder is None:
        decoder = compile_decoder(table, version, flexible=False)
        _decoders[table, version] = decoder
    message, _ = decoder(memoryview(data), _VERSION.size)
    assert isinstance(message, table)
    return message


def offset_key(group_id: str, topic: str, partition: int) -> bytes:
    """The key of one committed offset."""
    return _encode(
        _OFFSET_KEY_VERSION, OffsetKey(group_id=group_id, topic=topic, partition=partition)
    )


def offset_value(value: OffsetValue) -> bytes:
    """The value of one committed offset."""
    return _encode(_VALUE_VERSION, value)


def group_key(group_id: str) -> bytes:
    """The key of a group's generation."""
    return _encode(_GROUP_KEY_VERSION, GroupKey(group_id=group_id))


def group_value(group: Group, now_ms: int) -> bytes:
    """The value that brings a group back as it stands."""
    members = [
        StoredMember(
            member_id=member.member_id,
            instance_id=member.instance_id,
            client_id=member.client_id,
            client_host=member.client_host,
            rebalance_timeout_ms=member.rebalance_timeout_ms,
            session_timeout_ms=member.session_timeout_ms,
            subscription=member.metadata(group.protocol),
            assignment=member.assignment,
        )
        for member in group.members.values()
    ]
    value = GroupValue(
        protocol_type=group.protocol_type or "",
        generation=group.generation,
        protocol=group.protocol,
        leader_id=group.leader_id,
        state_timestamp_ms=now_ms,
        members=members,
    )
    return _encode(_VALUE_VERSION, value)


def restore_group(group: Group, value: GroupValue, now_ms: float) -> None:
    """Bring a new group to the generation that was stored; every session starts anew."""
    members = []
    for each in value.members:
        ask = JoinAsk(
            member_id=each.member_id,
            fresh_member_id=each.member_id,
            instance_id=each.instance_id,
            client_id=each.client_id,
            client_host=each.client_host,
            protocol_type=value.protocol_type,
            protocols=[(value.protocol or "", each.subscription)],
            session_timeout_ms=each.session_timeout_ms,
            rebalance_timeout_ms=each.rebalance_timeout_ms,
        )
        member = Member(ask, each.member_id, now_ms)
        member.assignment = each.assignment
        members.append(member)
    group.restore(
        generation=value.generation,
        protocol_type=value.protocol_type or None,
        protocol=value.protocol,
        leader_id=value.leader_id,
        members=members,
    )


def decode_key(key: bytes) -> OffsetKey | GroupKey | None:
    """The key of a record, or None for one that a newer version wrote."""
    if len(key) < _VERSION.size:
        return None
    version = _VERSION.unpack_from(key)[0]
    if version in (0, 1):
        return _decode(OffsetKey, version, key)
    if version == _GROUP_KEY_VERSION:
        return _decode(GroupKey, version, key)
    return None


def decode_offset_value(value: bytes) -> OffsetValue | None:
    """The committed offset, or None for a version that is not known."""
    version = _VERSION.unpack_from(value)[0]
    return _decode(OffsetValue, version, value) if 0 <= version <= _VALUE_VERSION else None


def decode_group_value(value: bytes) -> GroupValue | None:
    """The stored generation, or None for a version that is not known."""
    version = _VERSION.unpack_from(value)[0]
    return _decode(GroupValue, version, value) if 0 <= version <= _VALUE_VERSION else None
