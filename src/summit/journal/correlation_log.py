"""The topic `correlations`: groups as correlation rules tell them. Pure.

A group is told when it has enough events and again when it is closed, under one id: the last word
counts, which is what compaction keeps. The record is an event of its own, of the type
`correlation`, so rules may read the topic by its name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from summit.alerts.identity import alert_id, source_coordinate
from summit.base.errors import Corrupt
from summit.cep.groups import Correlation, EntityTold, LinkTold, Place
from summit.documents.correlation import CorrelationPlan
from summit.keyed.captured import EventRef, Move

CORRELATED_TYPE: Final = "correlation"
_EVENTS_WHOLE: Final = 10  # the last ones; the contract shows as many
_EVIDENCE_MAX: Final = 1_000
MERGED: Final = "merged"


class CorrelatedEvent(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One event of a group.

    Attributes:
        event: Its value; of a long one what rules read. None for the earlier ones of many.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    event: Any = None


class SharedEntity(msgspec.Struct, frozen=True, rename="camel"):
    """Something that events of a linked group share.

    Attributes:
        type: As the rule calls it, such as `user`.
        count: Events of the group that bear it.
        hub: Whether so many things came with it that it brings in nothing more.
    """

    type: str
    value: Any
    count: int
    first_time: int
    last_time: int
    hub: bool


class EventPlace(msgspec.Struct, frozen=True, rename="camel"):
    """Where an event stands."""

    topic: str
    partition: int
    offset: int


class SharedLink(msgspec.Struct, frozen=True, rename={"source": "from", "target": "to"}):
    """Why an event is in a linked group: it shares a value with one that was there before."""

    type: str
    value: Any
    source: EventPlace
    target: EventPlace


class CorrelatedGroup(msgspec.Struct, frozen=True, rename="camel"):
    """A group as it was told.

    Attributes:
        id: The same each time the group is told, however often its events are read.
        timestamp: When its last event was taken, milliseconds since 1970 UTC.
        key: Values of the rule's correlation keys, in their order.
        count: Of all its events.
        close_reason: Why it is closed; None while it is open.
        final: Whether it is closed.
        events: Where its events stand: the first 1,000 and the last ten, those with their values.
        entities: Of a linked group, what its events share: the first 1,000 that came up.
        entity_count: Of all of them.
        links: Of a linked group, why each event is in it, in the order of the events; together
            they connect all of its events. The first 1,000.
        merged_into: The id of the group into which this one went, where `close_reason` is `merged`.
    """

    id: str
    event_type: str
    timestamp: int
    rule: str
    rule_name: str
    key: list[Any]
    count: int
    start_time: int
    end_time: int
    close_reason: str | None
    final: bool
    events: list[CorrelatedEvent]
    entities: list[SharedEntity] | UnsetType = UNSET
    entity_count: int | UnsetType = UNSET
    links: list[SharedLink] | UnsetType = UNSET
    merged_into: str | UnsetType = UNSET


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(CorrelatedGroup).decode


def correlation_record(
    plan: CorrelationPlan, found: Correlation, topic_id: Callable[[str], str]
) -> tuple[bytes, bytes]:
    """The record's key and value.

    Args:
        topic_id: Gives a topic's id, for the group's id.
    """

    def name_of(first: EventRef) -> str:
        place = source_coordinate(first.src, topic_id(first.topic), first.partition, first.offset)
        return alert_id("correlation", plan.id, plan.state_id, found.key, [("", place)])

    name = name_of(found.events[0])
    whole = max(0, len(found.events) - _EVENTS_WHOLE)
    events = [
        _event(event, whole=number >= whole)
        for number, event in enumerate(found.events)
        if number < _EVIDENCE_MAX or number >= whole
    ]
    group = CorrelatedGroup(
        name, CORRELATED_TYPE, found.end_ms, plan.id, plan.name, list(found.key), found.count,
        found.start_ms, found.end_ms, found.close_reason, found.close_reason is not None, events,
    )  # fmt: skip
    if plan.linking is not None:
        group = msgspec.structs.replace(
            group,
            entities=[_entity(one) for one in found.entities[:_EVIDENCE_MAX]],
            entity_count=len(found.entities),
            links=[_link(one) for one in found.links[:_EVIDENCE_MAX]],
            merged_into=UNSET if found.into is None else name_of(found.into),
        )
    return name.encode(), _encode(group)


def decode_group(value: bytes) -> CorrelatedGroup:
    """The group that a record tells. Raises: Corrupt("correlation.record")."""
    try:
        return _decode(value)
    except msgspec.MsgspecError as error:
        raise Corrupt("correlation.record", reason=str(error)) from error


def moved_group(value: bytes, move: Move) -> bytes:
    """The same record with its events at the places where another cluster has them.

    Raises: Corrupt("correlation.record").
    """
    group = decode_group(value)

    def offset(topic: str, partition: int, at: int) -> int:
        return move(topic, partition, at, None)[0]

    def place(at: EventPlace) -> EventPlace:
        return EventPlace(at.topic, at.partition, offset(at.topic, at.partition, at.offset))

    replace = msgspec.structs.replace
    events = [
        replace(each, offset=offset(each.topic, each.partition, each.offset))
        for each in group.events
    ]
    links = group.links
    if links is not UNSET:
        links = [
            replace(each, source=place(each.source), target=place(each.target)) for each in links
        ]
    return _encode(replace(group, events=events, links=links))


def _event(event: EventRef, *, whole: bool) -> CorrelatedEvent:
    value = None
    if whole:
        kept = event.value if event.value is not None else event.projection
        value = None if kept is None else msgspec.Raw(kept)
    return CorrelatedEvent(
        event.topic, event.partition, event.offset, event.timestamp_ms, value
    )  # fmt: skip


def _entity(one: EntityTold) -> SharedEntity:
    return SharedEntity(one.kind, one.value, one.borne, one.first_ms, one.last_ms, one.is_hub)


def _link(one: LinkTold) -> SharedLink:
    return SharedLink(one.kind, one.value, _place(one.source), _place(one.target))


def _place(place: Place) -> EventPlace:
    return EventPlace(*place)
