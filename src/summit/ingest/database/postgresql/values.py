"""PostgreSQL's text forms of values as values that JSON can hold.

    int2 int4 int8 oid → number       float4 float8 → number, "NaN" and "Infinity" as text
    numeric → text with all digits, or a number (`numbers: number`)
    bool → true, false                json jsonb → what they hold
    timestamptz → "2026-01-31T12:00:00.5Z"      timestamp → the same without a zone
    bytea → base64                    arrays → lists, within lists where there are more dimensions
    all others (text, uuid, date, inet, enums, ranges, …) → their text

The session must have TimeZone UTC, DateStyle ISO and bytea_output hex (`link.py` sees to it).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any, Final

import msgspec

Decoder = Callable[[bytes], Any]

_ARRAYS: Final = {
    1000: 16, 1001: 17, 1002: 18, 1005: 21, 1007: 23, 1016: 20, 1009: 25, 1014: 1042, 1015: 1043,
    1021: 700, 1022: 701, 1028: 26, 1115: 1114, 1182: 1082, 1183: 1083, 1185: 1184, 1187: 1186,
    1231: 1700, 199: 114, 3807: 3802, 2951: 2950, 1041: 869,
}  # fmt: skip
_FIRST_USER_OID: Final = 16_384
_from_json: Final = msgspec.json.Decoder().decode


def _text(raw: bytes) -> str:
    return raw.decode()


def _bool(raw: bytes) -> bool:
    return raw == b"t"


def _float(raw: bytes) -> float | str:
    value = float(raw)
    return value if abs(value) < float("inf") else raw.decode()


def _number(raw: bytes) -> int | float | str:
    try:
        return int(raw)
    except ValueError:
        return _float(raw)


def _bytes(raw: bytes) -> str:
    if raw[:2] != b"\\x":
        raise ValueError("bytea is not in hex form")
    return b64encode(bytes.fromhex(raw[2:].decode())).decode()


def _timestamp(raw: bytes) -> str:
    return raw.decode().replace(" ", "T", 1) if raw[4:5] == b"-" else raw.decode()


def _timestamptz(raw: bytes) -> str:
    text = _timestamp(raw)
    return text[:-3] + "Z" if text.endswith("+00") else text


_PLAIN: Final[dict[int, Decoder]] = {
    16: _bool, 17: _bytes, 20: int, 21: int, 23: int, 26: int, 114: _from_json, 3802: _from_json,
    700: _float, 701: _float, 1114: _timestamp, 1184: _timestamptz,
}  # fmt: skip


class Values:
    """Finds decoders by type.

    Args:
        numbers: `string` or `number`: what becomes of numeric.
        ask: What a type of users is: ("domain" | "array" | "other", oid of its base or elements).
    """

    def __init__(self, numbers: str, ask: Callable[[int], tuple[str, int]]) -> None:
        self._decoders: dict[int, Decoder] = dict(_PLAIN)
        self._decoders[1700] = _number if numbers == "number" else _text
        self._ask = ask

    def decoder(self, type_oid: int) -> Decoder:
        """The decoder of a type."""
        known = self._decoders.get(type_oid)
        if known is None:
            known = self._decoders[type_oid] = self._make(type_oid)
        return known

    def _make(self, type_oid: int) -> Decoder:
        if type_oid in _ARRAYS:
            return _array_of(self.decoder(_ARRAYS[type_oid]))
        if type_oid < _FIRST_USER_OID:
            return _text
        what, base_oid = self._ask(type_oid)
        if what == "domain":
            return self.decoder(base_oid)
        return _array_of(self.decoder(base_oid)) if what == "array" else _text


def _array_of(element: Decoder) -> Decoder:
    def decode(raw: bytes) -> Any:
        return parse_array(raw, element)

    return decode


def parse_array(raw: bytes, element: Decoder) -> list[Any]:
    """The lists of an array's text, `{1,NULL,"a,b"}`; bounds before it are left out.

    Raises: ValueError for what is none, and what `element` raises.
    """
    at = raw.index(b"{") if raw[:1] == b"[" else 0
    found, end = _list(raw, at, element)
    if end != len(raw):
        raise ValueError("something follows the array")
    return found


def _list(raw: bytes, at: int, element: Decoder) -> tuple[list[Any], int]:
    if raw[at : at + 1] != b"{":
        raise ValueError("an array begins with {")
    items: list[Any] = []
    at += 1
    if raw[at : at + 1] == b"}":
        return items, at + 1
    while True:
        mark = raw[at : at + 1]
        item: Any
        if mark == b"{":
            item, at = _list(raw, at, element)
        elif mark == b'"':
            text, at = _quoted(raw, at + 1)
            item = element(text)
        else:
            start = at
            while raw[at : at + 1] not in (b",", b"}", b""):
                at += 1
            bare = raw[start:at]
            item = None if bare == b"NULL" else element(bare)
        items.append(item)
        mark, at = raw[at : at + 1], at + 1
        if mark == b"}":
            return items, at
        if mark != b",":
            raise ValueError("an array ends with }")


def _quoted(raw: bytes, at: int) -> tuple[bytes, int]:
    out = bytearray()
    while True:
        mark = raw[at : at + 1]
        if mark == b'"':
            return bytes(out), at + 1
        if mark == b"\\":
            at += 1
            mark = raw[at : at + 1]
        if not mark:
            raise ValueError("an array's text does not end")
        out += mark
        at += 1


_ESCAPES: Final = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


def parse_copy_line(line: bytes) -> list[bytes | None]:
    r"""The fields of a line of COPY's text form; None for null.

    >>> parse_copy_line(b"1\t\\N\ta\\tb\n")
    [b'1', None, b'a\tb']
    """
    fields = line.rstrip(b"\n").split(b"\t")
    if b"\\" not in line:
        return list(fields)
    return [None if field == b"\\N" else _unescape(field) for field in fields]


def _unescape(field: bytes) -> bytes:
    if b"\\" not in field:
        return field
    first, *rest = field.split(b"\\")
    out = [first]
    parts = iter(rest)
    for part in parts:
        if part:
            out.append(_ESCAPES.get(part[:1], part[:1]) + part[1:])
        else:  # two backslashes: what follows is plain
            out.append(b"\\" + next(parts, b""))
    return b"".join(out)
