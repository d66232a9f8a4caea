"""What stands in a file of a partition, entry by entry, as plain members for people and programs.

Every entry has `file` and `kind`: batch, record, marker, index, timeIndex, aborted, producer, text
or damage. A damaged batch is shown and said to be; what cannot be read ends the file with `damage`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from summit.base.errors import Invalid, SummitError
from summit.base.files import Files
from summit.inspection.finding import kind_of, offset_of
from summit.inspection.walking import BrokenEnd, FoundBatch, walk
from summit.log.layout import INDEX, LOG, SNAPSHOT, TIME_INDEX, TRANSACTION_INDEX
from summit.log.snapshots import decode_snapshot
from summit.log.transactions import decode_aborted
from summit.records import CODECS, iter_records, read_marker

Entry = dict[str, Any]


def dump_file(files: Files, path: str, *, with_records: bool = True) -> Iterator[Entry]:
    """The entries of one file, as they come.

    Args:
        with_records: Also those inside batches.
    Raises: Invalid("inspection.nothing_there") when the name is not one of a partition's files.
    """
    kind = kind_of(path)
    if kind is None or not files.exists(path):
        raise Invalid("inspection.nothing_there", path=path)
    if kind == LOG:
        entries = _log(files, path, with_records=with_records)
    elif kind == INDEX:
        entries = _index(files.read_bytes(path), offset_of(path))
    elif kind == TIME_INDEX:
        entries = _time_index(files.read_bytes(path), offset_of(path))
    elif kind == TRANSACTION_INDEX:
        entries = _aborted(files.read_bytes(path))
    elif kind == SNAPSHOT:
        entries = _snapshot(files.read_bytes(path))
    else:
        text = files.read_bytes(path).decode("utf-8", "replace")
        entries = iter([{"kind": "text", "text": line} for line in text.splitlines()])
    for entry in entries:
        yield {"file": path, **entry}


def _log(files: Files, path: str, *, with_records: bool) -> Iterator[Entry]:
    file = files.open(path)
    try:
        for found in walk(file):
            if isinstance(found, BrokenEnd):
                yield {"kind": "damage", "position": found.position, "reason": found.reason}
                return
            yield _batch(found)
            try:
                if found.header.is_control:
                    yield _marker(found)
                elif with_records:
                    yield from _records(found)
            except SummitError as error:
                yield {"kind": "damage", "position": found.position, "reason": str(error)}
    finally:
        file.close()


def _batch(found: FoundBatch) -> Entry:
    header = found.header
    codec = CODECS[header.codec].name if header.codec < len(CODECS) else f"unknown {header.codec}"
    return {
        "kind": "batch", "position": found.position, "size": header.size,
        "baseOffset": header.base_offset, "lastOffset": header.last_offset,
        "count": header.record_count, "leaderEpoch": header.leader_epoch, "codec": codec,
        "baseTimestamp": header.base_timestamp, "maxTimestamp": header.max_timestamp,
        "timestampType": "LogAppendTime" if header.is_log_append_time else "CreateTime",
        "producerId": header.producer_id, "producerEpoch": header.producer_epoch,
        "baseSequence": header.base_sequence, "isTransactional": header.is_transactional,
        "isControl": header.is_control, "crc": f"{header.crc:08x}",
        "isCrcRight": found.is_crc_right,
    }  # fmt: skip


def _marker(found: FoundBatch) -> Entry:
    marker = read_marker(found.data)
    kind = {True: "commit", False: "abort", None: "other"}[marker.is_commit]
    return {
        "kind": "marker", "offset": found.header.base_offset, "marker": kind,
        "producerId": found.header.producer_id, "coordinatorEpoch": marker.coordinator_epoch,
    }  # fmt: skip


def _records(found: FoundBatch) -> Iterator[Entry]:
    for record in iter_records(found.data):
        yield {
            "kind": "record", "offset": record.offset, "timestamp": record.timestamp,
            "key": _text(record.key), "value": _text(record.value),
            "headers": [{"name": name, "value": _text(value)} for name, value in record.headers],
        }  # fmt: skip


def _text(data: bytes | None) -> str | None:
    """Bytes as text; what is not UTF-8 as Python writes it, `\\xff` and so on."""
    return None if data is None else data.decode("utf-8", "backslashreplace")


def index_entries(data: bytes, base_offset: int) -> list[tuple[int, int]]:
    """(offset, position) of an offset index; zeros at the end are room, not entries."""
    rows = list(struct.iter_unpack(">II", data[: len(data) // 8 * 8]))
    while rows and rows[-1] == (0, 0):
        rows.pop()
    return [(base_offset + relative, position) for relative, position in rows]


def time_entries(data: bytes, base_offset: int) -> list[tuple[int, int]]:
    """(timestamp, offset) of a time index; zeros at the end are room, not entries."""
    rows = list(struct.iter_unpack(">qI", data[: len(data) // 12 * 12]))
    while rows and rows[-1] == (0, 0):
        rows.pop()
    return [(timestamp, base_offset + relative) for timestamp, relative in rows]


def _index(data: bytes, base_offset: int) -> Iterator[Entry]:
    for offset, position in index_entries(data, base_offset):
        yield {"kind": "index", "offset": offset, "position": position}


def _time_index(data: bytes, base_offset: int) -> Iterator[Entry]:
    for timestamp, offset in time_entries(data, base_offset):
        yield {"kind": "timeIndex", "timestamp": timestamp, "offset": offset}


def _aborted(data: bytes) -> Iterator[Entry]:
    for entry in decode_aborted(data, 2**63 - 1):
        yield {
            "kind": "aborted", "producerId": entry.producer_id, "firstOffset": entry.first_offset,
            "lastOffset": entry.last_offset, "lastStableOffset": entry.last_stable_offset,
        }  # fmt: skip


def _snapshot(data: bytes) -> Iterator[Entry]:
    entries = decode_snapshot(data)
    if entries is None:
        yield {"kind": "damage", "position": 0, "reason": "the snapshot's checksum is wrong"}
        return
    for producer_id, entry in entries.items():
        last = entry.batches[-1] if entry.batches else None
        yield {
            "kind": "producer", "producerId": producer_id, "epoch": entry.epoch,
            "lastSequence": last.last_sequence if last else None,
            "lastOffset": last.last_offset if last else None,
            "openOffset": entry.open_offset if entry.open_offset >= 0 else None,
        }  # fmt: skip
