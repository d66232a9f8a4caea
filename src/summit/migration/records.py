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
from summit.base.errors import Invalid
from summit.cep.chunks import SOURCE_HEADER
from summit.client import ConsumerRecord, TopicPartition
from summit.journal.progress_record import (
    Positions,
    ProgressRecord,
    partition_name,
    split_partition_name,
)
from summit.journal.topics import ALERTS_TOPIC, DEFINITIONS_TOPIC
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


def translate_progress(record: ProgressRecord, maps: Maps) -> ProgressRecord:
    """The worker's progress in the target's offsets; what was not moved is left out."""

    def positions(found: Positions) -> Positions:
        return {
            name: offsets.translate(at)
            for name, at in found.items()
            if (offsets := maps.get(TopicPartition(*split_partition_name(name)))) is not None
        }

    def alerts(found: Positions) -> Positions:
        return {
            index: offsets.translate(at)
            for index, at in found.items()
            if (offsets := maps.get(TopicPartition(ALERTS_TOPIC, int(index)))) is not None
        }

    definitions = maps.get(TopicPartition(DEFINITIONS_TOPIC, 0), OffsetMap())
    low = {}
    for name, (offset, watermark_ms) in record.low.items():
        offsets = maps.get(TopicPartition(*split_partition_name(name)))
        if offsets is not None:
            low[name] = (offsets.translate(offset), watermark_ms)
    return msgspec.structs.replace(
        record,
        positions=positions(record.positions),
        alerts=alerts(record.alerts),
        definitions=definitions.translate(record.definitions),
        low=low,
        alerts_low=alerts(record.alerts_low),
        activations=[
            (definitions.translate(offset), positions(begins))
            for offset, begins in record.activations
        ],
    )


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
