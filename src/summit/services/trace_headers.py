"""What a request says of its trace and its id, as headers of the records that come of it, and the
span in which they are sent.
"""

from __future__ import annotations

from typing import Any, Final

from summit.base.tracing import TRACEPARENT, span, traceparent
from summit.web import Request

_GIVEN: Final = (TRACEPARENT, "tracestate", "x-request-id")
_SENDING: Final = {"messaging.system": "kafka", "messaging.operation.type": "send"}


def sending(topic: str = "") -> Any:
    """A context manager around the sending of records; without a topic they are of several."""
    return span(f"send {topic}".rstrip(), "producer", attributes=_SENDING)


def context_headers(request: Request) -> dict[str, str]:
    """`traceparent` (of this process's own span where it traces), `tracestate`, `x-request-id`.

    Only what the sender gave; a request id that is not well formed is none.
    """
    given = {name: request.headers.get(name) for name in _GIVEN}
    if given["x-request-id"] != request.request_id:  # not well formed: another one was made
        given["x-request-id"] = None
    if (own := traceparent()) is not None:
        given[TRACEPARENT] = own
    return {name: text for name, text in given.items() if text is not None}
