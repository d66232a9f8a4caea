"""Record batches that no producer should send: each field lies in turn, under a right checksum."""

from __future__ import annotations

import random
import struct

import crc32c
from tests.hostile.mutations import spoil

from summit.records import Record, build_batch, compress
from summit.records.batch import CRC_START, HEADER, HEADER_BYTES, LENGTH_END

# Fields of the header in their order, with values that lie.
_LIES: list[tuple[int, list[int]]] = [
    (0, [0, -1, 2**63 - 1, -(2**63)]),  # base offset
    (1, [-1, 0, 1, 48, 49, 2**31 - 1, -(2**31)]),  # batch length
    (2, [-1, 0, 2**31 - 1]),  # leader epoch
    (3, [-1, 0, 1, 3, 127, -128]),  # magic
    (5, [0x20, 0x10, 0x30, 0x08, 0x40, 0x07, 5, 6, 1, 2, 3, 4, -1, 0x7FF8]),  # attributes
    (6, [-1, 0, 1, 2**31 - 1, -(2**31)]),  # last offset delta
    (7, [-1, 0, 2**63 - 1, -(2**63)]),  # base timestamp
    (8, [-1, 0, 2**63 - 1, -(2**63)]),  # max timestamp
    (9, [-2, -1, 0, 1, 2, 2**63 - 1, -(2**63)]),  # producer id
    (10, [-2, -1, 0, 1, 2**15 - 1, -(2**15)]),  # producer epoch
    (11, [-2, -1, 0, 1, 2**31 - 1, -(2**31)]),  # base sequence
    (12, [-1, 0, 1, 5, 2**31 - 1, -(2**31)]),  # record count
]
_BOMB_BYTES = 80 << 20
_bombs: dict[int, bytes] = {}


def good(chance: random.Random, *, producer_id: int = -1) -> bytes:
    """A batch as it should be."""
    count = chance.choice([1, 1, 2, 5])
    records = [
        Record(
            0,
            1_700_000_000_000 + i,
            chance.choice([None, b"k%d" % i]),
            chance.choice([None, b"", b"value", chance.randbytes(50)]),
            chance.choice([(), (("h", b"x"), ("n", None))]),
        )
        for i in range(count)
    ]
    is_mine = producer_id >= 0
    return bytes(
        build_batch(
            records,
            codec=chance.randrange(5),
            producer_id=producer_id,
            producer_epoch=chance.randrange(3) if is_mine else -1,
            base_sequence=chance.choice([0, 1, 5, 2**31 - 1]) if is_mine else -1,
            attributes=0x10 if is_mine and chance.random() < 0.5 else 0,
        )
    )


def hostile(chance: random.Random, *, producer_id: int = -1) -> bytes:
    """A batch that lies."""
    batch = good(chance, producer_id=producer_id)
    kind = chance.random()
    if kind < 0.25:
        return batch
    if kind < 0.4:
        return _with_lies(batch, chance)
    if kind < 0.6:
        return sealed(batch[:HEADER_BYTES] + spoil(batch[HEADER_BYTES:], chance))
    if kind < 0.75:
        return spoil(batch, chance)
    if kind < 0.8:
        return b"".join(good(chance) for _ in range(chance.randint(2, 4)))
    if kind < 0.85:
        return _old_format(chance)
    if kind < 0.86:
        return bomb(chance.randint(1, 4))
    return sealed(batch[:HEADER_BYTES] + _records_that_lie(chance), record_count=1)


def _with_lies(batch: bytes, chance: random.Random) -> bytes:
    fields = list(HEADER.unpack_from(batch))
    for at, values in chance.sample(_LIES, chance.choice([1, 1, 2, 3])):
        fields[at] = chance.choice(values)
    if chance.random() < 0.4:  # counts that agree with one another and with nothing else
        fields[12] = chance.choice([2, 1_000, 2**31 - 1])
        fields[6] = fields[12] - 1
    spoilt = bytearray(batch)
    HEADER.pack_into(spoilt, 0, *fields)
    if chance.random() < 0.9:
        _mend_checksum(spoilt)
    return bytes(spoilt)


def sealed(batch: bytes, *, record_count: int | None = None) -> bytes:
    """A batch whose length and checksum are right, whatever else is not."""
    made = bytearray(batch)
    if len(made) < HEADER_BYTES:
        return batch
    struct.pack_into(">i", made, 8, len(made) - LENGTH_END)
    if record_count is not None:
        struct.pack_into(">i", made, 23, record_count - 1)
        struct.pack_into(">i", made, 57, record_count)
    _mend_checksum(made)
    return bytes(made)


def _mend_checksum(batch: bytearray) -> None:
    struct.pack_into(">I", batch, 17, crc32c.crc32c(memoryview(batch)[CRC_START:]))


def _records_that_lie(chance: random.Random) -> bytes:
    """A body whose varints promise what is not there."""
    piece = chance.choice(
        [
            b"\x7f" * 20,
            b"\xff\xff\xff\xff\x0f" * 4,
            b"\xff" * 30,
            b"\x80" * 30,
            b"\x02\x00\x00\x00\x01\x01\xff\xff\xff\xff\x0f",  # 2^31 headers
            b"\x0e\x00\x00\x00\xfe\xff\xff\xff\x0f\x01\x00",  # a key of 2 GiB
            b"\x0e\x00\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00\x01\x01\x00",  # a huge time
            b"\x01\x00\x00\x00\x01\x01\x00",  # a length of -1
        ]
    )
    return piece + chance.randbytes(chance.choice([0, 10, 100]))


def _old_format(chance: random.Random) -> bytes:
    """Message format 0 or 1, or something like it."""
    magic = chance.choice([0, 1])
    body = struct.pack(">bb", magic, 0) + (b"\0" * 8 if magic else b"") + b"\xff\xff\xff\xff" * 2
    message = struct.pack(">I", 0) + body
    return struct.pack(">qi", 0, len(message)) + message


def bomb(codec: int) -> bytes:
    """A small batch that unfolds to more than is allowed."""
    if codec not in _bombs:
        packed = compress(codec, bytes(_BOMB_BYTES))
        head = build_batch([Record(0, 1_700_000_000_000, b"k", b"v")], codec=codec)[:HEADER_BYTES]
        _bombs[codec] = sealed(bytes(head) + packed)
    return _bombs[codec]
