"""Logs of OpenTelemetry into events: a record of the OTLP is an event.

    {"eventType": "user.login", "timestamp": 1700000000000, "source": "shop", "message": "…",
     "severity": "WARN", "severityNumber": 13, "attributes": {…}, "resource": {…},
     "scope": {"name": "…", "version": "…"}, "traceId": "…", "spanId": "…"}

`eventType` is the record's event name, else what the collector says; `source` the resource's
service.name; a body that is no text is `body` instead of `message`. In JSON, bytes are base64 but
for the two ids, which are hex, and unknown members are passed over.

Source: OpenTelemetry protocol 1.x, opentelemetry/proto/logs/v1/logs.proto and the specification's
"OTLP/HTTP" and "Partial success".
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

import msgspec

from summit.base.errors import Invalid
from summit.events.event import DECODE_ERRORS
from summit.ingest.bodies import Batch, Limits, too_large
from summit.ingest.requests import Refusal, Taken

try:
    from google.protobuf import json_format
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
        DESCRIPTOR,
        ExportLogsServiceRequest,
        ExportLogsServiceResponse,
    )
except ImportError as missing:
    raise Invalid("extra.missing", what="OTLP", extra="otlp") from missing

SERVICE: Final = DESCRIPTOR.services_by_name["LogsService"].full_name
JSON: Final = "application/json"
MEDIA: Final = ("application/x-protobuf", JSON)
IDS: Final = ("traceId", "spanId", "trace_id", "span_id")
UNFOLDS: Final = 64  # how much larger than a request its events may be: each repeats its resource
_NS_A_MS: Final = 1_000_000


def decode(raw: bytes) -> Any:
    """A request of its bytes. Raises Invalid("ingest.event_invalid")."""
    try:
        return ExportLogsServiceRequest.FromString(raw)
    except DecodeError as error:
        raise _invalid(str(error)) from error


def decode_json(raw: bytes) -> Any:
    """The same of JSON. Raises Invalid("ingest.event_invalid")."""
    try:
        value = msgspec.json.decode(raw)
        _ids_to_base64(value)
        return json_format.ParseDict(value, ExportLogsServiceRequest(), ignore_unknown_fields=True)
    except (*DECODE_ERRORS, json_format.ParseError, ValueError, TypeError, AttributeError) as error:
        raise _invalid(str(error)) from error


def decode_body(media: str, body: bytes) -> Any:
    """The request of a body of HTTP. Raises Invalid, also ("web.media_type")."""
    if media not in MEDIA:
        raise Invalid("web.media_type", media=media, accepted=", ".join(MEDIA))
    return decode_json(body) if media == JSON else decode(body)


def answer_body(media: str, lost: list[Refusal]) -> bytes:
    """The body of the answer over HTTP, of the kind that the request was."""
    reply = response(lost)
    if media == JSON:
        text: str = json_format.MessageToJson(reply, indent=None)
        return text.encode()
    found: bytes = reply.SerializeToString()
    return found


async def take(
    request: Any, event_type: str, limits: Limits, write: Callable[[Batch, bool], Awaitable[Taken]]
) -> list[Refusal]:
    """Write the events of a request part by part; those that were not written.

    Args:
        write: Writes a part; whether it is a later one, which must not be refused for want of room:
            its sender would send the whole request again.
    Raises: Invalid("ingest.unfolds_too_large") before anything is written; as `write`.
    """
    check_size(request, limits)
    lost: list[Refusal] = []
    is_later = False
    for part in parts_of(request, event_type, limits):
        answer = (await write(part, is_later)).answer(with_all=True)
        lost += (row for row in answer["results"] if isinstance(row, Refusal))
        is_later = True
    return lost


def check_size(request: Any, limits: Limits) -> None:
    """Raise Invalid("ingest.unfolds_too_large"): a small request may have very many large events,
    as each repeats its resource and its scope.
    """
    size_bytes = 0
    for of_resource in request.resource_logs:
        shared = of_resource.resource.ByteSize()
        for of_scope in of_resource.scope_logs:
            count = len(of_scope.log_records)
            size_bytes += of_scope.ByteSize() + count * (shared + of_scope.scope.ByteSize())
    if size_bytes > UNFOLDS * limits.max_bytes:
        raise Invalid("ingest.unfolds_too_large", limit=UNFOLDS * limits.max_bytes)


def parts_of(request: Any, event_type: str, limits: Limits) -> Iterator[Batch]:
    """The events of a request in parts, none above `limits`; made one by one, as they are asked
    for. What is too large is told in `faults`.
    """
    size_bytes = 0
    batch = Batch([], [], [], {})
    for index, event in enumerate(_events(request, event_type)):
        part = msgspec.json.encode(event)
        is_too_large = len(part) > limits.max_event_bytes
        count = len(batch.slices) + len(batch.faults)
        if count and (count >= limits.max_events or size_bytes + len(part) > limits.max_bytes):
            yield batch
            size_bytes = 0
            batch = Batch([], [], [], {})
        assert batch.indexes is not None
        assert isinstance(batch.faults, dict)
        if is_too_large:
            batch.faults[index] = too_large(index, len(part), limits)
            continue
        size_bytes += len(part)
        batch.slices.append(part)
        batch.values.append(event)
        batch.indexes.append(index)
    if batch.slices or batch.faults:
        yield batch


def response(lost: list[Refusal]) -> Any:
    """The answer to a request, from what of it was not written."""
    reply = ExportLogsServiceResponse()
    rejected = sum(not row.dead_letter for row in lost)
    if rejected:
        reply.partial_success.rejected_log_records = rejected
    if lost:
        reply.partial_success.error_message = f"record {lost[0].index}: {lost[0].error}"
    return reply


def _invalid(reason: str) -> Invalid:
    return Invalid(
        "ingest.event_invalid", what="the request", pointer="", index=None,
        reason=f"it is no ExportLogsServiceRequest ({reason[:200]})",
    )  # fmt: skip


def _ids_to_base64(value: Any) -> None:
    """Ids are hex in OTLP's JSON, where Protobuf's own has base64."""
    for resource in value.get("resourceLogs") or value.get("resource_logs") or ():
        for scope in resource.get("scopeLogs") or resource.get("scope_logs") or ():
            for record in scope.get("logRecords") or scope.get("log_records") or ():
                for name in IDS:
                    if name in record:
                        record[name] = b64encode(bytes.fromhex(record[name])).decode()


def _events(request: Any, event_type: str) -> Iterator[dict[str, Any]]:
    for of_resource in request.resource_logs:
        resource = _attributes(of_resource.resource.attributes)
        for of_scope in of_resource.scope_logs:
            scope = {
                name: text
                for name in ("name", "version")
                if (text := getattr(of_scope.scope, name))
            }
            for record in of_scope.log_records:
                yield _event(record, resource, scope, event_type)


def _event(
    record: Any, resource: dict[str, Any], scope: dict[str, str], event_type: str
) -> dict[str, Any]:
    event: dict[str, Any] = {"eventType": record.event_name or event_type}
    time_ns = record.time_unix_nano or record.observed_time_unix_nano
    if time_ns:
        event["timestamp"] = time_ns // _NS_A_MS
    service = resource.get("service.name")
    if type(service) is str:
        event["source"] = service
    body = _value(record.body)
    if body is not None:
        event["message" if type(body) is str else "body"] = body
    if record.severity_text:
        event["severity"] = record.severity_text
    if record.severity_number:
        event["severityNumber"] = record.severity_number
    if record.attributes:
        event["attributes"] = _attributes(record.attributes)
    if resource:
        event["resource"] = resource
    if scope:
        event["scope"] = scope
    if record.trace_id:
        event["traceId"] = record.trace_id.hex()
    if record.span_id:
        event["spanId"] = record.span_id.hex()
    return event


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    """What an AnyValue holds; bytes as base64."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    found = getattr(value, kind)
    if kind == "array_value":
        return [_value(one) for one in found.values]
    if kind == "kvlist_value":
        return _attributes(found.values)
    if kind == "bytes_value":
        return b64encode(found).decode()
    return found
