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
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from summit.base.errors import Invalid
from summit.events.event import DECODE_ERRORS
from summit.ingest.bodies import Batch, Limits, too_large

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
UNFOLDS: Final = 16  # how much larger than a request its events may be: each repeats its resource
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


def read_body(media: str, body: bytes, event_type: str, limits: Limits) -> Batch:
    """The events of a body of HTTP. Raises Invalid, also ("web.media_type")."""
    if media not in MEDIA:
        raise Invalid("web.media_type", media=media, accepted=", ".join(MEDIA))
    request = decode_json(body) if media == JSON else decode(body)
    return batch_of(request, event_type, limits)


def answer_body(media: str, answer: dict[str, Any]) -> bytes:
    """The body of the answer over HTTP, of the kind that the request was."""
    reply = response(answer)
    if media == JSON:
        text: str = json_format.MessageToJson(reply, indent=None)
        return text.encode()
    found: bytes = reply.SerializeToString()
    return found


def batch_of(request: Any, event_type: str, limits: Limits) -> Batch:
    """The events of a request; what is too large is told in `faults`.

    Raises: Invalid("ingest.too_many"); ("ingest.unfolds_too_large"): each event repeats its
        resource, so a small request may have large events.
    """
    count = sum(len(scope.log_records) for one in request.resource_logs for scope in one.scope_logs)
    if count > limits.max_events:
        raise Invalid("ingest.too_many", count=count, limit=limits.max_events, pointer="")
    size_bytes = 0
    batch = Batch([], [], [], faults := {})
    assert batch.indexes is not None
    for index, event in enumerate(_events(request, event_type)):
        part = msgspec.json.encode(event)
        size_bytes += len(part)
        if size_bytes > UNFOLDS * limits.max_bytes:
            raise Invalid("ingest.unfolds_too_large", limit=UNFOLDS * limits.max_bytes)
        if len(part) > limits.max_event_bytes:
            faults[index] = too_large(index, len(part), limits)
            continue
        batch.slices.append(part)
        batch.values.append(event)
        batch.indexes.append(index)
    return batch


def response(answer: dict[str, Any]) -> Any:
    """The answer to a request, from the counts and rows of ours."""
    reply = ExportLogsServiceResponse()
    lost = [row for row in answer.get("results", ()) if getattr(row, "error", None)]
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
