"""Requests that once cost a broker too much, or that it did not get over; by name.

Each is small to send. What they cost was measured before they were mended.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from uuid import UUID

from tests.broker.wire import fetch_request

from summit.protocol import frames
from summit.protocol.apis import APIS
from summit.protocol.describe_configs import DescribeConfigsRequest, DescribeConfigsResource
from summit.protocol.metadata import MetadataRequest, MetadataRequestTopic
from summit.protocol.primitives import write_uvarint

MANY = 20_000  # a good part of what one request may hold
TOO_MANY = 1_000_000


def frame(key: int, version: int, body: bytes) -> bytes:
    """A whole frame around a body."""
    head = frames.encode_request_header(APIS[key], version, 1, None)
    return struct.pack(">i", len(head) + len(body)) + head + body


def _array(count: int, item: bytes) -> bytes:
    """A compact array of equal items."""
    return write_uvarint(count + 1) + item * count


def _request(key: int, version: int, message: object) -> bytes:
    return frame(key, version, APIS[key].encode_request(version, message))


def _unknown_id(version: int) -> Callable[[], bytes]:
    """The answer has no null names before v12."""
    topics = [MetadataRequestTopic(topic_id=UUID(int=77))]
    return lambda: _request(3, version, MetadataRequest(topics=topics))


def _one_topic_configs() -> bytes:
    """1.8 GiB of answer in the making."""
    resource = DescribeConfigsResource(
        resource_type=2, resource_name="open", configuration_keys=None
    )
    return _request(32, 4, DescribeConfigsRequest(resources=[resource] * MANY))


def _one_partition_fetched() -> bytes:
    """2 GiB of records, more than an answer's length can say."""
    most = 2**31 - 1
    request = fetch_request(
        [("open", 0, 0)] * (MANY // 2), max_bytes=most, partition_max_bytes=most
    )
    return _request(1, 12, request)


CORPUS: dict[str, Callable[[], bytes]] = {
    "metadata v10 by an unknown id": _unknown_id(10),
    "metadata v11 by an unknown id": _unknown_id(11),
    "configs of one topic, over and over": _one_topic_configs,
    "one partition fetched, over and over": _one_partition_fetched,
    "metadata of one topic, over and over": lambda: frame(
        3, 9, _array(MANY, b"\x05open\x00") + bytes(4)
    ),
    "one group described, over and over": lambda: frame(15, 5, _array(MANY, b"\x03g1") + bytes(2)),
    "all offsets of one group, over and over": lambda: frame(
        9, 8, _array(MANY // 2, b"\x03g1\x00\x00") + bytes(2)
    ),
    "empty names described": lambda: frame(15, 5, _array(TOO_MANY, b"\x01") + bytes(2)),
    "empty names looked for": lambda: frame(10, 4, b"\x00" + _array(TOO_MANY, b"\x01") + b"\x00"),
    "empty names in metadata": lambda: frame(3, 9, _array(TOO_MANY, b"\x01\x00") + bytes(4)),
    "empty names deleted": lambda: frame(20, 4, _array(TOO_MANY, b"\x01") + bytes(5)),
    "empty names created": lambda: frame(
        19, 7, _array(MANY, b"\x01\x00\x00\x00\x01\x00\x01\x01\x01\x00") + bytes(6)
    ),
    "partitions without records": lambda: frame(
        0, 9, b"\x00\xff\xff" + bytes(4) + b"\x02\x05open" + _array(TOO_MANY, bytes(6)) + bytes(2)
    ),
    "topics without partitions": lambda: frame(
        0, 9, b"\x00\xff\xff" + bytes(4) + _array(TOO_MANY, b"\x01\x01\x00") + bytes(1)
    ),
    "partitions added to one topic, over and over": lambda: frame(
        37, 2, _array(3, b"\x05open\x00\x00\x00\x05\x00\x00") + bytes(6)
    ),
    "tags without end": lambda: frame(
        18, 3, b"\x01\x01" + write_uvarint(TOO_MANY) + b"\x05\x00" * TOO_MANY
    ),
}
