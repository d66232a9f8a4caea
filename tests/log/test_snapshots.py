"""Producer snapshot files: Kafka's layout, our longer memory behind it, damage."""

from __future__ import annotations

import struct

import crc32c
import pytest

from summit.log.producers import ProducedBatch, ProducerEntry
from summit.log.snapshots import decode_snapshot, encode_snapshot

ENTRIES = {
    9: ProducerEntry(
        3, 1_700_000_000_000, tuple(ProducedBatch(n, n, n + 40, n + 40) for n in range(5))
    ),
    10: ProducerEntry(0, 5, (ProducedBatch(2**31 - 1, 1, 60, 62),)),
}


def test_round_trip() -> None:
    assert decode_snapshot(encode_snapshot(ENTRIES)) == ENTRIES
    assert decode_snapshot(encode_snapshot({})) == {}


def test_the_first_part_is_kafkas() -> None:
    data = encode_snapshot({9: ENTRIES[9]})
    version, crc, count = struct.unpack_from(">hIi", data)
    assert (version, count) == (1, 1)
    assert crc == crc32c.crc32c(data[6:])
    # id, epoch, last sequence, last offset, offset delta, timestamp, coordinator epoch, open txn
    assert struct.unpack_from(">qhiqiqiq", data, 10) == (9, 3, 4, 44, 0, 1_700_000_000_000, -1, -1)


def test_a_file_that_kafka_wrote_is_read() -> None:
    body = struct.pack(">i", 1) + struct.pack(">qhiqiqiq", 4, 1, 12, 99, 2, 777, -1, -1)
    data = struct.pack(">hI", 1, crc32c.crc32c(body)) + body
    assert decode_snapshot(data) == {4: ProducerEntry(1, 777, (ProducedBatch(10, 12, 97, 99),))}


@pytest.mark.parametrize("size", range(0, len(encode_snapshot(ENTRIES)), 7))
def test_a_cut_file_is_refused(size: int) -> None:
    assert decode_snapshot(encode_snapshot(ENTRIES)[:size]) is None


def test_damage_is_refused() -> None:
    data = bytearray(encode_snapshot(ENTRIES))
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 0x40
        assert decode_snapshot(damaged) is None
