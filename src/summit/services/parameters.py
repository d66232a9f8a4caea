"""Query parameters that several routes have: times and flags. Which ones a route knows says its
operation; others are refused, never ignored."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from summit.base.errors import Invalid
from summit.events.times import epoch_ms
from summit.web import Request

TimeText = Annotated[
    str,
    msgspec.Meta(
        description="Epoch milliseconds or RFC 3339 text.", examples=["2026-11-28T06:00:00Z"]
    ),
]
Flag = Annotated[bool, msgspec.Meta(description="true or false")]
IDS: Final = {"id": {"type": "string", "minLength": 1}}


def time_parameter(request: Request, name: str) -> int | None:
    """A time as epoch milliseconds; None when it is absent. Raises Invalid("web.parameter")."""
    text = request.query_params.get(name)
    if text is None:
        return None
    at = epoch_ms(int(text) if _is_number(text) else text)
    if at is None:
        raise Invalid(
            "web.parameter", name=name, text=text, pointer=name,
            expected="epoch milliseconds or RFC 3339 text",
        )  # fmt: skip
    return at


def _is_number(text: str) -> bool:
    return text.isascii() and text.removeprefix("-").isdecimal() and len(text) <= 20
