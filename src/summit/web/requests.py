"""Requests: the body within its limit, typed JSON, parameters; what is wrong is `Invalid`."""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final, TypeVar, overload

import msgspec
from starlette.requests import ClientDisconnect
from starlette.requests import Request as BaseRequest
from starlette.types import Receive, Scope, Send

from summit.base.clock import SystemClock
from summit.base.errors import Invalid
from summit.base.ids import uuid7
from summit.base.limits import HTTP_BODY_BYTES_MAX
from summit.base.rand import Rand
from summit.web.encodings import unfold

__all__ = [
    "ClientDisconnect",
    "Request",
    "int_parameter",
    "media_type",
    "request_id_of",
    "text_parameter",
]

T = TypeVar("T")

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")
_JSON_TYPES: Final = ("", "application/json", "text/json")
_FIELD: Final = re.compile(r"Object (?:missing required|contains unknown) field `([^`]+)`")
_DISCARD_S: Final = 5.0  # how long, and how much, is read of a body that is refused
_DISCARD_BYTES_MAX: Final = 64 << 20
_CLOCK: Final = SystemClock()
_RAND: Final = Rand()


class Request(BaseRequest):
    """One HTTP request.

    Args:
        body_bytes_max: The largest body that `body` and `read_json` take.
    """

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, body_bytes_max: int = HTTP_BODY_BYTES_MAX
    ) -> None:
        super().__init__(scope, receive, send)
        self.body_bytes_max = body_bytes_max
        self.query: msgspec.Struct | None = None

    def query_as(self, type_: type[T]) -> T:
        """The query parameters, which are of the type that the route's operation names."""
        if not isinstance(self.query, type_):
            raise TypeError(f"the operation's query is no {type_.__name__}")
        return self.query

    @property
    def request_id(self) -> str:
        """The caller's X-Request-ID, or one made for this request."""
        return request_id_of(self.scope)

    @property
    def remote_address(self) -> str:
        """The caller's address without port; empty when the transport has none."""
        client = self.scope.get("client")
        return str(client[0]) if client else ""

    async def body(self) -> bytes:
        """The whole body, unfolded from gzip, zstd or deflate.

        Raises: Invalid("web.body_too_large") as soon as the limit is passed, before more is read;
            as `unfolded`.
        """
        if not hasattr(self, "_body"):
            self._body = self.unfolded(await self._read())
        return self._body

    def unfolded(self, raw: bytes) -> bytes:
        """A body that was read, without its content encoding; within the same limit.

        Raises: Invalid("web.content_encoding"), ("web.body_unreadable"),
            ("web.body_unfolds_too_large").
        """
        encodings = self.headers.getlist("content-encoding")
        return unfold(", ".join(encodings), raw, self.body_bytes_max) if encodings else raw

    async def raw_body(self) -> bytes:
        """The whole body as it was sent, whatever its content encoding; errors as `body`."""
        if not hasattr(self, "_body"):
            self._body = await self._read()
        return self._body

    @overload
    async def read_json(self) -> Any: ...
    @overload
    async def read_json(self, type_: type[T]) -> T: ...

    async def read_json(self, type_: Any = Any) -> Any:
        """The body as JSON of `type_`.

        Raises: Invalid: `web.media_type` (415), `web.body_too_large` (413), `web.json_invalid`
            with a pointer (400); as `unfolded`.
        """
        media = media_type(self)
        if media not in _JSON_TYPES and not media.endswith("+json"):
            raise Invalid("web.media_type", media=media, accepted="application/json")
        body = await self.body()
        try:
            return msgspec.json.decode(body, type=type_)
        except msgspec.ValidationError as error:
            message, pointer = _place(str(error))
            raise Invalid("web.json_invalid", reason=message, pointer=pointer) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Invalid("web.json_invalid", reason=str(error), pointer="") from error

    async def _read(self) -> bytes:
        refused = self._declares_too_much()
        chunks: list[bytes] = []
        size_bytes = 0
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_DISCARD_S if refused else None) as deadline:
                async for chunk in self.stream():
                    size_bytes += len(chunk)
                    if not refused and size_bytes <= self.body_bytes_max:
                        chunks.append(chunk)
                        continue
                    # A client that is still sending would not see the answer: read on, in bounds.
                    chunks.clear()
                    if not refused:
                        refused = True
                        deadline.reschedule(loop.time() + _DISCARD_S)
                    if size_bytes > self.body_bytes_max + _DISCARD_BYTES_MAX:
                        break
        except TimeoutError:
            raise self._too_large() from None
        if refused:
            raise self._too_large()
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _declares_too_much(self) -> bool:
        declared = self.headers.get("content-length", "")
        return declared.isdigit() and int(declared) > self.body_bytes_max

    def _too_large(self) -> Invalid:
        return Invalid("web.body_too_large", limit="maxBodyBytes", limit_bytes=self.body_bytes_max)


def media_type(request: Request) -> str:
    """The content type of the body without its parameters, lower case; empty when absent."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def text_parameter(request: Request, name: str, default: str = "") -> str:
    """A query parameter as it stands; `default` when it is absent."""
    return request.query_params.get(name, default)


def int_parameter(
    request: Request, name: str, default: int, *, least: int = 0, most: int | None = None
) -> int:
    """A query parameter as a whole number from `least` to `most`, both inclusive.

    Raises: Invalid("web.parameter").
    """
    text = request.query_params.get(name)
    if text is None:
        return default
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least or (most is not None and value > most):
        span = f"at least {least}" if most is None else f"from {least} to {most}"
        raise Invalid(
            "web.parameter", name=name, text=text, expected=f"a whole number {span}", pointer=name
        )
    return value


def request_id_of(scope: Scope) -> str:
    """The id of the request in `scope`: taken from the caller when well formed, else made."""
    known = scope.get("summit.request_id")
    if known is None:
        known = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        known = known.decode() if _REQUEST_ID.fullmatch(known) else str(uuid7(_CLOCK, _RAND))
        scope["summit.request_id"] = known
    return str(known)


def _place(text: str) -> tuple[str, str]:
    """Message and JSON pointer of a validation message that ends in ` - at `$.a[0]``."""
    message, _, place = text.partition(" - at `$")
    # Inside a mapping the place is written as `[...]`: which member it is, is not told.
    place = place.rstrip("`").partition("[...]")[0]
    pointer = place.replace(".", "/").replace("[", "/").replace("]", "")
    field = _FIELD.search(message)
    return message, f"{pointer}/{field[1]}" if field else pointer
