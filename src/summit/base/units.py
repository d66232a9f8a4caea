"""Durations and sizes as people write them."""

from __future__ import annotations

import re
from typing import Final

from summit.base.errors import Invalid

_DURATION_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SIZE_BYTES: Final = {
    "": 1, "b": 1,
    "k": 1_000, "kb": 1_000, "m": 1_000**2, "mb": 1_000**2, "g": 1_000**3, "gb": 1_000**3,
    "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
}  # fmt: skip
_DURATION_MS_MAX: Final = 1 << 53  # what every reader of JSON can hold
_NUMBER_UNIT: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")


def parse_duration_ms(value: object) -> int:
    """Milliseconds of a duration: a whole number of them, or a text such as `30s`.

    Raises: Invalid("duration.invalid").

    >>> parse_duration_ms("1.5s"), parse_duration_ms("7d"), parse_duration_ms(250)
    (1500, 604800000, 250)
    """
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _DURATION_MS_MAX:
        return value
    if isinstance(value, str) and (found := _NUMBER_UNIT.fullmatch(value)):
        factor = _DURATION_MS.get(found[2] or "ms")
        if factor is not None:
            ms = float(found[1]) * factor
            if ms <= _DURATION_MS_MAX and ms.is_integer():
                return int(ms)
    raise Invalid("duration.invalid", text=value)


def parse_size_bytes(value: object) -> int:
    """Bytes of a size: a whole number of them, or a text such as `64KiB`.

    Raises: Invalid("size.invalid").

    >>> parse_size_bytes("1GiB"), parse_size_bytes("10kB"), parse_size_bytes(7)
    (1073741824, 10000, 7)
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and (found := _NUMBER_UNIT.fullmatch(value)):
        factor = _SIZE_BYTES.get(found[2].lower())
        if factor is not None:
            size = float(found[1]) * factor
            if size.is_integer():
                return int(size)
    raise Invalid("size.invalid", text=value)


def format_duration(ms: int) -> str:
    """The shortest exact text of a duration.

    >>> format_duration(90_000), format_duration(3_600_000), format_duration(1)
    ('90s', '1h', '1ms')
    """
    for unit in ("d", "h", "m", "s"):
        factor = _DURATION_MS[unit]
        if ms and ms % factor == 0:
            return f"{ms // factor}{unit}"
    return f"{ms}ms"
