"""Records on their way: what is added to them, what is translated in them, and their checksum.

Nothing else changes: key, value, time, headers and their order stay as they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from struct import Struct
from typing import Final, NamedTuple

import msgspec

from summit.alerts import decode_alert, encode_alert, log_coordinate
from summit.base.errors import Corrupt, Invalid
from summit.client import ConsumerRecord, TopicPartition
from summit.journal.activation_log import moved_activation
from summit.journal.backfill_log import moved_backfill
from summit.journal.correlation_log import moved_group
from summit.journal.enrichment_log import moved_recorded
from summit.journal.exchange_log import moved_frame
from summit.journal.progress_record import partition_name
from summit.journal.state_log import moved_state
from summit.journal.time_log import moved_time
from summit.journal.topics import (
    ACTIVATIONS_TOPIC,
    BACKFILLS_TOPIC,
    DEFINITIONS_TOPIC,
    ENRICHMENTS_TOPIC,
    EXCHANGE_TOPIC,
    TIME_TOPIC,
)
from summit.keyed.captured import Move
from summit.keyed.chunks import SOURCE_HEADER
from summit.migration.offset_map import OffsetMap

Maps = Mapping[TopicPartition, OffsetMap]
HeaderPair = tuple[str, bytes | None]

DIGEST_BYTES: Final = 16
NO_DIGEST: Final = bytes(DIGEST_BYTES)
_HEAD: Final = Struct(">qii")
_LENGTH: Final = Struct(">i")


class Moved(NamedTuple):
    """A record as the target gets it."""

    key: bytes | None
    value: bytes | None
    headers: tuple[HeaderPair, ...]
    timestamp: int


Change = Callable[[ConsumerRecord], Moved]


def as_it_is(record: ConsumerRecord) -> Moved:
    """The record without any change. A time of 0 or less, which is none, becomes 1."""
    return Moved(record.key, record.value, record.headers.pairs, max(record.timestamp, 1))


def with_source(topic_id: str) -> Change:
    """Records whose header `summit.src` says where they stood, unless it says something already.

    So alert ids, which are made of the places of events, stay what they were.
    """

    def change(record: ConsumerRecord) -> Moved:
        moved = as_it_is(record)
        if any(name == SOURCE_HEADER for name, _ in moved.headers):
            return moved
        place = log_coordinate(topic_id, record.partition, record.offset)
        return moved._replace(headers=(*moved.headers, (SOURCE_HEADER, place.encode())))

    return change


def with_evidence(maps: Maps, topic_ids: Mapping[str, str]) -> Change:
    """Alerts whose evidence names the places that its events have now."""

    def change(record: ConsumerRecord) -> Moved:
        moved = as_it_is(record)
        try:
            alert = decode_alert(record.value or b"")
        except Invalid:  # not ours, or a tombstone
            return moved
        evidence = []
        for each in alert.evidence:
            offsets = maps.get(TopicPartition(each.topic, each.partition))
            if offsets is None:  # its topic was deleted, or stays where it is
                evidence.append(each)
                continue
            place = log_coordinate(
                topic_ids.get(each.topic, each.topic), each.partition, each.offset
            )
            evidence.append(
                msgspec.structs.replace(
                    each, offset=offsets.translate(each.offset), src=each.src or place
                )
            )
        value = encode_alert(msgspec.structs.replace(alert, evidence=evidence))
        return moved._replace(value=value)

    return change


def with_groups(maps: Maps, topic_ids: Mapping[str, str], topic_id: str) -> Change:
    """Correlated groups whose events stand at the places that they have now."""
    sourced, move = with_source(topic_id), _move(maps, topic_ids)

    def change(record: ConsumerRecord) -> Moved:
        moved = sourced(record)
        try:
            return moved._replace(value=moved_group(record.value or b"", move))
        except Corrupt:  # not ours, or a tombstone
            return moved

    return change


def with_places(maps: Maps, topic_ids: Mapping[str, str], topic: str) -> Change:
    """The workers' own records, whose events stand at the places that they have now.

    Args:
        topic: Whose records: those of the exchange, of the state, of the activations, of the
            time, of the enrichments or of the backfills.
    """

    move = _move(maps, topic_ids)

    def change(record: ConsumerRecord) -> Moved:
        moved = as_it_is(record)
        definitions = (DEFINITIONS_TOPIC, 0)
        if topic == ACTIVATIONS_TOPIC:
            return moved._replace(value=moved_activation(record.value or b"", move, definitions))
        if topic == TIME_TOPIC:
            return moved._replace(value=moved_time(record.value or b"", move, definitions))
        if topic == ENRICHMENTS_TOPIC:
            return moved._replace(value=moved_recorded(record.value or b"", move))
        if topic == EXCHANGE_TOPIC:
            return moved._replace(value=moved_frame(record.value or b"", move, definitions))
        moving = moved_backfill if topic == BACKFILLS_TOPIC else moved_state
        key, value = moving(record.key or b"", record.value, move, definitions)
        return moved._replace(key=key, value=value)

    return change


def _move(maps: Maps, topic_ids: Mapping[str, str]) -> Move:
    """Where an event stands now, and where it stood first."""

    def move(topic: str, partition: int, offset: int, src: str | None) -> tuple[int, str | None]:
        offsets = maps.get(TopicPartition(topic, partition))
        if offsets is None:  # its topic was deleted, or stays where it is
            return offset, src
        place = log_coordinate(topic_ids.get(topic, topic), partition, offset)
        return offsets.translate(offset), place if src is None else src

    return move


def name_of(where: TopicPartition) -> str:
    """`topic/partition`."""
    return partition_name(where.topic, where.partition)


def chained(digest: bytes, record: Moved) -> bytes:
    """The checksum of a sequence of records with one more; begins with `NO_DIGEST`."""
    key, value = record.key, record.value
    found = hashlib.blake2b(digest, digest_size=DIGEST_BYTES)
    found.update(
        _HEAD.pack(
            record.timestamp, -1 if key is None else len(key), -1 if value is None else len(value)
        )
    )
    found.update(key or b"")
    found.update(value or b"")
    for name, text in record.headers:
        encoded = name.encode()
        found.update(_LENGTH.pack(len(encoded)) + encoded)
        found.update(_LENGTH.pack(-1 if text is None else len(text)) + (text or b""))
    return found.digest()
