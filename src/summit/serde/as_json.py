"""Deserialized values as JSON, for people: whatever format they came in."""

from __future__ import annotations

import sys
from typing import Any

import msgspec


def to_json(value: Any) -> bytes:
    """JSON text of a value that a deserializer made; bytes in it become base64.

    What JSON cannot say at all is said as text.
    """
    return _encoder.encode(value)


def _plain(value: Any) -> Any:
    message = sys.modules.get("google.protobuf.message")
    if message is not None and isinstance(value, message.Message):
        from google.protobuf import json_format

        return json_format.MessageToDict(value, preserving_proto_field_name=True)
    return str(value)


_encoder = msgspec.json.Encoder(enc_hook=_plain)
