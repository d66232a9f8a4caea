"""Record batches, version 2: header, records, codecs; bytes in, bytes out."""

from __future__ import annotations

from summit.records.batch import (
    HEADER_BYTES,
    BatchHeader,
    assign_offsets,
    check_crc,
    parse_header,
    split_batches,
    stamp_append_time,
    validate_batch,
)
from summit.records.codecs import CODEC_NUMBERS, CODECS, compress, decompress
from summit.records.record import Headers, Record, build_batch, iter_records

__all__ = [
    "HEADER_BYTES",
    "BatchHeader",
    "CODECS",
    "CODEC_NUMBERS",
    "Headers",
    "Record",
    "assign_offsets",
    "build_batch",
    "check_crc",
    "compress",
    "decompress",
    "iter_records",
    "parse_header",
    "split_batches",
    "stamp_append_time",
    "validate_batch",
]
