"""The five compressions of record batches in one table, each with a bound on what it unfolds.

| number | name   | framing |
|---|---|---|
| 0 | none   | none |
| 1 | gzip   | RFC 1952, members may follow one another |
| 2 | snappy | "xerial" blocks as Java writes them; plain snappy is read too |
| 3 | lz4    | LZ4 frame; written in blocks that stand alone, since Java reads no others |
| 4 | zstd   | zstd frame |

A xerial stream: 8 bytes `82 53 4e 41 50 50 59 00`, version i32 = 1, compatible-from i32 = 1, then
blocks of (length i32, snappy bytes). Blocks hold at most 32 KiB of plain data.

The lz4 frames written here: `04 22 4d 18`, flags `60` (version 1, independent blocks, no checksums
or size), block size `40` (64 KiB), header check `82`; blocks of (length u32 little-endian, bytes),
the length's highest bit set where the bytes are plain; a length of 0 ends the frame.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

import cramjam

from summit.base.errors import Corrupt, Invalid
from summit.base.files import Buffer

NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)

_XERIAL_MAGIC = b"\x82SNAPPY\x00"
_XERIAL_HEADER = _XERIAL_MAGIC + struct.pack(">ii", 1, 1)
_XERIAL_BLOCK_BYTES = 32 * 1024
_LENGTH = struct.Struct(">i")

_LZ4_HEADER = bytes.fromhex("04224d18604082")
_LZ4_BLOCK_BYTES = 64 * 1024
_LZ4_PLAIN = 1 << 31
_LZ4_LENGTH = struct.Struct("<I")

# cramjam says only this when the output buffer is too small; all else is bad input.
_TOO_SMALL = "failed to write whole buffer"


class Codec(NamedTuple):
    """One compression: its wire number is its index in `CODECS`."""

    name: str
    compress: Callable[[Buffer], bytes]
    decompress: Callable[[Buffer, int], bytes]


def compress(codec: int, data: Buffer) -> bytes:
    """Compress `data`. Raises: Invalid("batch.codec_unknown")."""
    return codec_at(codec).compress(data)


def decompress(codec: int, data: Buffer, max_bytes: int) -> bytes:
    """Unfold `data` to at most `max_bytes`.

    Raises: Invalid("batch.codec_unknown"); Invalid("batch.unfolds_too_large") when the plain data
        would be larger; Corrupt("batch.unreadable") when it is not this codec's format.
    Cost: memory of at most `max_bytes` plus the codec's window, whatever the input claims.
    """
    return codec_at(codec).decompress(data, max_bytes)


def codec_at(number: int) -> Codec:
    """The codec of a wire number. Raises: Invalid("batch.codec_unknown")."""
    if 0 <= number < len(CODECS):
        return CODECS[number]
    raise Invalid("batch.codec_unknown", codec=number)


def _copy(data: Buffer) -> bytes:
    return bytes(data)


def _copy_bounded(data: Buffer, max_bytes: int) -> bytes:
    if len(data) > max_bytes:
        raise Invalid("batch.unfolds_too_large", limit_bytes=max_bytes)
    return bytes(data)


def _unfold(
    into: Callable[[Buffer, bytearray], int], data: Buffer, max_bytes: int, guess_bytes: int
) -> bytes:
    """Decompress into buffers that grow fourfold up to `max_bytes`.

    cramjam offers no bound of its own: a buffer of fixed size is the only one it respects.
    """
    size = min(max(guess_bytes, 1024), max_bytes)
    while True:
        out = bytearray(size)
        try:
            return bytes(memoryview(out)[: into(data, out)])
        except cramjam.DecompressionError as error:
            if _TOO_SMALL not in str(error):
                raise Corrupt("batch.unreadable", reason=str(error)) from error
        if size >= max_bytes:
            raise Invalid("batch.unfolds_too_large", limit_bytes=max_bytes)
        size = min(size * 4, max_bytes)


def _gzip(data: Buffer) -> bytes:
    return bytes(cramjam.gzip.compress(data))


def _gunzip(data: Buffer, max_bytes: int) -> bytes:
    return _unfold(cramjam.gzip.decompress_into, data, max_bytes, 4 * len(data))


def _lz4(data: Buffer) -> bytes:
    # Not cramjam's own frame, whose blocks refer to one another: Kafka's Java clients and brokers
    # refuse those ("Dependent block stream is unsupported").
    view = memoryview(data)
    parts: list[Buffer] = [_LZ4_HEADER]
    for start in range(0, len(view), _LZ4_BLOCK_BYTES):
        plain = view[start : start + _LZ4_BLOCK_BYTES]
        block = bytes(cramjam.lz4.compress_block(plain, store_size=False))
        if len(block) < len(plain):
            parts += (_LZ4_LENGTH.pack(len(block)), block)
        else:
            parts += (_LZ4_LENGTH.pack(len(plain) | _LZ4_PLAIN), plain)
    parts.append(_LZ4_LENGTH.pack(0))
    return b"".join(parts)


def _unlz4(data: Buffer, max_bytes: int) -> bytes:
    return _unfold(cramjam.lz4.decompress_into, data, max_bytes, 4 * len(data))


def _zstd(data: Buffer) -> bytes:
    return bytes(cramjam.zstd.compress(data, level=3))


def _unzstd(data: Buffer, max_bytes: int) -> bytes:
    return _unfold(cramjam.zstd.decompress_into, data, max_bytes, 6 * len(data))


def _snappy(data: Buffer) -> bytes:
    view = memoryview(data)
    parts = [_XERIAL_HEADER]
    for start in range(0, len(view), _XERIAL_BLOCK_BYTES):
        block = bytes(cramjam.snappy.compress_raw(view[start : start + _XERIAL_BLOCK_BYTES]))
        parts += (_LENGTH.pack(len(block)), block)
    return b"".join(parts)


def _unsnappy(data: Buffer, max_bytes: int) -> bytes:
    view = memoryview(data)
    if view[:8] != _XERIAL_MAGIC:
        return _unsnappy_block(view, max_bytes)
    parts: list[bytes] = []
    left = max_bytes
    position = len(_XERIAL_HEADER)
    while position < len(view):
        if position + 4 > len(view):
            raise Corrupt("batch.unreadable", reason="a snappy block is cut off")
        (size,) = _LENGTH.unpack_from(view, position)
        position += 4
        if size < 0 or position + size > len(view):
            raise Corrupt("batch.unreadable", reason="a snappy block is cut off")
        part = _unsnappy_block(view[position : position + size], left)
        left -= len(part)
        parts.append(part)
        position += size
    return b"".join(parts)


def _unsnappy_block(block: memoryview, max_bytes: int) -> bytes:
    try:
        size = cramjam.snappy.decompress_raw_len(block)
        if size > max_bytes:
            raise Invalid("batch.unfolds_too_large", limit_bytes=max_bytes)
        return bytes(cramjam.snappy.decompress_raw(block))
    except cramjam.DecompressionError as error:
        raise Corrupt("batch.unreadable", reason=str(error)) from error


CODECS = (
    Codec("none", _copy, _copy_bounded),
    Codec("gzip", _gzip, _gunzip),
    Codec("snappy", _snappy, _unsnappy),
    Codec("lz4", _lz4, _unlz4),
    Codec("zstd", _zstd, _unzstd),
)

CODEC_NUMBERS = {codec.name: number for number, codec in enumerate(CODECS)}
