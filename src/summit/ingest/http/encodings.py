"""Compressed bodies, unfolded within a bound: a small body that unfolds to gigabytes costs no more
than the bound."""

from __future__ import annotations

import zlib
from typing import Final

from summit.base.errors import Corrupt, Invalid
from summit.records.codecs import CODEC_NUMBERS, decompress

SUPPORTED: Final = ("gzip", "zstd", "deflate", "identity")


def unfold(encoding: str, body: bytes, limit: int) -> bytes:
    """The plain body.

    Args:
        encoding: The header Content-Encoding.
        limit: The most bytes that it may unfold to.
    Raises: Invalid("ingest.encoding"), ("ingest.unreadable"), ("ingest.unfolds_too_large").
    """
    name = encoding.strip().lower().removeprefix("x-")
    if name in ("", "identity"):
        return body
    if name not in SUPPORTED:
        raise Invalid("ingest.encoding", encoding=encoding[:60], supported=", ".join(SUPPORTED))
    try:
        if name == "deflate":
            return _inflate(body, limit)
        return decompress(CODEC_NUMBERS[name], body, limit)
    except Corrupt as error:
        reason = error.details.get("reason", str(error))
        raise Invalid("ingest.unreadable", encoding=name, reason=reason) from error
    except Invalid as error:
        raise Invalid("ingest.unfolds_too_large", limit=limit) from error


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
            raise Invalid("ingest.unfolds_too_large", limit=limit)
        if not unfolding.eof:
            raise Corrupt("batch.unreadable", reason="it is cut off")
        return plain
    raise Corrupt("batch.unreadable", reason=str(fault)) from fault
