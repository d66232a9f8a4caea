"""Names on disk: what stands where under a data directory and its log directories.

<data_dir>/.lock                        held while the store is open
<data_dir>/meta.properties              format version, cluster id, node id
<data_dir>/checkpoint                   recovery points and log start offsets (checkpoint.py)
<data_dir>/clean-shutdown               there only after a clean close
<data_dir>/wal/<20 digits>.wal          the write-ahead log (wal_format.py)
<log_dir>/<topic>-<partition>/          one partition, in Kafka's layout:
    <20-digit base offset>.log          record batches, one after the other
    <20-digit base offset>.index        offset index
    <20-digit base offset>.timeindex    time index
    <20-digit base offset>.txnindex     aborted transactions, only where there are any
    <20-digit base offset>.swap         its cleaned files take its place (swapping.py)
    <20-digit offset>.snapshot          producer state before that offset
    leader-epoch-checkpoint             where each leader epoch starts
    partition.metadata                  the topic id
<log_dir>/<topic>-<partition>.<id>-delete/   a deleted partition until its files are removed
"""

from __future__ import annotations

import base64
import binascii
import posixpath
from uuid import UUID

LOCK = ".lock"
META = "meta.properties"
CHECKPOINT = "checkpoint"
CLEAN_SHUTDOWN = "clean-shutdown"
WAL = "wal"

LOG = ".log"
INDEX = ".index"
TIME_INDEX = ".timeindex"
TRANSACTION_INDEX = ".txnindex"
SNAPSHOT = ".snapshot"
DELETED = ".deleted"
CLEANED = ".cleaned"  # after another suffix
SWAP = ".swap"
EPOCHS = "leader-epoch-checkpoint"
PARTITION_METADATA = "partition.metadata"
DELETED_DIRECTORY = "-delete"

join = posixpath.join


def offset_name(offset: int, suffix: str) -> str:
    """A file name of 20 digits: `offset_name(42, ".log")` = `00000000000000000042.log`."""
    return f"{offset:020d}{suffix}"


def parse_offset_name(name: str, suffix: str) -> int | None:
    """The offset in a file name, or None when the name is of another kind."""
    stem = name.removesuffix(suffix)
    if len(stem) == 20 and len(name) == 20 + len(suffix) and stem.isascii() and stem.isdigit():
        return int(stem)
    return None


def partition_name(topic: str, index: int) -> str:
    return f"{topic}-{index}"


def parse_partition_name(name: str) -> tuple[str, int] | None:
    """Topic and partition of a directory name, or None when it is of another kind."""
    topic, dash, digits = name.rpartition("-")
    if not dash or not topic or not (digits.isascii() and digits.isdigit()):
        return None
    return topic, int(digits)


def encode_topic_id(topic_id: UUID) -> str:
    """A topic id as Kafka writes it: URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(topic_id.bytes).decode().rstrip("=")


def parse_topic_id(text: str) -> UUID | None:
    """The topic id of `encode_topic_id`, or None."""
    try:
        return UUID(bytes=base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError):
        return None


def encode_partition_metadata(topic_id: UUID) -> bytes:
    return f"version: 0\ntopic_id: {encode_topic_id(topic_id)}".encode()


def parse_partition_metadata(data: bytes) -> UUID | None:
    """The topic id of a `partition.metadata` file, or None when it is damaged."""
    for line in data.decode("utf-8", "replace").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "topic_id":
            return parse_topic_id(value.strip())
    return None
