"""Problem details (RFC 9457): the one place where an error becomes an HTTP answer.

    {"type": "about:blank", "title": "Not Found", "status": 404, "detail": "topic 'x' …",
     "instance": "/api/topics/x", "code": "topic.unknown", "error": "topic 'x' …",
     "errors": [{"pointer": "/topics/0", "detail": "…"}], "requestId": "…", "advice": "…"}

`code` tells machines what happened; `error` repeats the text where the guide's services had it.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final, NotRequired, TypedDict

from starlette.types import Scope

from summit.base.errors import SummitError
from summit.web.requests import request_id_of
from summit.web.responses import Response, encode_json

PROBLEM_JSON: Final = "application/problem+json"


class ProblemPlace(TypedDict):
    """One thing that is wrong: where, what, and what may have been meant."""

    pointer: str
    detail: str
    suggestion: NotRequired[str]


class Problem(TypedDict):
    """Problem details (RFC 9457); `code` is for machines, `advice` says what to do."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    error: str
    errors: list[ProblemPlace]
    requestId: str
    advice: str
    retryAfterMs: NotRequired[int]


def problem_of(error: SummitError, *, instance: str = "", request_id: str = "") -> Problem:
    """The members of the problem that `error` is.

    Args:
        error: Its details may hold `problems`, a list of `{pointer, message, suggestion?}`
            (mappings or objects), or one `pointer`.
        instance: The path of the request.
        request_id: The id of the request.
    """
    text = str(error)
    status = error.http_status
    members: Problem = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": text,
        "instance": instance,
        "code": error.code,
        "error": text,
        "errors": _places(error, text),
        "requestId": request_id,
        "advice": error.advice,
    }
    if error.retry_after_ms is not None:
        members["retryAfterMs"] = error.retry_after_ms
    return members


def problem_response(
    error: SummitError, scope: Scope, headers: dict[str, str] | None = None
) -> Response:
    """The answer to the request in `scope` that failed by `error`."""
    request_id = request_id_of(scope)
    content = problem_of(error, instance=scope.get("path", ""), request_id=request_id)
    headers = {**(headers or {}), "X-Request-ID": request_id}
    if error.retry_after_ms is not None or error.http_status in (429, 503):
        headers["Retry-After"] = str(max(1, -(-(error.retry_after_ms or 1000) // 1000)))
    return Response(encode_json(content), error.http_status, headers, PROBLEM_JSON)


def _places(error: SummitError, text: str) -> list[ProblemPlace]:
    problems = error.details.get("problems")
    if isinstance(problems, list | tuple):
        return [_place(problem) for problem in problems]
    pointer = error.details.get("pointer")
    if pointer is None:
        return []
    return [{"pointer": str(pointer), "detail": text}]


def _place(problem: Any) -> ProblemPlace:
    def member(*names: str) -> Any:
        for name in names:
            value = problem.get(name) if isinstance(problem, dict) else getattr(problem, name, None)
            if value is not None:
                return value
        return None

    place: ProblemPlace = {
        "pointer": member("pointer") or "",
        "detail": member("detail", "message") or "",
    }
    suggestion = member("suggestion")
    if suggestion:
        place["suggestion"] = suggestion
    return place
