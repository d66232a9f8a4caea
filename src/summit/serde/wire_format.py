"""Confluent's wire format: what stands before the bytes of a value whose schema is registered.

    0     magic byte, 0
    1..4  id of the schema, big-endian
    5..   the value; with Protobuf first which message of the file it is:
          a count and so many indexes, zigzag varints: [1, 0] = the first message inside the
          second one = 04 02 00. The most frequent, [0], is the single byte 00.

>>> encode_id(7).hex(), encode_indexes((1, 0)).hex(), encode_indexes((0,)).hex()
('0000000007', '040200', '00')
"""

from __future__ import annotations

from typing import Final

from summit.base.errors import Corrupt
from summit.base.limits import MESSAGE_INDEXES_MAX
from summit.records.varints import decode_varint, encode_varint
from summit.serde.protocol import undeserializable

HEADER_BYTES: Final = 5
_MAGIC: Final = 0


def encode_id(id_: int) -> bytes:
    """The header for a schema's id."""
    return bytes((_MAGIC,)) + id_.to_bytes(4, "big")


def decode_id(topic: str, data: bytes) -> int:
    """The id in the header. Raises Corrupt("record.undeserializable")."""
    if len(data) < HEADER_BYTES or data[0] != _MAGIC:
        raise undeserializable(
            topic,
            f"it does not begin with a schema's id (0, four bytes) but with {data[:5].hex(' ')}; "
            "it was written without a schema registry",
        )
    return int.from_bytes(data[1:HEADER_BYTES], "big")


def encode_indexes(indexes: tuple[int, ...]) -> bytes:
    """Which message of a Protobuf file follows."""
    if indexes == (0,):
        return b"\x00"
    return encode_varint(len(indexes)) + b"".join(map(encode_varint, indexes))


def decode_indexes(topic: str, data: bytes, position: int) -> tuple[tuple[int, ...], int]:
    """The indexes at `position`, and where the message begins. Raises Corrupt."""
    try:
        count, position = decode_varint(data, position)
        if count == 0:
            return (0,), position
        if not 0 < count <= MESSAGE_INDEXES_MAX:
            raise undeserializable(topic, f"{count} message indexes before the value")
        indexes = []
        for _ in range(count):
            index, position = decode_varint(data, position)
            indexes.append(index)
    except Corrupt as error:
        if error.code == "record.undeserializable":
            raise
        raise undeserializable(topic, f"message indexes: {error}") from error
    return tuple(indexes), position
