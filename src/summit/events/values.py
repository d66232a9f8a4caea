"""What operators mean on JSON values: the functions that generated code calls.

None stands for null and for "cannot be computed"; a test answers True, False or None (unknown).
Booleans are not numbers here, though Python thinks so; integers and fractions are one kind.
"""

from __future__ import annotations

import ipaddress
import math
import operator
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from summit.base import limits
from summit.events.severities import severity_rank
from summit.events.times import epoch_ms

NUMBERS: Final = frozenset((int, float))
_INT_MAX: Final = 1 << 64
_LOWER: Final = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_VERSION_PART: Final = re.compile(r"\d+|[A-Za-z]+", re.ASCII)


def equal(left: Any, right: Any) -> bool | None:
    """Typed equality: 1 equals 1.0, never "1" nor true; lists and maps member by member."""
    if left is None or right is None:
        return None
    return _same(left, right)


def _same(left: Any, right: Any) -> bool:
    kind, other = type(left), type(right)
    if kind is dict:
        return (
            other is dict
            and left.keys() == right.keys()
            and all(_same(value, right[name]) for name, value in left.items())
        )
    if kind is list:
        return (
            other is list
            and len(left) == len(right)
            and all(_same(one, two) for one, two in zip(left, right, strict=True))
        )
    if kind is other or (kind in NUMBERS and other in NUMBERS):
        return bool(left == right)
    return False


def order(left: Any, right: Any) -> int | None:
    """-1, 0 or 1; numbers by value, text by code point, anything else None."""
    kind, other = type(left), type(right)
    if (kind in NUMBERS and other in NUMBERS) or (kind is str and other is str):
        return int(left > right) - int(left < right)
    if kind is tuple and other is tuple:  # what `as_ip` and `as_version` give
        return int(left > right) - int(left < right)
    return None


def as_number(value: Any) -> int | float | None:
    """A number, also out of its text; Python's `1_000` and other scripts' digits are none."""
    if type(value) in NUMBERS:
        return value  # type: ignore[no-any-return]
    if type(value) is str and len(value) <= 64 and value.isascii() and "_" not in value:
        try:
            number = float(value)
        except ValueError:
            return None
        if not math.isfinite(number):
            return None
        try:
            return int(value)
        except ValueError:
            return number
    return None


def as_text(value: Any) -> str | None:
    """A text, also of a number or a boolean as JSON writes it."""
    if type(value) is str:
        return value
    if type(value) is bool:
        return "true" if value else "false"
    return str(value) if type(value) in NUMBERS and _bounded(value) is not None else None


def as_ip(value: Any) -> tuple[int, int] | None:
    """(4 or 6, the address as a number); an IPv4 address inside IPv6 counts as IPv4."""
    if type(value) is not str or len(value) > 64:
        return None
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.version, int(address)


def as_version(value: Any) -> tuple[tuple[int, int, str], ...] | None:
    """A sort key of a version such as `1.10.2-rc1`: numbers as numbers, a letter part first.

    >>> as_version("1.9") < as_version("1.10-rc1") < as_version("1.10") == as_version("1.10.0")
    True
    """
    text = as_text(value)
    if type(text) is not str or len(text) > 128:
        return None
    parts = [
        (2, int(part), "") if part[0].isdigit() else (0, 0, part.lower())
        for part in _VERSION_PART.findall(text.removeprefix("v"))
    ]
    if not parts or parts[0][0] == 0:
        return None
    while len(parts) > 1 and parts[-1] == (2, 0, ""):
        parts.pop()
    return (*parts, (1, 0, ""))


CONVERTERS: Final[dict[str, Callable[[Any], Any]]] = {
    "severity": severity_rank,
    "number": as_number,
    "string": as_text,
    "time": epoch_ms,
    "ip": as_ip,
    "version": as_version,
}


def member(item: Any, container: Any) -> bool | None:
    """`item in container`: an element of a list, a key of a map."""
    if item is None:
        return None
    if type(container) is list:
        return any(_same(item, one) for one in container)
    if type(container) is dict and type(item) not in (list, dict):
        return type(item) is str and item in container
    return None


def any_member(item: Any, values: list[Any]) -> bool | None:
    """The item, or any element of it, is one of the values."""
    if item is None:
        return None
    if type(item) is list:
        return any(_same(one, value) for one in item for value in values)
    return any(_same(item, value) for value in values)


def contains(item: Any, part: Any) -> bool | None:
    """Part of a text, element of a list, key of a map."""
    if part is None:
        return None
    if type(item) is str:
        return part in item if type(part) is str else None
    return member(part, item)


def starts_with(item: Any, part: Any) -> bool | None:
    """A text begins with another."""
    return item.startswith(part) if type(item) is str and type(part) is str else None


def ends_with(item: Any, part: Any) -> bool | None:
    """A text ends with another."""
    return item.endswith(part) if type(item) is str and type(part) is str else None


def lower_ascii(item: Any) -> str | None:
    """The text with its ASCII letters in lower case; others stay, as in CEL.

    >>> lower_ascii("AbÄ")
    'abÄ'
    """
    if type(item) is not str:
        return None
    return item.lower() if item.isascii() else item.translate(_LOWER)


def size(item: Any) -> int | None:
    """Characters of a text, elements of a list, members of a map."""
    return len(item) if type(item) in (str, list, dict) else None


def index(item: Any, at: Any) -> Any:
    """A member of a map by its name, an element of a list from 0."""
    if type(item) is dict:
        return item.get(at) if type(at) is str else None
    if type(item) is list and type(at) is int and 0 <= at < len(item):
        return item[at]
    return None


def elements(item: Any) -> list[Any] | None:
    """What `exists` and `all` go through: a list's elements, a map's keys."""
    if type(item) is list:
        return item
    return list(item) if type(item) is dict else None


def add(left: Any, right: Any) -> Any:
    """Sum of two numbers; two texts or two lists joined, up to a limit."""
    kind, other = type(left), type(right)
    if kind in NUMBERS and other in NUMBERS:
        return _arithmetic(operator.add, left, right)
    if (
        kind is other
        and kind in (str, list)
        and len(left) + len(right) <= limits.EXPRESSION_VALUE_SIZE_MAX
    ):
        return left + right
    return None


def subtract(left: Any, right: Any) -> Any:
    """Difference of two numbers."""
    return _arithmetic(operator.sub, left, right)


def multiply(left: Any, right: Any) -> Any:
    """Product of two numbers."""
    return _arithmetic(operator.mul, left, right)


def divide(left: Any, right: Any) -> Any:
    """Quotient of two numbers, with its fraction; null for a division by zero."""
    return None if right == 0 else _arithmetic(operator.truediv, left, right)


def remainder(left: Any, right: Any) -> Any:
    """What a division to a whole number leaves; it has the sign of the left side."""
    if right == 0:
        return None
    if type(left) is int and type(right) is int:
        rest = abs(left) % abs(right)
        return _bounded(-rest if left < 0 else rest)
    return _arithmetic(math.fmod, left, right)


def negate(value: Any) -> Any:
    """Minus a number."""
    return _bounded(-value) if type(value) in NUMBERS else None


def _arithmetic(compute: Callable[[Any, Any], Any], left: Any, right: Any) -> int | float | None:
    if type(left) not in NUMBERS or type(right) not in NUMBERS:
        return None
    try:
        return _bounded(compute(left, right))
    except OverflowError:
        return None


def _bounded(number: int | float) -> int | float | None:
    """Null beyond 64 bits, so that no text of a user makes ever longer numbers."""
    if type(number) is int:
        return number if -_INT_MAX < number < _INT_MAX else None
    return number if math.isfinite(number) else None


def all_of(values: Iterable[Any]) -> bool | None:
    """Three-valued and."""
    answer: bool | None = True
    for value in values:
        if value is False:
            return False
        if value is not True:
            answer = None
    return answer


def any_of(values: Iterable[Any]) -> bool | None:
    """Three-valued or."""
    answer: bool | None = False
    for value in values:
        if value is True:
            return True
        if value is not False:
            answer = None
    return answer


def opposite(value: Any) -> bool | None:
    """Three-valued not."""
    return not value if type(value) is bool else None
