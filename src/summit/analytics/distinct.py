"""`Distinct`: how many different values, exact while there are few, then by HyperLogLog.

What came decides the state, not the order or split. The sketch's relative standard error is 1.6 %.

Source: Flajolet et al. 2007; the estimate by Ertl 2017 (no tables, no bias at any size).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from typing import Any, Final, Self

from summit.analytics.columns import Column
from summit.analytics.tokens import plain_token, read_token, token_hash, tokens

EXACT_MAX: Final = 256
_BITS: Final = 12
_REGISTERS: Final = 1 << _BITS
_REST: Final = 64 - _BITS
_REST_MASK: Final = (1 << _REST) - 1
ERROR: Final = 1.04 / math.sqrt(_REGISTERS)


class Distinct:
    """The different values of a field.

    Args:
        exact: Keep all of them, however many.
    """

    __slots__ = ("exact", "registers", "seen")

    def __init__(self, *, exact: bool) -> None:
        self.exact = exact
        self.seen: set[Hashable] = set()
        self.registers: bytearray | None = None

    def add(self, column: Column) -> None:
        """Take the values of a column that are not null."""
        self._take(set(tokens(column.present, column.kinds - {type(None)})))

    def _take(self, new: set[Hashable]) -> None:
        if self.registers is not None:
            self._register(new)
            return
        self.seen |= new
        if len(self.seen) > EXACT_MAX and not self.exact:
            self.registers = bytearray(_REGISTERS)
            self._register(self.seen)
            self.seen = set()

    def _register(self, new: Iterable[Hashable]) -> None:
        registers = self.registers
        assert registers is not None
        for token in new:
            hashed = token_hash(token)
            rank = _REST + 1 - (hashed & _REST_MASK).bit_length()
            place = hashed >> _REST
            registers[place] = max(registers[place], rank)

    def merge(self, other: Distinct) -> None:
        """Take all that another has taken."""
        if other.registers is None:
            self._take(other.seen)
            return
        if self.registers is None:
            self.registers = bytearray(_REGISTERS)
            self._register(self.seen)
            self.seen = set()
        self.registers = bytearray(map(max, self.registers, other.registers))

    @property
    def error(self) -> float | None:
        """The relative standard error; None = the count is exact."""
        return None if self.registers is None else ERROR

    def count(self) -> int:
        """How many there are, or about how many."""
        if self.registers is None:
            return len(self.seen)
        counts = [0] * (_REST + 2)
        for rank in self.registers:
            counts[rank] += 1
        z = _REGISTERS * _tau(1 - counts[_REST + 1] / _REGISTERS)
        for rank in range(_REST, 0, -1):
            z = 0.5 * (z + counts[rank])
        z += _REGISTERS * _sigma(counts[0] / _REGISTERS)
        return round(_REGISTERS * _REGISTERS / (2 * math.log(2) * z))

    def dump(self) -> list[Any]:
        """The state as plain values."""
        seen = [plain_token(token) for token in self.seen]
        return [self.exact, seen, None if self.registers is None else bytes(self.registers)]

    @classmethod
    def load(cls, state: list[Any]) -> Self:
        """One as it was at `dump`."""
        made = cls(exact=state[0])
        made.seen = {read_token(plain) for plain in state[1]}
        made.registers = None if state[2] is None else bytearray(state[2])
        return made


def _sigma(x: float) -> float:
    if x == 1:
        return math.inf
    z, y, before = x, 1.0, -1.0
    while z != before:
        before = z
        x *= x
        z += x * y
        y += y
    return z


def _tau(x: float) -> float:
    if x in (0, 1):
        return 0.0
    z, y, before = 1 - x, 1.0, -1.0
    while z != before:
        before = z
        x = math.sqrt(x)
        y *= 0.5
        z -= (1 - x) ** 2 * y
    return z / 3
