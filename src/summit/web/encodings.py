"""Content encodings: bodies of requests unfolded within a bound, answers folded when asked.

A small body that unfolds to gigabytes costs no more than the bound.
"""

from __future__ import annotations

import asyncio
import gzip
import zlib
from typing import Final

from starlette.requests import Request as BaseRequest

from summit.base.errors import Corrupt, Invalid
from summit.records.codecs import CODEC_NUMBERS, decompress
from summit.web.responses import Response

SUPPORTED: Final = ("gzip", "zstd", "deflate", "identity")

_FOLDED_LEAST_BYTES: Final = 1024  # below, nothing is won
_THREAD_LEAST_BYTES: Final = 1 << 18  # what takes longer than a few milliseconds leaves the loop
_LEVEL: Final = 5


def unfold(encoding: str, body: bytes, limit: int) -> bytes:
    """The plain body.

    Args:
        encoding: The header Content-Encoding.
        limit: The most bytes that it may unfold to.
    Raises: Invalid("web.content_encoding"), ("web.body_unreadable"),
        ("web.body_unfolds_too_large").
    """
    name = encoding.strip().lower().removeprefix("x-")
    if name in ("", "identity"):
        return body
    if name not in SUPPORTED:
        supported = ", ".join(SUPPORTED)
        raise Invalid("web.content_encoding", encoding=encoding[:60], supported=supported)
    try:
        if name == "deflate":
            return _inflate(body, limit)
        return decompress(CODEC_NUMBERS[name], body, limit)
    except Corrupt as error:
        reason = error.details.get("reason", str(error))
        raise Invalid("web.body_unreadable", encoding=name, reason=reason) from error
    except Invalid as error:
        raise Invalid("web.body_unfolds_too_large", limit=limit) from error


def _inflate(body: bytes, limit: int) -> bytes:
    """RFC 9110's deflate is zlib's format; some senders leave its two bytes of head away."""
    for bits in (zlib.MAX_WBITS, -zlib.MAX_WBITS):
        unfolding = zlib.decompressobj(bits)
        try:
            plain = unfolding.decompress(body, limit + 1)
        except zlib.error as error:
            fault = error
            continue
        if len(plain) > limit:
            raise Invalid("web.body_unfolds_too_large", limit=limit)
        if not unfolding.eof:
            raise Corrupt("batch.unreadable", reason="it is cut off")
        return plain
    raise Corrupt("batch.unreadable", reason=str(fault)) from fault


async def fold(request: BaseRequest, response: Response) -> None:
    """Compress an answer with gzip where its size pays and the request takes it.

    Streams, which have no body yet, stay as they are.
    """
    body = getattr(response, "body", b"")
    headers = response.headers
    if len(body) < _FOLDED_LEAST_BYTES or "content-encoding" in headers:
        return
    headers.add_vary_header("Accept-Encoding")
    if not _takes_gzip(request.headers.get("accept-encoding", "")):
        return
    if len(body) < _THREAD_LEAST_BYTES:
        folded = gzip.compress(body, _LEVEL, mtime=0)
    else:
        folded = await asyncio.to_thread(gzip.compress, body, _LEVEL, mtime=0)
    response.body = folded
    headers["content-encoding"] = "gzip"
    headers["content-length"] = str(len(folded))
    tag = headers.get("etag", "")
    if tag.startswith('"'):  # other bytes, so no longer the same in the strong sense
        headers["etag"] = f"W/{tag}"


def _takes_gzip(accepted: str) -> bool:
    """Whether a header Accept-Encoding takes gzip (RFC 9110, 12.5.3)."""
    weights: dict[str, bool] = {}
    for part in accepted.lower().split(","):
        name, _, parameter = part.partition(";")
        weight = parameter.replace(" ", "").removeprefix("q=") if parameter else "1"
        weights[name.strip()] = weight.strip("0.") != ""
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", False)))
