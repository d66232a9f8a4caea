"""Frames: the length in front of every message, and the headers of requests and responses.

    frame    = length:i32, then `length` bytes
    request  = api_key:i16 api_version:i16 correlation_id:i32 client_id:nullable string [tags] body
    response = correlation_id:i32 [tags] body

Header versions: requests have v1, or v2 (with the tag buffer) where the message is flexible; the
client id is never a compact string. Responses have v0, or v1 (with the tag buffer) where it is
flexible; ApiVersions always has v0, because its reader does not know the version yet.
Example: `00 00 00 0d 00 12 00 00 00 00 00 07 00 03 6b 63 61` is ApiVersions v0, correlation id 7,
client id "kca", empty body (13 bytes).
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from struct import error as struct_error
from typing import Any, Final, NamedTuple

from summit.base.errors import Invalid
from summit.base.limits import FRAME_BYTES_MAX, REQUEST_BYTES_MAX
from summit.protocol import codes
from summit.protocol.api import Api, Q, R
from summit.protocol.api_versions import API_VERSIONS, ApiVersion, ApiVersionsResponse
from summit.protocol.apis import APIS
from summit.protocol.message import VERSION_MAX
from summit.protocol.primitives import Buffer, skip_tags, truncated

LENGTH_BYTES: Final = 4
REQUEST_BYTES_MIN: Final = 10  # key, version, correlation id and the length of the client id

_LENGTH = Struct(">i")
_HEADER = Struct(">hhih")
_CORRELATION = Struct(">i")
_RESPONSE = Struct(">ii")
_FLEXIBLE_FROM = {key: api.flexible.first for key, api in APIS.items() if api.flexible.last > 0}


class RequestHeader(NamedTuple):
    """What stands before every request body."""

    api_key: int
    api_version: int
    correlation_id: int
    client_id: str | None


def check_frame_length(length: int, api_key: int = 0) -> None:
    """Check the length of a request frame before room is made for it.

    Args:
        length: What the length field says, without the field itself.
        api_key: When it is known already: all but Produce have a smaller limit.

    Raises: Invalid("protocol.frame_length"); the connection must be closed then.
    """
    most = FRAME_BYTES_MAX if api_key == 0 else REQUEST_BYTES_MAX
    if not REQUEST_BYTES_MIN <= length <= most:
        raise Invalid("protocol.frame_length", length=length, least=REQUEST_BYTES_MIN, most=most)


def decode_request_header(buf: Buffer, position: int = 0) -> tuple[RequestHeader, int]:
    """Decode a request header of any known API.

    Of an unknown API key or version only the fixed part is certain: the position is then that
    after the client id, and `apis.served` raises for it.

    Args:
        buf: The frame without its length field.
        position: Where the header starts.

    Returns: The header and the position of the body.
    Raises: Invalid("protocol.truncated" | "protocol.malformed").
    """
    view = memoryview(buf)
    try:
        key, version, correlation_id, size = _HEADER.unpack_from(view, position)
        position += _HEADER.size
        client_id = None
        if size >= 0:
            stop = position + size
            if stop > len(view):
                raise truncated("request header")
            # Names only the client, so a bad byte in it is no reason to refuse the request.
            client_id = str(view[position:stop], "utf-8", "replace")
            position = stop
        elif size != -1:
            raise Invalid("protocol.malformed", reason=f"client id of {size} bytes")
        if version >= _FLEXIBLE_FROM.get(key, VERSION_MAX):
            position = position + 1 if not view[position] else skip_tags(view, position)
    except (struct_error, IndexError):
        raise truncated("request header") from None
    return RequestHeader(key, version, correlation_id, client_id), position


def encode_request_header(
    api: Api[Any, Any], version: int, correlation_id: int, client_id: str | None
) -> bytes:
    """Encode the header of a request, without the frame's length."""
    name = b"" if client_id is None else client_id.encode()
    size = -1 if client_id is None else len(name)
    fixed = _HEADER.pack(api.key, version, correlation_id, size)
    return fixed + name + (b"\0" if api.is_flexible(version) else b"")


def encode_request_frame(
    api: Api[Q, R], version: int, correlation_id: int, message: Q, client_id: str | None = None
) -> bytes:
    """Encode a whole request: length, header, body. Raises: Internal("protocol.encode")."""
    parts: list[Buffer] = [encode_request_header(api, version, correlation_id, client_id)]
    api.request_encoder(version)(message, parts.append)
    return b"".join([_LENGTH.pack(sum(map(len, parts))), *parts])


def encode_response_frame_parts(
    api: Api[Q, R], version: int, correlation_id: int, message: R
) -> list[Buffer]:
    """Encode a whole response into buffers for a gathering write; records are not copied."""
    parts: list[Buffer] = [b""]
    if api.response_header_version(version):
        parts.append(b"\0")
    api.response_encoder(version)(message, parts.append)
    parts[0] = _RESPONSE.pack(_CORRELATION.size + sum(map(len, parts)), correlation_id)
    return parts


def encode_response_frame(api: Api[Q, R], version: int, correlation_id: int, message: R) -> bytes:
    """Encode a whole response into one buffer: length, header, body."""
    return b"".join(encode_response_frame_parts(api, version, correlation_id, message))


def decode_response_header(
    api: Api[Any, Any], version: int, buf: Buffer, position: int = 0
) -> tuple[int, int]:
    """Decode a response header.

    Args:
        buf: The frame without its length field.

    Returns: The correlation id and the position of the body.
    Raises: Invalid("protocol.truncated" | "protocol.malformed").
    """
    view = memoryview(buf)
    try:
        (correlation_id,) = _CORRELATION.unpack_from(view, position)
        position += _CORRELATION.size
        if api.response_header_version(version):
            position = skip_tags(view, position)
    except (struct_error, IndexError):
        raise truncated("response header") from None
    return correlation_id, position


def unsupported_api_versions(correlation_id: int, api_keys: Iterable[ApiVersion]) -> bytes:
    """The whole answer to an ApiVersions request newer than ours: v0, with the list.

    Source: KIP-511. The client reads the list and asks again with a version that we have.
    """
    response = ApiVersionsResponse(error_code=codes.UNSUPPORTED_VERSION, api_keys=list(api_keys))
    return encode_response_frame(API_VERSIONS, 0, correlation_id, response)
