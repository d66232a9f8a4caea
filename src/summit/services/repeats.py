"""Requests that come again: with `Idempotency-Key` a change is made once and answered the same.

    the same key and content: the stored answer, with Idempotency-Replayed: true
    the same key, other content: 422; while the first is under way, wherever: 409

The key is its sender's own, for one method and path. What ends in an error is not kept: sent again
it is tried again. So it is, after a minute, where the service died before it could answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from summit.base.errors import Invalid, SummitError
from summit.base.ids import uuid7
from summit.base.rand import Rand
from summit.journal.answer_log import Answer, digest_of
from summit.services.node import Node
from summit.services.permission import principal_of
from summit.web import Handler, Operation, Request, Response, json_response

HEADER: Final = "Idempotency-Key"
KEY_CHARS_MAX: Final = 200
_WRITING: Final = ("POST", "PUT", "PATCH", "DELETE")
_KEPT: Final = ("content-type", "etag", "link", "location", "cache-control")
_TEXT: Final = (
    "1 to 200 printable characters of the sender's choice: within a day the same request under the"
    " same key is done once and answered the same; another one is refused with 422, one whose"
    " first is under way with 409."
)


def may_repeat(method: str, path: str) -> bool:
    """Whether a route heeds the header: those that change something, and tell no secret."""
    if method not in _WRITING or path.startswith("/api/keys"):
        return False
    is_trial = path.endswith("/test") and "{" not in path
    return not (is_trial or path.endswith(("/explain", "/backtest")))


def described(operation: Operation) -> Operation:
    """An operation that heeds the header."""
    headers: Mapping[str, str] = {**operation.headers, HEADER: _TEXT}
    return replace(operation, headers=headers, problems=(*operation.problems, 409, 422))


class Repeats:
    """Wraps handlers of one service."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._rand = Rand()

    async def answer(self, handler: Handler, request: Request) -> Any:
        """What a handler answers, or has answered before.

        Raises: what the handler does; Invalid("ingest.key_invalid"), ("ingest.key_reused");
            Conflict("ingest.key_in_flight"); Unavailable.
        """
        given = request.headers.getlist(HEADER)
        if not given:
            return await handler(request)
        text = ", ".join(given)
        if not (0 < len(text) <= KEY_CHARS_MAX and text.isascii() and text.isprintable()):
            raise Invalid("ingest.key_invalid", limit=KEY_CHARS_MAX)
        principal = principal_of(request)
        path = request.url.path.replace("/api/v1/", "/api/", 1)
        key = digest_of(principal.kind, principal.name, request.method, path, text)
        conditions = [request.headers.get(name, "") for name in ("if-match", "if-none-match")]
        content = digest_of(await request.body(), request.url.query, *conditions).encode()
        token = str(uuid7(self._node.clock, self._rand))
        log = self._node.answers
        stored = await log.claim(key, content, token, text)
        if stored is not None:
            headers = {**stored.headers, "Idempotency-Replayed": "true"}
            return Response(stored.body, stored.status, headers)
        try:
            result = await handler(request)
        except BaseException:
            with suppress(SummitError):  # it ends by itself in a minute
                await log.released(key, token)
            raise
        response = result if isinstance(result, Response) else json_response(result)
        kept = {name: response.headers[name] for name in _KEPT if name in response.headers}
        await log.answered(key, token, Answer(response.status_code, kept, bytes(response.body)))
        return response
