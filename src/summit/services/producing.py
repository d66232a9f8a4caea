"""The routes by which records are produced: one, or many in one request.

The trace context of a request (`traceparent`, `tracestate`) and the X-Request-ID that its sender
gave stand in the headers of its records (trace_headers.py), unless these name them themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal, TypedDict

import msgspec

from summit.base.errors import Invalid
from summit.events.times import epoch_ms
from summit.services.internal_topics import refuse_internal
from summit.services.node import Node
from summit.services.permission import require_topic
from summit.services.trace_headers import context_headers, sending
from summit.web import Operation, Request, Routes

_TAG: Final = "records"
_RECORDS_MAX: Final = 10_000
_HEADERS: Final = {
    "traceparent": "Becomes a header of the records (W3C Trace Context).",
    "X-Request-ID": "Names the request; becomes a header of the records.",
}


class ProduceRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A record to produce; a value that is no text is sent as JSON, null as none (a tombstone)."""

    topic: str
    value: Any = msgspec.UNSET
    key: str | None = None
    headers: dict[str, str | None] | None = None
    partition: int | None = None
    timestamp: int | str | None = None


class ProduceBatch(msgspec.Struct, forbid_unknown_fields=True):
    """Records, produced in this order; all are read, and their topics known, before the first."""

    records: Annotated[list[ProduceRequest], msgspec.Meta(min_length=1, max_length=_RECORDS_MAX)]


class Produced(TypedDict):
    """Where a record came to stand."""

    topic: str
    partition: int
    offset: int
    timestamp: int


class ProduceReply(TypedDict):
    """A record that is durable."""

    status: Literal["produced"]
    result: Produced


class ProduceBatchReply(TypedDict):
    """Records that are durable, in the order of the request."""

    status: Literal["produced"]
    results: list[Produced]
    count: int


def add_producing(routes: Routes, node: Node) -> None:
    """Add `POST /api/produce` and `POST /api/produce/batch`."""

    async def one(request: Request) -> ProduceReply:
        body = await request.read_json(ProduceRequest)
        require_topic(request, "produce", body.topic)
        with sending(body.topic):
            record = _record(body, context_headers(request), "")
            await _require_topics(node, [(body.topic, "/topic")])
            result: Any = (await node.producer.send(record)).to_dict()
        return {"status": "produced", "result": result}

    async def batch(request: Request) -> ProduceBatchReply:
        body = await request.read_json(ProduceBatch)
        for each in body.records:
            require_topic(request, "produce", each.topic)
        with sending():
            context = context_headers(request)
            records = [
                _record(each, context, f"/records/{n}") for n, each in enumerate(body.records)
            ]
            await _require_topics(
                node, ((each.topic, f"/records/{n}/topic") for n, each in enumerate(body.records))
            )
            written: Any = [result.to_dict() for result in await node.producer.send_batch(records)]
        return {"status": "produced", "results": written, "count": len(written)}

    routes.post(
        "/api/produce", one,
        Operation(
            "Produce a record", _TAG, body=ProduceRequest, problems=(403, 404), headers=_HEADERS
        ),
    )  # fmt: skip
    routes.post(
        "/api/produce/batch", batch,
        Operation(
            "Produce records", _TAG,
            "After 413 or 503 it is not known which of them were written.",
            body=ProduceBatch, problems=(403, 404), headers=_HEADERS,
        ),
    )  # fmt: skip


async def _require_topics(node: Node, named: Iterable[tuple[str, str]]) -> None:
    """Refuse a topic that is not there: the request's fault, found before anything is written."""
    known = set(await node.admin.list_topics())
    for topic, pointer in named:
        if topic not in known:
            raise Invalid("topic.unknown", topic=topic, pointer=pointer)


def _record(body: ProduceRequest, context: dict[str, str], place: str) -> dict[str, Any]:
    refuse_internal(body.topic, f"{place}/topic")
    value = body.value
    if value is msgspec.UNSET:
        reason = "value is missing; null is a tombstone"
        raise Invalid("record.invalid", pointer=f"{place}/value", reason=reason)
    if value is not None and not isinstance(value, str):
        value = msgspec.json.encode(value)
    headers = {**context, **(body.headers or {})}
    return {
        "topic": body.topic, "value": value, "key": body.key, "headers": headers or None,
        "partition": body.partition, "timestamp": _timestamp(body.timestamp, place),
    }  # fmt: skip


def _timestamp(given: int | str | None, place: str) -> int | None:
    if not isinstance(given, str):
        return given
    at = epoch_ms(given)
    if at is None:
        reason = "timestamp is epoch milliseconds or RFC 3339 text"
        raise Invalid("record.invalid", pointer=f"{place}/timestamp", reason=reason)
    return at
