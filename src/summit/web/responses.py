"""Answers: JSON by msgspec, plain text. Only finite numbers leave: NaN and Infinity are null."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.responses import Response

__all__ = ["JSON", "Response", "encode_json", "json_response", "text_response"]

JSON: Final = "application/json"


def json_response(
    content: Any, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """An answer with `content` as JSON.

    Args:
        content: Plain values, structs, configuration objects, payloads of an emitter; bytes
            become base64 text.
        status: The HTTP status.
        headers: More headers.
    """
    return Response(encode_json(content), status, headers, JSON)


def text_response(
    text: str,
    *,
    status: int = 200,
    media: str = "text/plain",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An answer with `text` in UTF-8."""
    return Response(text, status, headers, media)


def encode_json(content: Any) -> bytes:
    """`content` as JSON bytes; a number that is not finite becomes `null`."""
    return _ENCODER.encode(content)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


_ENCODER: Final = msgspec.json.Encoder(enc_hook=_plain)
