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
from summit.records.marker import Marker, build_marker, read_marker
from summit.records.record import Headers, Record, build_batch, iter_records

__all__ = [
    "HEADER_BYTES",
    "BatchHeader",
    "CODECS",
    "CODEC_NUMBERS",
    "Headers",
    "Marker",
    "Record",
    "assign_offsets",
    "build_batch",
    "build_marker",
    "check_crc",
    "compress",
    "decompress",
    "iter_records",
    "parse_header",
    "read_marker",
    "split_batches",
    "stamp_append_time",
    "validate_batch",
]
