"""CloudEvents 1.0 over HTTP, as events of ours: structured, batched, and binary.

What is written is the CloudEvent in JSON, with `eventId`, `eventType` and `timestamp` beside its
own `id`, `type` and `time`, where it does not have them, so that rules find them. In binary mode
the attributes stand in `ce-` headers and the body is the data.

Source: CloudEvents 1.0.2, JSON event format and HTTP protocol binding.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from summit.base.errors import Invalid
from summit.events.event import DECODE_ERRORS
from summit.ingest.bodies import Batch, Limits, parse_body, too_large

STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"

_REQUIRED: Final = ("id", "source", "specversion", "type")
_OURS: Final = (("eventId", "id"), ("eventType", "type"), ("timestamp", "time"))


def is_binary(headers: Mapping[str, str]) -> bool:
    """Whether the attributes stand in the headers (names in lower case)."""
    return "ce-specversion" in headers


def parse_structured(media: str, body: bytes, limits: Limits) -> Batch:
    """The events of a body in structured or batched mode. Raises Invalid."""
    batch = parse_body("application/json", body, limits)
    if media == STRUCTURED and len(batch.values) != 1:
        raise _invalid("the body", f"it is an array; send it as {BATCH}")
    values = [_ours(value, f"event {index}") for index, value in enumerate(batch.values)]
    return Batch([msgspec.json.encode(value) for value in values], values)


def parse_binary(media: str, headers: Mapping[str, str], body: bytes, limits: Limits) -> Batch:
    """The one event of a body in binary mode. Raises Invalid."""
    event: dict[str, Any] = {
        name[3:]: unquote(text) for name, text in headers.items() if name.startswith("ce-")
    }
    if media:
        event["datacontenttype"] = headers.get("content-type", media)
    if body:
        if media in ("", "application/json", "text/json") or media.endswith("+json"):
            try:
                event["data"] = msgspec.json.decode(body)
            except DECODE_ERRORS as error:
                raise _invalid("the body", f"its data is not JSON: {error}") from error
        elif media.startswith("text/"):
            try:
                event["data"] = body.decode()
            except UnicodeDecodeError as error:
                raise _invalid("the body", "its data is not UTF-8") from error
        else:
            event["data_base64"] = b64encode(body).decode()
    value = _ours(event, "the request")
    encoded = msgspec.json.encode(value)
    if len(encoded) > limits.max_event_bytes:
        raise too_large(0, len(encoded), limits)
    return Batch([encoded], [value])


def _ours(event: dict[str, Any], what: str) -> dict[str, Any]:
    for name in _REQUIRED:
        value = event.get(name)
        if not isinstance(value, str) or not value:
            raise _invalid(what, f"'{name}' is missing, or no text")
    if not event["specversion"].startswith("1."):
        raise _invalid(what, f"its specversion is {event['specversion'][:20]}, not 1.0")
    for ours, theirs in _OURS:
        if ours not in event and theirs in event:
            event[ours] = event[theirs]
    return event


def _invalid(what: str, reason: str) -> Invalid:
    return Invalid("ingest.cloudevent_invalid", what=what, reason=reason, pointer="")
