"""Values as set members: what is equal for the product is equal here, and nothing else."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from hashlib import blake2b
from typing import Any, Final

import msgspec

_encode = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder().decode
_TEXT: Final = frozenset((str,))


def token(value: Any) -> Hashable:
    """What stands for a value in sets: 1 and 1.0 are one, 1, true and "1" are three."""
    kind = type(value)
    if kind is str:
        return value  # type: ignore[no-any-return]
    if kind is int:
        return (0, value)
    if kind is float:
        return (0, int(value) if value.is_integer() else value)
    if kind is bool:
        return (1, value)
    return (2, _encode(value))


def tokens(values: Iterable[Any], kinds: set[type]) -> Iterable[Hashable]:
    """Those of many values, none of them null."""
    return values if kinds <= _TEXT else map(token, values)


def token_value(of: Any) -> Any:
    """The value that a token stands for."""
    if type(of) is str:
        return of
    kind, value = of
    return _decode(value) if kind == 2 else value


def token_order(of: Any) -> tuple[int, Any]:
    """A sort key: truth, numbers, texts, then lists and maps."""
    if type(of) is str:
        return (2, of)
    kind, value = of
    return ((1, 0, 3)[kind], value)


def token_hash(of: Any) -> int:
    """64 bits that are the same in every process."""
    if type(of) is str:
        data = b"s" + of.encode(errors="surrogatepass")
    else:
        kind, value = of
        data = b"j" + value if kind == 2 else b"%d%s" % (kind, repr(value).encode())
    return int.from_bytes(blake2b(data, digest_size=8).digest())


def plain_token(of: Any) -> Any:
    """A token as MessagePack keeps it; a long whole number is text."""
    if type(of) is tuple and type(of[1]) is int and not -(1 << 63) <= of[1] < 1 << 64:
        return [3, str(of[1])]
    return of


def read_token(plain: Any) -> Hashable:
    """The token of `plain_token`."""
    if type(plain) is str:
        return plain
    kind, value = plain
    return (0, int(value)) if kind == 3 else (kind, value)
