"""Lines of JSON to events."""

from __future__ import annotations

from typing import Any

from summit.base.errors import Invalid
from summit.events.event import decode_value


def parse_json_line(line: bytes) -> dict[str, Any] | None:
    """The object of one line; None for a blank one.

    Raises: Invalid("event.not_json", "event.not_object").

    >>> parse_json_line(b' {"eventType": "user.login"} ')
    {'eventType': 'user.login'}
    """
    text = line.strip()
    if not text:
        return None
    found = decode_value(text)
    if type(found) is not dict:
        raise Invalid("event.not_object", kind="a value that is no object")
    return found
