"""Records by time: the first at or after a timestamp, and the one with the largest.

Time indexes lead to a batch, batch headers carry the largest timestamp inside, and only the one
batch that decides is opened.
"""

from __future__ import annotations

from collections.abc import Sequence

from summit.log.segment import NO_TIMESTAMP, Segment
from summit.records import Record, iter_records

_MAX_TIMESTAMP_FIELD = 8  # number of the field in the batch header


def offset_for_timestamp(
    segments: Sequence[Segment], timestamp: int, start_offset: int
) -> tuple[int, int] | None:
    """The first record at or after `start_offset` whose timestamp is at least `timestamp`.

    Returns: (offset, timestamp), or None when every record is older.
    Cost: Headers between two time index entries, and one batch opened.
    """
    for segment in segments:
        segment.ensure_indexes()
        if segment.max_timestamp < timestamp and segment is not segments[-1]:
            continue
        found = _first_in(segment, timestamp, start_offset)
        if found is not None:
            return found.offset, found.timestamp
    return None


def _first_in(segment: Segment, timestamp: int, start_offset: int) -> Record | None:
    relative = segment.time_index.floor(timestamp)
    position = segment.offset_index.floor(relative)
    for place in segment.places(position, segment.size):
        if place.last_offset < start_offset:
            continue
        if segment.header_fields(place.position)[_MAX_TIMESTAMP_FIELD] < timestamp:
            continue
        for record in iter_records(segment.read(place.position, place.size)):
            if record.timestamp >= timestamp and record.offset >= start_offset:
                return record
    return None


def max_timestamp(
    segments: Sequence[Segment], last_known: tuple[int, int] | None
) -> tuple[int, int] | None:
    """The record with the largest timestamp of all segments: (offset, timestamp), or None.

    Args:
        last_known: (largest timestamp, last offset of its batch) to take for the last segment
            instead of its own numbers.
    """
    best: tuple[int, int, Segment] | None = None
    for segment in segments:
        segment.ensure_indexes()
        timestamp, offset = segment.max_timestamp, segment.max_timestamp_offset
        if segment is segments[-1] and last_known is not None:
            timestamp, offset = last_known
        if timestamp != NO_TIMESTAMP and (best is None or timestamp > best[0]):
            best = (timestamp, offset, segment)
    if best is None:
        return None
    timestamp, offset, segment = best
    place = segment.find(offset, segment.size)
    if place is None:
        return None
    for record in iter_records(segment.read(place.position, place.size)):
        if record.timestamp == timestamp:
            return record.offset, timestamp
    return place.last_offset, timestamp
