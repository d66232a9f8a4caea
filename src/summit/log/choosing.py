"""Which compacted log to clean next, and how much of it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from summit.log.partition import PartitionLog
from summit.log.segment import Segment
from summit.log.settings import FOR_EVER


class Cleanable(NamedTuple):
    """What compaction may work on: segments from the start of a log, half-open up to `stop`."""

    log: PartitionLog
    segments: list[Segment]
    stop: int
    total_bytes: int
    dirty_bytes: int


def choose(logs: Iterable[PartitionLog], now_ms: int) -> Cleanable | None:
    """The log with the largest share of dirty bytes among those that are due; overdue ones first.

    Due is a log whose share reaches its `min.cleanable.dirty.ratio`, or that has dirty records
    older than its `max.compaction.lag.ms`.
    """
    best: Cleanable | None = None
    best_share = 0.0
    for log in logs:
        found = cleanable(log, now_ms) if log.config.compact else None
        if found is None:
            continue
        share = found.dirty_bytes / found.total_bytes
        if _is_overdue(found, now_ms):
            share += 1.0
        if share >= log.config.min_cleanable_dirty_ratio and share > best_share:
            best, best_share = found, share
    return best


def cleanable(log: PartitionLog, now_ms: int) -> Cleanable | None:
    """The closed, synced, stable segments that are old enough; None when none of them is dirty.

    Never reaches the last stable offset, nor what no checkpoint has covered.
    """
    if log.is_cleaning or log.swap_markers or not log.is_cleanable:
        return None
    lag_ms = log.config.min_compaction_lag_ms
    limit = min(log.recovery_point, log.last_stable_offset)
    found: list[Segment] = []
    total = dirty = 0
    stop = log.segments[0].base_offset
    for segment, following in pairwise(log.segments):
        end = following.base_offset
        if end > limit or segment.is_dirty or segment.has_unflushed_entries:
            break
        is_segment_dirty = end > log.cleaned_offset
        if lag_ms and is_segment_dirty:
            segment.ensure_indexes()
            if now_ms - segment.max_timestamp < lag_ms:
                break
        found.append(segment)
        stop = end
        total += segment.size
        dirty += segment.size if is_segment_dirty else 0
    return Cleanable(log, found, stop, total, dirty) if dirty else None


def _is_overdue(found: Cleanable, now_ms: int) -> bool:
    """Whether a dirty segment is older than the largest compaction lag."""
    lag_ms = found.log.config.max_compaction_lag_ms
    if lag_ms == FOR_EVER:
        return False
    first_dirty = found.log.cleaned_offset
    dirty = [s for s in found.segments if s.base_offset >= first_dirty and s.size]
    for segment in dirty:
        segment.ensure_indexes()
    return any(now_ms - segment.max_timestamp > lag_ms for segment in dirty)
