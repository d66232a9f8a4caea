"""The hand-tuned parser of plain fetches reads what the compiled decoder reads, or declines."""

from __future__ import annotations

import random
import uuid
from typing import Any

import pytest
from tests.protocol.random_messages import random_message

from summit.base.errors import Invalid
from summit.protocol.fetch import FETCH, FetchPartition, FetchRequest, FetchTopic, ForgottenTopic
from summit.protocol.fetch_plain import PlainFetch, parse_plain_fetch, read_row

VERSIONS = range(4, 19)


def request_of(version: int, counts: list[int], rng: random.Random, **fields: Any) -> FetchRequest:
    topics = []
    for number, count in enumerate(counts):
        parts = [
            FetchPartition(
                index=rng.randrange(2**31),
                current_leader_epoch=rng.randrange(-1, 9) if version >= 9 else -1,
                fetch_offset=rng.randrange(-5, 2**62),
                log_start_offset=rng.randrange(-1, 9) if version >= 5 else -1,
                last_fetched_epoch=rng.randrange(-1, 9) if version >= 12 else -1,
                partition_max_bytes=rng.randrange(2**31),
            )
            for _ in range(count)
        ]
        by_id = version >= 13
        topics.append(
            FetchTopic(
                name="" if by_id else f"topic-ä{number}" * 20,
                topic_id=uuid.UUID(bytes=rng.randbytes(16)) if by_id else uuid.UUID(int=0),
                partitions=parts,
            )
        )
    values: dict[str, Any] = {"max_wait_ms": 500, "min_bytes": 1, "max_bytes": 2**30}
    if version >= 11:
        values["rack_id"] = rng.choice(["", "räck"])
    return FetchRequest(topics=topics, isolation_level=rng.choice([0, 1]), **values | fields)


def bytes_of(version: int, request: FetchRequest) -> memoryview:
    return memoryview(FETCH.encode_request(version, request))


def said(version: int, asked: PlainFetch) -> Any:
    topics = [(topic, [read_row(version, row) for row in rows]) for topic, rows in asked.topics]
    return (*asked[:4], topics)


def by_compiled(version: int, buf: memoryview) -> Any:
    request, _ = FETCH.decode_request(version, buf)
    assert (request.session_id, request.session_epoch) == (0, -1)
    assert not request.forgotten_topics
    topics = [
        (
            topic.topic_id.bytes if version >= 13 else topic.name,
            [
                (part.index, part.current_leader_epoch, part.fetch_offset, part.partition_max_bytes)
                for part in topic.partitions
            ],
        )
        for topic in request.topics
    ]
    return (
        request.max_wait_ms, request.min_bytes, request.max_bytes, request.isolation_level, topics,
    )  # fmt: skip


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("counts", [[], [0], [1], [200], [3, 1, 2], [1] * 130])
def test_reads_what_the_compiled_decoder_reads(version: int, counts: list[int]) -> None:
    rng = random.Random(version)
    buf = bytes_of(version, request_of(version, counts, rng))
    asked = parse_plain_fetch(version, buf, 0)
    assert asked is not None
    assert said(version, asked) == by_compiled(version, buf)
    shifted = memoryview(b"head" + buf)
    assert parse_plain_fetch(version, shifted, 4) == asked


@pytest.mark.parametrize("version", VERSIONS)
def test_reads_nothing_that_the_compiled_decoder_reads_otherwise(version: int) -> None:
    """Random messages, cut and changed bytes: None, or the same."""
    rng = random.Random(version)
    plain = 0
    for turn in range(400):
        if turn % 4 == 0:
            request = random_message(FetchRequest, version, rng)
        else:
            counts = [rng.randrange(3) for _ in range(rng.randrange(3))]
            request = request_of(version, counts, rng)
        buf = bytearray(bytes_of(version, request))
        match rng.randrange(3):
            case 0:
                del buf[rng.randrange(len(buf)) :]
            case 1:
                buf[rng.randrange(len(buf))] = rng.choice([0, 1, 127, 128, 255])
        asked = parse_plain_fetch(version, memoryview(buf), 0)
        if asked is not None:
            plain += 1
            assert said(version, asked) == by_compiled(version, memoryview(buf))
    assert plain > 50


@pytest.mark.parametrize("version", [version for version in VERSIONS if version >= 7])
def test_sessions_are_declined(version: int) -> None:
    rng = random.Random(version)
    for fields in (
        {"session_id": 5, "session_epoch": -1},
        {"session_id": 0, "session_epoch": 0},
        {"session_id": 5, "session_epoch": 3},
        {"forgotten_topics": [ForgottenTopic(name="" if version >= 13 else "t", partitions=[1])]},
    ):
        buf = bytes_of(version, request_of(version, [2], rng, **fields))
        assert parse_plain_fetch(version, buf, 0) is None


@pytest.mark.parametrize("version", [17, 18])
def test_tagged_fields_are_declined(version: int) -> None:
    request = request_of(version, [3], random.Random(1))
    request.topics[0].partitions[1].replica_directory_id = uuid.UUID(int=7)
    assert parse_plain_fetch(version, bytes_of(version, request), 0) is None
    request = request_of(version, [3], random.Random(1), cluster_id="elsewhere")
    assert parse_plain_fetch(version, bytes_of(version, request), 0) is None


@pytest.mark.parametrize("version", [4, 11, 12])
def test_too_many_partitions_are_left_to_be_refused(version: int) -> None:
    request = request_of(version, [30_000, 30_000], random.Random(1))
    buf = bytes_of(version, request)
    assert parse_plain_fetch(version, buf, 0) is None
    with pytest.raises(Invalid) as caught:
        FETCH.decode_request(version, buf)
    assert caught.value.code == "protocol.too_many_items"
