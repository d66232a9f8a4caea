"""What a request brings along, taken apart; and comparing it in the same time whatever is wrong."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode
from collections.abc import Iterable
from typing import Any


def bearer_of(header: str) -> str:
    """The token of an Authorization header; empty where it has none.

    >>> bearer_of("Bearer  abc"), bearer_of("Basic abc")
    ('abc', '')
    """
    scheme, _, text = header.strip().partition(" ")
    return text.strip() if scheme.lower() == "bearer" else ""


def basic_of(header: str) -> tuple[bytes, bytes] | None:
    """Name and password of an Authorization header; None where it has none.

    Raises: ValueError: what it has is not base64.
    """
    scheme, _, text = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    name, _, password = b64decode(text.strip(), validate=True).partition(b":")
    return name, password


def same_as_one(given: Any, known: Iterable[Any]) -> bool:
    """Whether `given` equals one of `known`; all are compared, each in constant time."""
    found = False
    for one in known:
        found |= hmac.compare_digest(given, one)
    return found


def digest(secret: bytes) -> bytes:
    """A secret as it is compared: of equal length, whatever the secret's length is."""
    return hashlib.sha256(secret).digest()
