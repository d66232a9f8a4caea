"""Errors as gRPC tells them: a status, and in its details why, and when to come again.

Source: google/rpc/status.proto and error_details.proto (Status, ErrorInfo, RetryInfo), the error
model of gRPC; `grpc-retry-pushback-ms` is proposal A6, which clients with a retry policy obey.
"""

from __future__ import annotations

from typing import Any, Final

from summit.base.errors import Conflict, Invalid, SummitError, Unavailable
from summit.protocol.primitives import write_uvarint

try:
    import grpc
except ImportError as missing:
    raise Invalid("extra.missing", what="gRPC", extra="grpc") from missing

DETAILS: Final = "grpc-status-details-bin"
PUSHBACK: Final = "grpc-retry-pushback-ms"
DOMAIN: Final = "summit"

_BY_HTTP: Final = {
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
}
_FULL: Final = ("ingest.queue_full", "ingest.rate_limited")  # the sender is too fast


def code_of(error: SummitError) -> Any:
    """The status code of an error."""
    if isinstance(error, Unavailable):
        full = error.code in _FULL
        return grpc.StatusCode.RESOURCE_EXHAUSTED if full else grpc.StatusCode.UNAVAILABLE
    if isinstance(error, Conflict):
        return grpc.StatusCode.ABORTED
    if isinstance(error, Invalid):
        return _BY_HTTP.get(error.http_status, grpc.StatusCode.INVALID_ARGUMENT)
    return grpc.StatusCode.INTERNAL


def trailers_of(error: SummitError) -> tuple[tuple[str, str | bytes], ...]:
    """The trailing metadata of an error."""
    trailers: list[tuple[str, str | bytes]] = [(DETAILS, status_of(error))]
    if error.retry_after_ms is not None:
        trailers.append((PUSHBACK, str(error.retry_after_ms)))
    return tuple(trailers)


def status_of(error: SummitError) -> bytes:
    """A google.rpc.Status with an ErrorInfo, and a RetryInfo where a retry makes sense."""
    info = _text(1, error.code) + _text(2, DOMAIN)
    status = _number(1, code_of(error).value[0]) + _text(2, str(error))
    status += _bytes(3, _any("ErrorInfo", info))
    if error.retry_after_ms is not None:
        seconds, left_ms = divmod(error.retry_after_ms, 1000)
        delay = _number(1, seconds) + _number(2, left_ms * 1_000_000)
        status += _bytes(3, _any("RetryInfo", _bytes(1, delay)))
    return status


async def abort(context: Any, error: SummitError, *more: tuple[str, str]) -> None:
    """End a call with an error; what ends it is raised.

    Args:
        more: Further trailing metadata.
    """
    await context.abort(code_of(error), str(error), (*trailers_of(error), *more))


def _any(name: str, value: bytes) -> bytes:
    return _text(1, f"type.googleapis.com/google.rpc.{name}") + _bytes(2, value)


def _number(field: int, value: int) -> bytes:
    return write_uvarint(field << 3) + write_uvarint(value) if value else b""


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode(errors="replace"))


def _bytes(field: int, value: bytes) -> bytes:
    return write_uvarint(field << 3 | 2) + write_uvarint(len(value)) + value
