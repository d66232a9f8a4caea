"""The hand-tuned Produce path gives what the compiled functions give, on good and bad bytes."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tests.protocol.random_messages import random_message

from summit.base.errors import Invalid
from summit.protocol import frames
from summit.protocol.message import RECORDS
from summit.protocol.primitives import uuid_of
from summit.protocol.produce import (
    PRODUCE,
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
    TopicProduceResponse,
)
from summit.protocol.produce_fast import ProduceAck, build_produce_response, parse_produce

VERSIONS = range(3, 14)
CODES = {"protocol.truncated", "protocol.malformed", "protocol.too_many_items"}


def by_compiled(version: int, buf: memoryview) -> Any:
    request, _ = PRODUCE.decode_request(version, buf)
    parts = [
        (topic.topic_id.bytes if version >= 13 else topic.name, part.index, part.records)
        for topic in request.topics
        for part in topic.partitions
    ]
    return request.transactional_id, request.acks, request.timeout_ms, parts


def outcome(function: Any, version: int, buf: memoryview) -> Any:
    try:
        return function(version, buf)
    except Invalid as error:
        return Invalid if error.code in CODES else error


def by_hand(version: int, buf: memoryview) -> Any:
    return parse_produce(version, buf, 0)


@pytest.mark.parametrize("version", VERSIONS)
def test_parses_what_the_compiled_decoder_decodes(version: int) -> None:
    rng = random.Random(version)
    for _ in range(60):
        message = random_message(ProduceRequest, version, rng)
        buf = memoryview(PRODUCE.encode_request(version, message))
        assert by_hand(version, buf) == by_compiled(version, buf)


@pytest.mark.parametrize("version", VERSIONS)
def test_truncated_and_garbled_requests_fail_alike(version: int) -> None:
    rng = random.Random(version)
    failures = 0
    for _ in range(15):
        encoded = PRODUCE.encode_request(version, random_message(ProduceRequest, version, rng))
        step = max(1, len(encoded) // 80)
        for stop in range(0, len(encoded), step):
            with pytest.raises(Invalid):
                by_hand(version, memoryview(encoded)[:stop])
        for _ in range(80):
            garbled = bytearray(encoded)
            garbled[rng.randrange(len(garbled))] = rng.choice([0, 1, 0x7F, 0x80, 0xFF])
            one = outcome(by_hand, version, memoryview(garbled))
            assert one == outcome(by_compiled, version, memoryview(garbled))
            failures += one is Invalid
    assert failures > 20


def test_records_are_views_into_the_frame() -> None:
    request = ProduceRequest(
        acks=1,
        timeout_ms=5,
        topics=[
            TopicProduceData(
                name="t", partitions=[PartitionProduceData(index=0, records=b"records")]
            )
        ],
    )
    for version in (3, 9):
        frame = bytearray(PRODUCE.encode_request(version, request))
        records = parse_produce(version, memoryview(frame), 0)[3][0][2]
        assert records is not None
        frame[frame.index(b"records")] = ord("R")
        assert records == b"Records"


def test_tags_of_the_future_are_passed_over() -> None:
    # Tag 7 with three bytes where the empty tag buffers of v9 stand.
    tags = b"\x01\x07\x03abc"
    body = (
        b"\x00\xff\xff\x00\x00\x00\x05"  # no transactional id, acks -1, timeout 5
        b"\x02\x02t\x02\x00\x00\x00\x03\x03hi" + tags + tags + tags
    )
    buf = memoryview(body)
    assert parse_produce(9, buf, 0) == (None, -1, 5, [("t", 3, b"hi")])
    assert by_compiled(9, buf) == (None, -1, 5, [("t", 3, b"hi")])


def response_of(version: int, acks: list[ProduceAck], throttle_ms: int) -> ProduceResponse:
    topics: list[TopicProduceResponse] = []
    last: Any = None
    for topic, index, error, base, append_ms, start in acks:
        if topic != last:
            last = topic
            naming: Any = {"topic_id": uuid_of(topic)} if version >= 13 else {"name": topic}
            topics.append(TopicProduceResponse(**naming, partitions=[]))
        topics[-1].partitions.append(
            PartitionProduceResponse(
                index=index,
                error_code=error,
                base_offset=base,
                log_append_time_ms=append_ms,
                log_start_offset=start,
            )
        )
    return ProduceResponse(topics=topics, throttle_time_ms=throttle_ms)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("shape", [[1], [3], [1, 1], [2, 5, 1], [130], [1] * 130, []])
def test_builds_what_the_compiled_encoder_encodes(version: int, shape: list[int]) -> None:
    rng = random.Random(version)
    acks: list[ProduceAck] = []
    for number, count in enumerate(shape):
        name = f"topic-{number}" * rng.choice([1, 20])
        topic = rng.randbytes(16) if version >= 13 else name
        for index in range(count):
            base = rng.choice([-1, 0, rng.getrandbits(62)])
            acks.append((topic, index, rng.choice([0, 3, -1]), base, rng.choice([-1, 10**12]), 7))
    ours = build_produce_response(version, 99, acks, 12)
    response = response_of(version, acks, 12)
    assert ours == frames.encode_response_frame(PRODUCE, version, 99, response)


def test_records_may_be_a_list_of_buffers() -> None:
    assert RECORDS.kind == "records"
    for records in ([b"ab", memoryview(b"c")], (b"ab", bytearray(b"c")), b"abc"):
        part = PartitionProduceData(index=0, records=records)  # type: ignore[arg-type]
        request = ProduceRequest(
            acks=1, timeout_ms=5, topics=[TopicProduceData(name="t", partitions=[part])]
        )
        for version in (3, 9):
            decoded, _ = PRODUCE.decode_request(version, PRODUCE.encode_request(version, request))
            assert decoded.topics[0].partitions[0].records == b"abc"
