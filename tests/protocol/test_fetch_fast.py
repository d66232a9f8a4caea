"""The hand-tuned Fetch response gives what the compiled encoder gives, without copying records."""

from __future__ import annotations

import random
from typing import Any

import pytest

from summit.protocol import frames
from summit.protocol.fetch import (
    FETCH,
    AbortedTransaction,
    FetchPartitionData,
    FetchResponse,
    FetchTopicResponse,
)
from summit.protocol.fetch_fast import FetchAnswer, empty_part, part_head
from summit.protocol.primitives import Buffer, uuid_of

# topic, partition, error code, high watermark, last stable offset, log start offset, records
FetchPart = tuple[str | bytes, int, int, int, int, int, Any]


def build_fetch_response(
    version: int,
    correlation_id: int,
    parts: list[FetchPart],
    *,
    aborted: dict[int, list[tuple[int, int]]] | None = None,
    **values: int,
) -> list[Buffer]:
    """The answer as a broker puts it together; `aborted` by number of the part."""
    topics = list(dict.fromkeys(part[0] for part in parts))
    answer = FetchAnswer(version, len(topics))
    numbers = iter(range(len(parts)))
    for topic in topics:
        group = [part[1:] for part in parts if part[0] == topic]
        answer.begin_topic(topic, len(group))
        for *state, records in group:
            gone = (aborted or {}).get(next(numbers))
            size = sum(map(len, records)) if isinstance(records, list) else len(records)
            if size:
                answer.add_records(part_head(version, *state, size, gone), records)
            else:
                answer.add(empty_part(version, *state, gone))
    return answer.finish(correlation_id, **values)


def response_of(version: int, parts: list[FetchPart], **values: int) -> FetchResponse:
    topics: list[FetchTopicResponse] = []
    last: Any = None
    for topic, index, error, high, stable, start, records in parts:
        if topic != last:
            last = topic
            naming: Any = {"topic_id": uuid_of(topic)} if version >= 13 else {"name": topic}
            topics.append(FetchTopicResponse(**naming, partitions=[]))
        topics[-1].partitions.append(
            FetchPartitionData(
                index=index,
                error_code=error,
                high_watermark=high,
                last_stable_offset=stable,
                log_start_offset=start,
                records=records,
            )
        )
    return FetchResponse(topics=topics, **values)


@pytest.mark.parametrize("version", range(4, 19))
@pytest.mark.parametrize("shape", [[1], [3], [1, 1], [2, 5, 1], [130], [1] * 130, []])
def test_builds_what_the_compiled_encoder_encodes(version: int, shape: list[int]) -> None:
    rng = random.Random(version)
    parts: list[FetchPart] = []
    for number, count in enumerate(shape):
        topic = rng.randbytes(16) if version >= 13 else f"topic-{number}"
        for index in range(count):
            records: Any = rng.choice(
                [b"", bytes(125), bytes(127), memoryview(bytes(300)), [b"ab", b"c"], []]
            )
            parts.append((topic, index, rng.choice([0, 1]), 10, 9, 2, records))
    values = {"throttle_time_ms": 3, "error_code": 0, "session_id": 5}
    ours = build_fetch_response(version, 77, parts, throttle_ms=3, session_id=5)
    response = response_of(version, parts, **values)
    assert b"".join(ours) == frames.encode_response_frame(FETCH, version, 77, response)


@pytest.mark.parametrize("version", range(4, 19))
def test_aborted_transactions(version: int) -> None:
    topic: str | bytes = bytes(16) if version >= 13 else "t"
    parts: list[FetchPart] = [(topic, n, 0, 10, 9, 2, bytes(n)) for n in range(3)]
    aborted = {0: [], 2: [(7, 3), (2**40, 5)]}
    response = response_of(version, parts, throttle_time_ms=0, error_code=0, session_id=0)
    for number, entries in aborted.items():
        response.topics[0].partitions[number].aborted_transactions = [
            AbortedTransaction(producer_id=producer, first_offset=first)
            for producer, first in entries
        ]
    ours = build_fetch_response(version, 77, parts, aborted=aborted)
    assert b"".join(ours) == frames.encode_response_frame(FETCH, version, 77, response)


@pytest.mark.parametrize("version", [4, 12, 13])
def test_records_are_not_copied(version: int) -> None:
    records = memoryview(bytearray(1000))
    topic = bytes(16) if version >= 13 else "t"
    for buffers in (
        build_fetch_response(version, 1, [(topic, 0, 0, 1, 1, 0, records)]),
        frames.encode_response_frame_parts(
            FETCH, version, 1, response_of(version, [(topic, 0, 0, 1, 1, 0, records)])
        ),
    ):
        assert any(buffer is records for buffer in buffers)
