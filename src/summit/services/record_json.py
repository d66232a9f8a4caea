"""Records as JSON, for REST replies and the command line."""

from __future__ import annotations

import base64
from typing import Any

from summit.client.types import ConsumerRecord


def record_dict(record: ConsumerRecord) -> dict[str, Any]:
    """A record for JSON: texts as they are, other bytes as base64, and marked."""
    value, value_encoding = _text(record.value)
    key, key_encoding = _text(record.key)
    headers = {name: _text(header) for name, header in record.headers.items()}
    plain: dict[str, Any] = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": key,
        "value": value,
        "headers": {name: text for name, (text, _) in headers.items()},
    }
    if value_encoding:
        plain["valueEncoding"] = value_encoding
    if key_encoding:
        plain["keyEncoding"] = key_encoding
    marked = {name: encoding for name, (_, encoding) in headers.items() if encoding}
    if marked:
        plain["headersEncoding"] = marked
    return plain


def _text(value: bytes | None) -> tuple[str | None, str | None]:
    if value is None:
        return None, None
    try:
        return value.decode(), None
    except UnicodeDecodeError:
        return base64.b64encode(value).decode(), "base64"
