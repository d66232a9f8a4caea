"""The hand-tuned Produce path: bytes in, plain tuples out, bytes back. Only for v3-v13.

`parse_produce` and `build_produce_response` do what the compiled functions of `produce.PRODUCE`
do (tests compare them), without making an object per topic and partition. A response that needs
error messages, record errors, leader hints or node endpoints goes through `produce.PRODUCE`.

    request   transactional_id acks:i16 timeout:i32 [ topic [ index:i32 records tags ] tags ] tags
    response  [ topic [ index:i32 error:i16 base:i64 append:i64 start:i64 errors message tags ]
              tags ] throttle:i32 tags

A topic is its name (str) up to v12 and the 16 bytes of its id (bytes) from v13.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from struct import Struct
from struct import error as struct_error
from typing import Final, TypeAlias

from summit.base.limits import REQUEST_ITEMS_MAX
from summit.protocol.primitives import (
    bad_text,
    not_nullable,
    read_uvarint,
    skip_tags,
    too_many,
    truncated,
    write_uvarint,
)

# topic (name, or id from v13), partition, records (a view into the frame)
ProducePart: TypeAlias = tuple[str | bytes, int, memoryview | None]
# transactional id, acks, timeout_ms, parts in the order of the request
ProduceBody: TypeAlias = tuple[str | None, int, int, list[ProducePart]]
# topic, partition, error code, base offset, log append time ms (-1), log start offset
ProduceAck: TypeAlias = tuple[str | bytes, int, int, int, int, int]

FLEXIBLE_FROM: Final = 9
TOPIC_IDS_FROM: Final = 13

_WHAT = "ProduceRequest"
_acks = Struct(">hi").unpack_from
_acks_count = Struct(">hii").unpack_from
_short = Struct(">h").unpack_from
_int = Struct(">i").unpack_from
_two_ints = Struct(">ii").unpack_from


def parse_produce(version: int, buf: memoryview, position: int) -> ProduceBody:
    """Parse the body of a Produce request.

    Args:
        version: 3 to 13, checked by the caller.
        buf: The frame, as a memoryview; the records in the result are views into it.
        position: Where the body starts.

    Raises: Invalid("protocol.truncated" | "protocol.malformed" | "protocol.too_many_items").
    Cost: under 2 microseconds for one partition; no copy of records.
    """
    try:
        if version >= FLEXIBLE_FROM:
            return _parse_flexible(buf, position, by_id=version >= TOPIC_IDS_FROM)
        return _parse_classic(buf, position)
    except (struct_error, IndexError):
        raise truncated(_WHAT) from None
    except UnicodeDecodeError:
        raise bad_text(_WHAT) from None


def _parse_flexible(buf: memoryview, p: int, *, by_id: bool) -> ProduceBody:
    end = len(buf)
    parts: list[ProducePart] = []
    transactional_id = None
    size, p = (buf[p], p + 1) if buf[p] < 128 else read_uvarint(buf, p)
    if size:
        stop = p + size - 1
        if stop > end:
            raise truncated(_WHAT)
        transactional_id = str(buf[p:stop], "utf-8")
        p = stop
    acks, timeout_ms = _acks(buf, p)
    p += 6
    topics, p = (buf[p], p + 1) if buf[p] < 128 else read_uvarint(buf, p)
    if not topics:
        raise not_nullable("ProduceRequest.topics")
    left = REQUEST_ITEMS_MAX - topics
    if left < 0:
        raise too_many("ProduceRequest.topics")
    for _ in range(topics - 1):
        topic: str | bytes
        if by_id:
            stop = p + 16
            if stop > end:
                raise truncated(_WHAT)
            topic = bytes(buf[p:stop])
        else:
            size, p = (buf[p], p + 1) if buf[p] < 128 else read_uvarint(buf, p)
            if not size:
                raise not_nullable("TopicProduceData.name")
            stop = p + size - 1
            if stop > end:
                raise truncated(_WHAT)
            topic = str(buf[p:stop], "utf-8")
        p = stop
        count, p = (buf[p], p + 1) if buf[p] < 128 else read_uvarint(buf, p)
        if not count:
            raise not_nullable("TopicProduceData.partitions")
        left -= count
        if left < 0:
            raise too_many("TopicProduceData.partitions")
        for _ in range(count - 1):
            (index,) = _int(buf, p)
            p += 4
            size, p = (buf[p], p + 1) if buf[p] < 128 else read_uvarint(buf, p)
            if size:
                stop = p + size - 1
                if stop > end:
                    raise truncated(_WHAT)
                parts.append((topic, index, buf[p:stop]))
                p = stop
            else:
                parts.append((topic, index, None))
            p = skip_tags(buf, p) if buf[p] else p + 1
        p = skip_tags(buf, p) if buf[p] else p + 1
    if buf[p]:
        skip_tags(buf, p)
    return transactional_id, acks, timeout_ms, parts


def _parse_classic(buf: memoryview, p: int) -> ProduceBody:
    end = len(buf)
    parts: list[ProducePart] = []
    transactional_id = None
    (size,) = _short(buf, p)
    p += 2
    if size >= 0:
        stop = p + size
        if stop > end:
            raise truncated(_WHAT)
        transactional_id = str(buf[p:stop], "utf-8")
        p = stop
    elif size != -1:
        raise not_nullable("ProduceRequest.transactional_id")
    acks, timeout_ms, topics = _acks_count(buf, p)
    p += 10
    if topics < 0:
        raise not_nullable("ProduceRequest.topics")
    left = REQUEST_ITEMS_MAX - topics
    if left < 0:
        raise too_many("ProduceRequest.topics")
    for _ in range(topics):
        (size,) = _short(buf, p)
        p += 2
        if size < 0:
            raise not_nullable("TopicProduceData.name")
        stop = p + size
        if stop > end:
            raise truncated(_WHAT)
        topic = str(buf[p:stop], "utf-8")
        (count,) = _int(buf, stop)
        p = stop + 4
        if count < 0:
            raise not_nullable("TopicProduceData.partitions")
        left -= count
        if left < 0:
            raise too_many("TopicProduceData.partitions")
        for _ in range(count):
            index, size = _two_ints(buf, p)
            p += 8
            if size >= 0:
                stop = p + size
                if stop > end:
                    raise truncated(_WHAT)
                parts.append((topic, index, buf[p:stop]))
                p = stop
            elif size == -1:
                parts.append((topic, index, None))
            else:
                raise not_nullable("PartitionProduceData.records")
    return transactional_id, acks, timeout_ms, parts


# ---- responses ----

_head_classic = Struct(">iii").pack  # length, correlation id, topic count
_head_flexible = Struct(">iiBB").pack  # length, correlation id, header tags, topic count + 1
_count = Struct(">i").pack
_throttle = Struct(">i").pack
_throttle_flexible = Struct(">iB").pack

# index, error, base, append time, [log start], [record errors 0, message null], [tags]
_part_v3 = Struct(">ihqq").pack
_part_v5 = Struct(">ihqqq").pack
_part_v8 = Struct(">ihqqqih").pack
_part_flexible = Struct(">ihqqqBBB").pack

# partition count, one part, topic tags, throttle, tags: the whole rest when one partition is acked
_single = Struct(">BihqqqBBBBiB")


@lru_cache(maxsize=4096)
def compact_name(name: str) -> bytes:
    """A name as a compact string; remembered, since topics repeat."""
    raw = name.encode()
    return write_uvarint(len(raw) + 1) + raw


@lru_cache(maxsize=4096)
def classic_name(name: str) -> bytes:
    """A name as a two-byte length and its UTF-8."""
    raw = name.encode()
    return len(raw).to_bytes(2, "big") + raw


def build_produce_response(
    version: int, correlation_id: int, acks: Sequence[ProduceAck], throttle_ms: int = 0
) -> bytes:
    """Build a whole Produce response frame: length, header, body.

    Args:
        version: 3 to 13.
        correlation_id: Of the request.
        acks: One tuple per partition; those of one topic stand together, in the order asked.
        throttle_ms: Throttle time.
    """
    if version < FLEXIBLE_FROM:
        return _build_classic(version, correlation_id, acks, throttle_ms)
    if len(acks) == 1:
        topic, index, error, base, append_ms, start = acks[0]
        name = topic if isinstance(topic, bytes) else compact_name(topic)
        tail = _single.pack(2, index, error, base, append_ms, start, 1, 0, 0, 0, throttle_ms, 0)
        return _head_flexible(6 + len(name) + _single.size, correlation_id, 0, 2) + name + tail
    pieces: list[bytes] = []
    topics = 0
    for topic, group in _by_topic(acks):
        topics += 1
        pieces.append(topic if isinstance(topic, bytes) else compact_name(topic))
        pieces.append(write_uvarint(len(group) + 1))
        for _, index, error, base, append_ms, start in group:
            pieces.append(_part_flexible(index, error, base, append_ms, start, 1, 0, 0))
        pieces.append(b"\0")
    pieces.append(_throttle_flexible(throttle_ms, 0))
    body = b"".join([write_uvarint(topics + 1), *pieces])
    return _two_counts(len(body) + 5, correlation_id) + b"\0" + body


def _build_classic(
    version: int, correlation_id: int, acks: Sequence[ProduceAck], throttle_ms: int
) -> bytes:
    pieces = [b""]
    topics = 0
    for topic, group in _by_topic(acks):
        topics += 1
        assert isinstance(topic, str)
        pieces.append(classic_name(topic))
        pieces.append(_count(len(group)))
        for _, index, error, base, append_ms, start in group:
            if version >= 8:
                pieces.append(_part_v8(index, error, base, append_ms, start, 0, -1))
            elif version >= 5:
                pieces.append(_part_v5(index, error, base, append_ms, start))
            else:
                pieces.append(_part_v3(index, error, base, append_ms))
    pieces.append(_throttle(throttle_ms))
    pieces[0] = _head_classic(8 + sum(map(len, pieces)), correlation_id, topics)
    return b"".join(pieces)


_two_counts = Struct(">ii").pack


def _by_topic(acks: Sequence[ProduceAck]) -> list[tuple[str | bytes, list[ProduceAck]]]:
    groups: list[tuple[str | bytes, list[ProduceAck]]] = []
    last: str | bytes | None = None
    for ack in acks:
        if ack[0] != last:
            last = ack[0]
            groups.append((last, []))
        groups[-1][1].append(ack)
    return groups
