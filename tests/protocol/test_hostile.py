"""Bytes that no client sends: always Invalid with a code, in bounded time and memory."""

from __future__ import annotations

import random
import tracemalloc
import zlib
from typing import Any

import pytest
from tests.protocol.random_messages import every_version, random_message, version_id

from summit.base.errors import Invalid
from summit.protocol import frames
from summit.protocol.api import Api
from summit.protocol.apis import APIS
from summit.protocol.message import Message
from summit.protocol.primitives import read_uvarint, skip_tags
from summit.protocol.produce import (
    PRODUCE,
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)
from summit.protocol.produce_fast import parse_produce

CODES = {"protocol.truncated", "protocol.malformed", "protocol.too_many_items"}


def sides(api: Api[Any, Any]) -> list[tuple[type[Message], Any, Any]]:
    return [
        (api.request, api.encode_request, api.decode_request),
        (api.response, api.encode_response, api.decode_response),
    ]


def refused(function: Any, *values: Any) -> None:
    with pytest.raises(Invalid) as caught:
        function(*values)
    assert caught.value.code in CODES
    assert caught.value.kafka_code == "INVALID_REQUEST"


@pytest.mark.parametrize(("api", "version"), every_version(), ids=version_id)
def test_every_truncation_is_refused(api: Api[Any, Any], version: int) -> None:
    rng = random.Random(zlib.crc32(api.name.encode()) + version)
    for table, encode, decode in sides(api):
        encoded = encode(version, random_message(table, version, rng))
        for stop in range(min(len(encoded), 400)):
            refused(decode, version, encoded[:stop])


@pytest.mark.parametrize(("api", "version"), every_version(), ids=version_id)
@pytest.mark.timeout(30)
def test_garbage_is_refused_or_read(api: Api[Any, Any], version: int) -> None:
    rng = random.Random(zlib.crc32(api.name.encode()) - version)
    for _, _, decode in sides(api):
        for _ in range(40):
            garbage = rng.randbytes(rng.randrange(200))
            try:
                decode(version, garbage)
            except Invalid as error:
                assert error.code in CODES  # noqa: PT017 - either way is right


@pytest.mark.parametrize(("api", "version"), every_version(), ids=version_id)
def test_one_wrong_byte_never_escapes_as_another_error(api: Api[Any, Any], version: int) -> None:
    rng = random.Random(zlib.crc32(api.name.encode()) ^ version)
    for table, encode, decode in sides(api):
        encoded = encode(version, random_message(table, version, rng))
        for _ in range(60 if encoded else 0):
            garbled = bytearray(encoded)
            garbled[rng.randrange(len(garbled))] = rng.choice([0, 1, 0x7F, 0x80, 0xFE, 0xFF])
            try:
                decode(version, garbled)
            except Invalid as error:
                assert error.code in CODES  # noqa: PT017


@pytest.mark.parametrize(
    ("key", "version", "body"),
    [
        # A classic array of 2^31-1 topics, a compact one of 2^32-2, with nothing behind it.
        (3, 1, b"\x7f\xff\xff\xff"),
        (3, 9, b"\xff\xff\xff\xff\x0f"),
        # Array of -2; -1 where null is not allowed.
        (3, 1, b"\xff\xff\xff\xfe\x00"),
        (3, 0, b"\xff\xff\xff\xff"),
        # Heartbeat: group id of 32767 bytes, of -5 bytes, null; a compact string of 2^32-2 bytes.
        (12, 0, b"\x7f\xffabc"),
        (12, 0, b"\xff\xfbabc"),
        (12, 0, b"\xff\xff" + bytes(20)),
        (12, 4, b"\xff\xff\xff\xff\x0fabc"),
        (12, 4, b"\x00" + bytes(20)),
        # A varint that does not end; a string that is not UTF-8.
        (12, 4, b"\xff" * 30),
        (12, 0, b"\x00\x02\xc3\x28" + bytes(8)),
        # SyncGroup: an assignment that claims 2 GiB.
        (14, 0, b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x7f\xff\xff\xff"),
        # ApiVersions: 2^32-1 tagged fields; a tagged field of 2^32-1 bytes.
        (18, 3, b"\x01\x01\xff\xff\xff\xff\x0f"),
        (18, 3, b"\x01\x01\x01\x00\xff\xff\xff\xff\x0f"),
        # ApiVersions: 200000 tagged fields that are there.
        (18, 3, b"\x01\x01\xc0\x9a\x0c" + b"\x05\x00" * 200_000),
        # Fetch: 2^31-1 integers among the forgotten partitions.
        (1, 7, bytes(29) + b"\x00\x00\x00\x01\x00\x00\x7f\xff\xff\xff"),
    ],
)
def test_absurd_lengths_cost_nothing(key: int, version: int, body: bytes) -> None:
    decode = APIS[key].request_decoder(version)
    tracemalloc.start()
    try:
        refused(decode, memoryview(body), 0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200_000


@pytest.mark.parametrize("version", [3, 8, 9, 12])
def test_the_entries_of_all_arrays_are_bounded_together(version: int) -> None:
    """Produce, by the compiled functions and by the fast path: many topics, or many partitions."""
    for topics, parts in ((1, 60_000), (60_000, 0), (300, 200)):
        one = PartitionProduceData(index=0, records=None)
        topic = TopicProduceData(name="t", partitions=[one] * parts)
        request = ProduceRequest(acks=1, timeout_ms=1, topics=[topic] * topics)
        body = memoryview(PRODUCE.encode_request(version, request))
        for decode in (
            PRODUCE.request_decoder(version),
            lambda buf, position: parse_produce(version, buf, position),
        ):
            with pytest.raises(Invalid) as caught:
                decode(body, 0)
            assert caught.value.code == "protocol.too_many_items"


def test_known_tag_must_fill_its_size() -> None:
    # Fetch v12, tag 0 (cluster id) says four bytes and holds the two of "a".
    fixed = bytes(25) + b"\x01\x01\x01"
    good = fixed + b"\x01\x00\x02\x02a"
    request, end = APIS[1].decode_request(12, good)
    assert (request.cluster_id, end) == ("a", len(good))
    refused(APIS[1].decode_request, 12, fixed + b"\x01\x00\x04\x02aXX")


def test_unknown_tags_are_passed_over_at_every_level() -> None:
    tags = b"\x02\x63\x01x\x64\x00"  # two tags: 99 with one byte, 100 with none
    plain = APIS[3].encode_request(
        9, APIS[3].request(topics=[APIS[3].request.FIELDS[0].type.item.message(name="t")])
    )
    assert plain == b"\x02\x02t\x00\x01\x00\x00\x00"
    tagged = b"\x02\x02t" + tags + b"\x01\x00\x00" + tags
    expected, _ = APIS[3].decode_request(9, plain)
    request, end = APIS[3].decode_request(9, tagged)
    assert (request, end) == (expected, len(tagged))


@pytest.mark.parametrize("bad", [b"\x80" * 5 + b"\x00", b"\xff" * 6])
def test_long_varints_are_malformed(bad: bytes) -> None:
    with pytest.raises(Invalid) as caught:
        read_uvarint(memoryview(bad), 0)
    assert caught.value.code == "protocol.malformed"


def test_skip_tags_stays_inside() -> None:
    assert skip_tags(memoryview(b"\x01\x05\x02ab!"), 0) == 5
    refused(skip_tags, memoryview(b"\x01\x05\x03ab"), 0)


def test_decoded_size_is_bounded_by_the_frame() -> None:
    # The cheapest items there are: Metadata v9 topics of two bytes each (empty name, no tags).
    count = 20_000
    head = bytes((count + 1 & 0x7F | 0x80, (count + 1) >> 7 & 0x7F | 0x80, (count + 1) >> 14))
    body = memoryview(head + b"\x01\x00" * count + bytes(4))
    decode = APIS[3].request_decoder(9)
    tracemalloc.start()
    try:
        request, _ = decode(body, 0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(request.topics) == count
    assert peak < 60 * len(body)


@pytest.mark.parametrize("length", [-1, -(2**31), 0, 9, 104_857_601, 2**31 - 1])
def test_frame_lengths_out_of_range(length: int) -> None:
    with pytest.raises(Invalid) as caught:
        frames.check_frame_length(length)
    assert caught.value.code == "protocol.frame_length"


def test_only_produce_may_be_large() -> None:
    frames.check_frame_length(104_857_600)
    frames.check_frame_length(10, api_key=18)
    frames.check_frame_length(16_777_216, api_key=1)
    with pytest.raises(Invalid):
        frames.check_frame_length(16_777_217, api_key=1)
