"""Requests that several scenarios send, as plain dicts."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from tests.broker.wire import batch_of

from summit.protocol.api import Api


def versions(api: Api[Any, Any]) -> range:
    """Every version of an API."""
    return range(api.versions.first, api.versions.last + 1)


def topic_of(version: int, id_from: int, name: str, topic_id: uuid.UUID | None) -> dict[str, Any]:
    """A topic by its name, or by its id in the versions that take ids."""
    return {"topic_id": topic_id} if version >= id_from else {"name": name}


def produce(
    version: int, name: str, topic_id: uuid.UUID | None, records: bytes | None, *,
    index: int = 0, acks: int = -1, transactional_id: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """A Produce request of one partition."""
    part = {"index": index, "records": records}
    return {
        "acks": acks, "timeout_ms": 10_000, "transactional_id": transactional_id,
        "topics": [{**topic_of(version, 13, name, topic_id), "partitions": [part]}],
    }  # fmt: skip


def fetch(
    version: int, name: str, topic_id: uuid.UUID | None, offset: int, *,
    index: int = 0, part: dict[str, Any] | None = None, **fields: Any,
) -> dict[str, Any]:  # fmt: skip
    """A Fetch request of one partition, which waits for nothing."""
    asked = {"index": index, "fetch_offset": offset, "partition_max_bytes": 1 << 20, **(part or {})}
    return {
        "max_wait_ms": 0, "min_bytes": 1, "max_bytes": 1 << 25,
        "topics": [{**topic_of(version, 13, name, topic_id), "partitions": [asked]}], **fields,
    }  # fmt: skip


def list_offsets(name: str, timestamps: Iterable[int], **fields: Any) -> dict[str, Any]:
    """A ListOffsets request: the n-th timestamp of partition n."""
    parts = [{"partition_index": n, "timestamp": t} for n, t in enumerate(timestamps)]
    return {"topics": [{"name": name, "partitions": parts}], "timeout_ms": 5_000, **fields}


def sequenced(producer_id: int, epoch: int, sequence: int, *values: bytes, **fields: Any) -> bytes:
    """A batch of an idempotent producer."""
    return batch_of(
        *values, producer_id=producer_id, producer_epoch=epoch, base_sequence=sequence, **fields
    )
