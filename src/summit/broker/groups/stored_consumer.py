"""What `__consumer_offsets` holds of consumer groups, in Kafka's own record format.

    key    int16 version, then group (3, 6) or group and member (5, 7, 8)
    value  int16 version 0, then
           3  the group's epoch              6  the epoch of the target assignment
           5  a member's subscription        7  a member's target      8  what a member has

A null value is a tombstone. Keys 4 and 16 (topics of a group, matches of its patterns) are not
written: they are worked out anew.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Iterable
from typing import Any, Final

from summit.base.errors import SummitError
from summit.broker.groups.assignment import NOWHERE, Places, from_wire, to_wire
from summit.broker.groups.consumer_group import ConsumerGroup, Dirty
from summit.broker.groups.consumer_member import ClassicPart, ConsumerMember, MemberState
from summit.protocol.compiler import compile_decoder, compile_encoder
from summit.protocol.consumer_group_heartbeat import HeartbeatTopicPartitions
from summit.protocol.message import ARRAY, BYTES, INT8, INT32, STRING, STRUCT, Message, field
from summit.protocol.primitives import Buffer

_VERSION: Final = struct.Struct(">h")
_VALUE_VERSION: Final = 0


class GroupPart(Message):
    """Key 3 and 6: which group."""

    group_id: str = field(STRING, "0+")


class MemberPart(Message):
    """Key 5, 7 and 8: which member."""

    group_id: str = field(STRING, "0+")
    member_id: str = field(STRING, "0+")


class Epoch(Message):
    """Value 3 and 6."""

    epoch: int = field(INT32, "0+")


class StoredProtocol(Message):
    """One protocol of a classic member."""

    name: str = field(STRING, "0+")
    metadata: bytes = field(BYTES, "0+")


class StoredClassic(Message):
    """What a classic member joined with."""

    session_timeout_ms: int = field(INT32, "0+")
    supported_protocols: list[StoredProtocol] = field(ARRAY(StoredProtocol), "0+")


class StoredSubscription(Message):
    """Value 5."""

    instance_id: str | None = field(STRING, "0+", nullable="0+")
    rack_id: str | None = field(STRING, "0+", nullable="0+")
    client_id: str = field(STRING, "0+")
    client_host: str = field(STRING, "0+")
    subscribed_topic_names: list[str] = field(ARRAY(STRING), "0+")
    subscribed_topic_regex: str | None = field(STRING, "0+", nullable="0+")
    rebalance_timeout_ms: int = field(INT32, "0+", default=-1)
    server_assignor: str | None = field(STRING, "0+", nullable="0+")
    classic_member_metadata: StoredClassic | None = field(
        STRUCT(StoredClassic), "0+", nullable="0+", tag=0, default=None
    )


class StoredTarget(Message):
    """Value 7."""

    topic_partitions: list[HeartbeatTopicPartitions] = field(ARRAY(HeartbeatTopicPartitions), "0+")


class StoredCurrent(Message):
    """Value 8."""

    member_epoch: int = field(INT32, "0+")
    previous_member_epoch: int = field(INT32, "0+")
    state: int = field(INT8, "0+")
    assigned_partitions: list[HeartbeatTopicPartitions] = field(
        ARRAY(HeartbeatTopicPartitions), "0+"
    )
    partitions_pending_revocation: list[HeartbeatTopicPartitions] = field(
        ARRAY(HeartbeatTopicPartitions), "0+"
    )


_KEYS: Final = {"group": 3, "member": 5, "targets": 6, "target": 7, "current": 8}
_VALUES: Final[dict[int, type[Message]]] = {
    3: Epoch, 5: StoredSubscription, 6: Epoch, 7: StoredTarget, 8: StoredCurrent,
}  # fmt: skip
_OF_GROUP: Final = (3, 6)

_encode_key = {
    table: compile_encoder(table, 0, flexible=False) for table in (GroupPart, MemberPart)
}
_decode_key = {
    table: compile_decoder(table, 0, flexible=False) for table in (GroupPart, MemberPart)
}
_encode_value = {table: compile_encoder(table, 0, flexible=True) for table in set(_VALUES.values())}
_decode_value = {table: compile_decoder(table, 0, flexible=True) for table in set(_VALUES.values())}


def records_of(group: ConsumerGroup, dirty: Iterable[Dirty]) -> list[tuple[bytes, bytes | None]]:
    """Keys and values that bring a group's stored state to what it is now."""
    return [
        (_key(group.group_id, *part), _encoded(_value(group, *part)))
        for part in dirty
    ]  # fmt: skip


def tombstones_of(group: ConsumerGroup) -> list[tuple[bytes, bytes | None]]:
    """Keys and nulls that end a group's stored state."""
    parts: list[Dirty] = [("group", ""), ("targets", "")]
    parts += [(what, name) for name in group.members for what in ("member", "target", "current")]
    return [(_key(group.group_id, *part), None) for part in parts]


def _key(group_id: str, what: str, member_id: str) -> bytes:
    version = _KEYS[what]
    parts: list[Buffer] = [_VERSION.pack(version)]
    if version in _OF_GROUP:
        _encode_key[GroupPart](GroupPart(group_id=group_id), parts.append)
    else:
        _encode_key[MemberPart](MemberPart(group_id=group_id, member_id=member_id), parts.append)
    return b"".join(parts)


def _encoded(message: Message | None) -> bytes | None:
    if message is None:
        return None
    parts: list[Buffer] = [_VERSION.pack(_VALUE_VERSION)]
    _encode_value[type(message)](message, parts.append)
    return b"".join(parts)


def _value(group: ConsumerGroup, what: str, member_id: str) -> Message | None:
    if what == "group":
        return Epoch(epoch=group.epoch)
    if what == "targets":
        return Epoch(epoch=group.assignment_epoch)
    member = group.members.get(member_id)
    if member is None:
        return None
    if what == "member":
        return _subscription(member)
    if what == "target":
        return StoredTarget(topic_partitions=to_wire(group.targets.get(member_id, NOWHERE)))
    return StoredCurrent(
        member_epoch=member.epoch,
        previous_member_epoch=member.previous_epoch,
        state=int(member.state),
        assigned_partitions=to_wire(member.assigned),
        partitions_pending_revocation=to_wire(member.revoking),
    )


def _subscription(member: ConsumerMember) -> StoredSubscription:
    classic = member.classic
    return StoredSubscription(
        instance_id=member.instance_id,
        rack_id=member.rack_id,
        client_id=member.client_id,
        client_host=member.client_host,
        subscribed_topic_names=member.names,
        subscribed_topic_regex=member.pattern,
        rebalance_timeout_ms=member.rebalance_timeout_ms,
        server_assignor=member.assignor,
        classic_member_metadata=None
        if classic is None
        else StoredClassic(
            session_timeout_ms=classic.session_timeout_ms,
            supported_protocols=[
                StoredProtocol(name=name, metadata=data) for name, data in classic.protocols
            ],
        ),
    )


# ---- reading ----


@dataclasses.dataclass(slots=True)
class StoredGroup:
    """What the records of one group say, the last of each key."""

    epoch: int | None = None
    assignment_epoch: int = 0
    subscriptions: dict[str, StoredSubscription] = dataclasses.field(default_factory=dict)
    targets: dict[str, Places] = dataclasses.field(default_factory=dict)
    currents: dict[str, StoredCurrent] = dataclasses.field(default_factory=dict)

    def restore(self, group: ConsumerGroup, now_ms: float) -> None:
        """Bring a new group to this; every session starts anew."""
        assert self.epoch is not None
        group.epoch, group.assignment_epoch = self.epoch, self.assignment_epoch
        members = [
            self._member(name, stored, now_ms, group.limits.session_timeout_ms)
            for name, stored in self.subscriptions.items()
        ]
        group.restore(members, self.targets)

    def _member(
        self, member_id: str, stored: StoredSubscription, now_ms: float, session_timeout_ms: int
    ) -> ConsumerMember:
        member = ConsumerMember(
            member_id=member_id,
            instance_id=stored.instance_id,
            rack_id=stored.rack_id,
            client_id=stored.client_id,
            client_host=stored.client_host,
            names=stored.subscribed_topic_names,
            pattern=stored.subscribed_topic_regex,
            rebalance_timeout_ms=stored.rebalance_timeout_ms,
            assignor=stored.server_assignor,
        )
        classic = stored.classic_member_metadata
        if classic is not None:
            session_timeout_ms = classic.session_timeout_ms
            member.classic = ClassicPart(
                session_timeout_ms=session_timeout_ms,
                protocols=[(each.name, each.metadata) for each in classic.supported_protocols],
            )
        member.deadline_ms = now_ms + session_timeout_ms
        current = self.currents.get(member_id)
        if current is not None:
            member.epoch = current.member_epoch
            member.previous_epoch = current.previous_member_epoch
            member.state = MemberState(current.state)
            member.assigned = from_wire(current.assigned_partitions)
            member.revoking = from_wire(current.partitions_pending_revocation)
            if member.state is MemberState.UNREVOKED and classic is None:
                member.act_by_ms = now_ms + member.rebalance_timeout_ms
        return member


def replay(groups: dict[str, StoredGroup], key: bytes, value: bytes | None) -> None:
    """Take one record of `__consumer_offsets` into account; those of other kinds are passed by."""
    version = _VERSION.unpack_from(key)[0] if len(key) >= _VERSION.size else -1
    table = _VALUES.get(version)
    if table is None:
        return
    try:
        part: Any = _decode_key[GroupPart if version in _OF_GROUP else MemberPart](
            memoryview(key), _VERSION.size
        )[0]
        message: Any = None
        if value is not None and _VERSION.unpack_from(value)[0] == _VALUE_VERSION:
            message = _decode_value[table](memoryview(value), _VERSION.size)[0]
    except SummitError:
        return  # of a version that is not known
    group = groups.setdefault(part.group_id, StoredGroup())
    if version == _KEYS["group"]:
        group.epoch = None if message is None else message.epoch
    elif version == _KEYS["targets"]:
        group.assignment_epoch = 0 if message is None else message.epoch
    else:
        _replay_member(group, version, part.member_id, message)


def _replay_member(group: StoredGroup, version: int, member_id: str, message: Any) -> None:
    tables: dict[int, dict[str, Any]] = {
        _KEYS["member"]: group.subscriptions,
        _KEYS["target"]: group.targets,
        _KEYS["current"]: group.currents,
    }
    table = tables[version]
    if message is None:
        table.pop(member_id, None)
    elif version == _KEYS["target"]:
        table[member_id] = from_wire(message.topic_partitions)
    else:
        table[member_id] = message
