"""The answer of a fetch, from what was found in each partition."""

from __future__ import annotations

from collections.abc import Sequence

from summit.broker.fetch_wanted import Group, Wanted
from summit.broker.metrics import Metrics
from summit.broker.request import Request
from summit.broker.security.quotas import FETCH, Quotas
from summit.protocol import codes
from summit.protocol.fetch_fast import FetchAnswer, empty_part, part_head


def reply(
    request: Request,
    groups: Sequence[Group],
    metrics: Metrics,
    quotas: Quotas,
    session_id: int = 0,
) -> list[Wanted]:
    """Answer with what `read` found.

    Most partitions of a wide fetch have nothing new: their part of the last answer is used again,
    which is right as long as the version and the isolation level stay the same.

    Returns: The partitions that have records or an error.
    """
    special: list[Wanted] = []
    bytes_before = metrics.bytes_out
    version = request.version
    answer = FetchAnswer(version, len(groups))
    add = answer.add
    for key, group in groups:
        answer.begin_topic(key, len(group))
        for each in group:
            if each.error or each.data:
                special.append(each)
                _add_special(answer, version, each, metrics)
                continue
            assert each.partition is not None
            log = each.partition.log
            if (
                log.high_watermark != each.part_high
                or log.last_stable_offset != each.part_stable
                or log.start_offset != each.part_start
            ):
                _renew_part(each, version)
            add(each.part)
    throttle_ms = 0
    if quotas.is_any:
        throttle_ms = quotas.charge(request, FETCH, metrics.bytes_out - bytes_before)
    request.respond_parts(
        answer.finish(request.correlation_id, throttle_ms=throttle_ms, session_id=session_id)
    )
    return special


def _renew_part(each: Wanted, version: int) -> None:
    """Encode the part of a partition without records and without an error."""
    assert each.partition is not None
    log = each.partition.log
    state = each.part_high, each.part_stable, each.part_start = (
        log.high_watermark, log.last_stable_offset, log.start_offset,
    )  # fmt: skip
    each.part = empty_part(version, each.index, codes.NONE, *state, () if each.committed else None)


def _add_special(answer: FetchAnswer, version: int, each: Wanted, metrics: Metrics) -> None:
    """Add a partition with records or an error, and count it."""
    partition = each.partition
    if each.error != codes.NONE:
        metrics.failed_fetch_requests += 1
        if partition is not None:
            partition.topic.counters.failed_fetch_requests += 1
    if partition is None:
        answer.add(empty_part(version, each.index, each.error, -1, -1, -1))
        return
    log = partition.log
    state = (log.high_watermark, log.last_stable_offset, log.start_offset)
    aborted = _aborted(each) if each.committed else None
    if not each.data:
        answer.add(empty_part(version, each.index, each.error, *state, aborted))
        return
    size = len(each.data)
    answer.add_records(part_head(version, each.index, each.error, *state, size, aborted), each.data)
    metrics.bytes_out += size
    metrics.messages_out += each.count
    counters = partition.topic.counters
    counters.bytes_out += size
    counters.messages_out += each.count


def _aborted(each: Wanted) -> list[tuple[int, int]]:
    """The aborted transactions among the batches that were found: (producer id, first offset)."""
    if not each.data or each.partition is None:
        return []
    found = each.partition.log.aborted_between(each.offset, each.offset + each.count)
    return [(entry.producer_id, entry.first_offset) for entry in found]
