"""OffsetFetch: key 9, versions 1-10.

Behaviour: the last durable commit of each partition; -1 without an error where there is none.
Null topics (v2+) mean everything the group has committed. With `require_stable` (v7+) an offset
that an open transaction is about to commit is UNSTABLE_OFFSET_COMMIT.
Versions: 1-7 one group · 8+ several · 10 topics by id.
"""

from __future__ import annotations

import uuid

from summit.broker.groups.offsets import Committed
from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.protocol import codes
from summit.protocol.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
)
from summit.protocol.primitives import ZERO_UUID

_NOTHING = Committed(-1, -1, "", -1)


def handle(state: BrokerState, request: Request, message: OffsetFetchRequest) -> None:
    """Answer with the commits that are asked for."""
    if request.version >= 8:
        everything = {each.group_id: each for each in message.groups if each.topics is None}
        groups = [
            _group(state, request.version, group, require_stable=message.require_stable)
            for group in message.groups
            if group.topics is not None or group is everything[group.group_id]  # once each
        ]
        request.reply(OffsetFetchResponse(groups=groups))
        return
    asked = (
        _everything(state, message.group_id)
        if message.topics is None
        else [(topic.name, topic.partition_indexes) for topic in message.topics]
    )
    topics = [
        OffsetFetchResponseTopic(
            name=name,
            partitions=[
                _single(state, message.group_id, name, index, require_stable=message.require_stable)
                for index in indexes
            ],
        )
        for name, indexes in asked
    ]
    request.reply(OffsetFetchResponse(topics=topics))


def _everything(state: BrokerState, group_id: str) -> list[tuple[str, list[int]]]:
    by_topic: dict[str, list[int]] = {}
    for topic, index in state.coordinator.offsets.of_group(group_id):
        by_topic.setdefault(topic, []).append(index)
    return list(by_topic.items())


def _find(state: BrokerState, group_id: str, topic: str, index: int) -> Committed:
    return state.coordinator.offsets.get(group_id, (topic, index)) or _NOTHING


def _single(
    state: BrokerState, group_id: str, topic: str, index: int, *, require_stable: bool
) -> OffsetFetchResponsePartition:
    found = _find(state, group_id, topic, index)
    error = codes.NONE
    if require_stable and state.transactions.is_unstable(group_id, (topic, index)):
        found, error = _NOTHING, codes.UNSTABLE_OFFSET_COMMIT
    return OffsetFetchResponsePartition(
        partition_index=index,
        committed_offset=found.offset,
        committed_leader_epoch=found.leader_epoch,
        metadata=found.metadata,
        error_code=error,
    )


def _group(
    state: BrokerState, version: int, wanted: OffsetFetchRequestGroup, *, require_stable: bool
) -> OffsetFetchResponseGroup:
    error = codes.NONE
    if wanted.member_id and wanted.member_epoch >= 0:
        error = state.coordinator.check_member(
            wanted.group_id, wanted.member_id, wanted.member_epoch
        )
    if error != codes.NONE:
        return OffsetFetchResponseGroup(group_id=wanted.group_id, topics=[], error_code=error)
    if wanted.topics is None:
        asked = [
            (name, _id_of(state, name), indexes)
            for name, indexes in _everything(state, wanted.group_id)
        ]
    elif version >= 10:
        asked = [
            (_name_of(state, topic.topic_id), topic.topic_id, topic.partition_indexes)
            for topic in wanted.topics
        ]
    else:
        asked = [(topic.name, ZERO_UUID, topic.partition_indexes) for topic in wanted.topics]
    return OffsetFetchResponseGroup(
        group_id=wanted.group_id,
        topics=[
            OffsetFetchResponseTopics(
                name=name,
                topic_id=topic_id,
                partitions=[
                    _unstable(index)
                    if require_stable
                    and state.transactions.is_unstable(wanted.group_id, (name, index))
                    else _plural(state, wanted.group_id, name, index, known=bool(name))
                    for index in indexes
                ],
            )
            for name, topic_id, indexes in asked
        ],
    )


def _plural(
    state: BrokerState, group_id: str, topic: str, index: int, *, known: bool
) -> OffsetFetchResponsePartitions:
    found = _find(state, group_id, topic, index)
    return OffsetFetchResponsePartitions(
        partition_index=index,
        committed_offset=found.offset,
        committed_leader_epoch=found.leader_epoch,
        metadata=found.metadata,
        error_code=codes.NONE if known else codes.UNKNOWN_TOPIC_ID,
    )


def _unstable(index: int) -> OffsetFetchResponsePartitions:
    return OffsetFetchResponsePartitions(
        partition_index=index,
        committed_offset=-1,
        committed_leader_epoch=-1,
        metadata="",
        error_code=codes.UNSTABLE_OFFSET_COMMIT,
    )


def _name_of(state: BrokerState, topic_id: uuid.UUID) -> str:
    topic = state.topics.with_id(topic_id)
    return "" if topic is None else topic.name


def _id_of(state: BrokerState, name: str) -> uuid.UUID:
    topic = state.topics.named(name)
    return ZERO_UUID if topic is None else topic.topic_id
