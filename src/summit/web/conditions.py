"""Conditional requests: entity tags, If-Match and If-None-Match.

Source: RFC 9110, sections 8.8.3 and 13.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final

from summit.base.errors import Invalid
from summit.web.requests import Request
from summit.web.responses import Response, encode_json, json_response

CONDITIONS_READ: Final = {"If-None-Match": "Entity tags; 304 where one of them is still true."}
CONDITIONS_WRITE: Final = {
    "If-Match": "Entity tags as they were read; 412 where none of them is true any more.",
    "If-None-Match": "`*` refuses what is there already, with 412.",
}


def tagged_response(request: Request, content: Any, tag: str) -> Response:
    """The content as JSON with its entity tag; 304 where the caller has it already.

    Args:
        tag: What changes whenever the content does; no quotes in it.
    """
    headers = {"ETag": f'"{tag}"', "Cache-Control": "no-cache"}
    known = _tags(request, "if-none-match")
    if tag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return json_response(content, headers=headers)


def content_tag(content: Any) -> str:
    """An entity tag of content that has no version of its own."""
    return blake2b(encode_json(content), digest_size=12).hexdigest()


def is_conditional(request: Request) -> bool:
    """Whether a change depends on what is there."""
    return "if-match" in request.headers or "if-none-match" in request.headers


def check_conditions(request: Request, tag: str | None) -> None:
    """Refuse a change whose conditions do not hold.

    Args:
        tag: The entity tag of what is there; None = there is nothing.
    Raises: Invalid("web.precondition_failed").
    """
    wanted = _tags(request, "if-match")
    if wanted and (tag is None or not ("*" in wanted or tag in wanted)):
        raise failed("if-match", tag)
    refused = _tags(request, "if-none-match")
    if refused and tag is not None and ("*" in refused or tag in refused):
        raise failed("if-none-match", tag)


def failed(header: str, tag: str | None) -> Invalid:
    """The error of a condition that does not hold."""
    current = "nothing is there" if tag is None else f'the entity tag is "{tag}" now'
    return Invalid("web.precondition_failed", header=header, current=current)


def _tags(request: Request, header: str) -> list[str]:
    """The tags of a header; a weak one counts as a strong one: ours are of one representation."""
    given = ",".join(request.headers.getlist(header))
    return [part.strip().removeprefix("W/").strip('"') for part in given.split(",") if part.strip()]
