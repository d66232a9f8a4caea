"""Another codec around the same records.

The records of a batch are compressed as a whole and hold no byte that depends on the codec, so
that a batch is recoded without looking at one of them.
"""

from __future__ import annotations

import crc32c

from summit.base.errors import Corrupt
from summit.base.files import Buffer
from summit.base.limits import BATCH_UNFOLDED_BYTES_MAX
from summit.records.batch import (
    CODEC_MASK,
    CRC_START,
    HEADER,
    HEADER_BYTES,
    LENGTH_END,
    RECORD_BYTES_MIN,
    BatchHeader,
)
from summit.records.codecs import compress, decompress


def recode_batch(batch: Buffer, header: BatchHeader, codec: int) -> bytearray:
    """The batch with its records compressed by `codec`; all else stays, the CRC is made anew.

    Args:
        batch: One whole batch whose CRC holds; it is not changed.
        codec: Index into `codecs.CODECS`.
    Raises: Corrupt("batch.unreadable"); Invalid("batch.unfolds_too_large" | "batch.codec_unknown").
    Cost: Unfolding and compressing; memory of the unfolded batch.
    """
    packed = memoryview(batch)[HEADER_BYTES : header.size]
    body = decompress(header.codec, packed, BATCH_UNFOLDED_BYTES_MAX) if header.codec else packed
    if header.record_count * RECORD_BYTES_MIN > len(body):
        reason = f"{header.record_count} records in {len(body)} bytes"
        raise Corrupt("batch.unreadable", reason=reason)
    return pack_batch(header, compress(codec, body) if codec else body, codec)


def pack_batch(header: BatchHeader, packed: Buffer, codec: int) -> bytearray:
    """A batch of `header` and records that `codec` has compressed: length, codec, CRC set right."""
    out = bytearray(HEADER_BYTES + len(packed))
    attributes = header.attributes & ~CODEC_MASK | codec
    fields = header._replace(batch_length=len(out) - LENGTH_END, attributes=attributes)
    HEADER.pack_into(out, 0, *fields)
    out[HEADER_BYTES:] = packed
    out[17:21] = crc32c.crc32c(memoryview(out)[CRC_START:]).to_bytes(4, "big")
    return out
