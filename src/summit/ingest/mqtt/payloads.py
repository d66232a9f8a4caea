"""Payloads of MQTT messages into events.

{"n": 1}              the event itself; an array stands for many
anything else         {"eventType": "mqtt.message", "topic": "a/b", "payload": "21.5"}, or with
                      "payloadBase64" where it is no UTF-8 text
"""

from __future__ import annotations

from base64 import b64encode

import msgspec

from summit.base.errors import Invalid
from summit.ingest.bodies import Batch, Limits, parse_body, too_large


def parse_payload(codec: str, topic: str, payload: bytes, limits: Limits) -> Batch:
    """The events of a payload. Raises Invalid: as `parse_body`."""
    if codec != "raw":
        try:
            return parse_body("application/json", payload, limits)
        except Invalid as error:
            if codec == "json" or error.code != "ingest.event_invalid":
                raise
    event = {"eventType": "mqtt.message", "topic": topic}
    try:
        event["payload"] = payload.decode()
    except UnicodeDecodeError:
        event["payloadBase64"] = b64encode(payload).decode()
    encoded = msgspec.json.encode(event)
    if len(encoded) > limits.max_event_bytes:
        raise too_large(0, len(encoded), limits)
    return Batch([encoded], [event])
