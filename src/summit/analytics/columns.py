"""Values of one field, as summaries take them: what is a number, what is there at all."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final

NUMBER_MAX: Final = 1e150
"""Numbers beyond are no numbers here, so that squares stay finite."""
_NUMBERS: Final = frozenset((int, float))


class Column:
    """Some values of a field, in order of arrival; None where an event lacks it.

    Shape: `values` (n,), `ats` (n,) or None.
    """

    def __init__(self, values: Sequence[Any], ats: Sequence[Any] | None = None) -> None:
        self.values = values
        self.ats = ats

    @cached_property
    def kinds(self) -> set[type]:
        """The types that occur."""
        return set(map(type, self.values))

    @cached_property
    def numbers(self) -> Sequence[int | float]:
        """The numbers; booleans, texts and what is beyond 1e150 are none."""
        values = self.values
        if self.kinds <= _NUMBERS and values and _in_range(min(values)) and _in_range(max(values)):
            return values
        return [v for v in values if type(v) in _NUMBERS and _in_range(v)]

    @cached_property
    def wholes(self) -> Sequence[int]:
        """The numbers that are ints."""
        if float not in self.kinds:
            return self.numbers  # type: ignore[return-value]
        return [number for number in self.numbers if type(number) is int]

    @cached_property
    def floats(self) -> list[float]:
        """The numbers that are floats."""
        if float not in self.kinds:
            return []
        if int not in self.kinds:
            return list(self.numbers)
        return [number for number in self.numbers if type(number) is float]

    @cached_property
    def present(self) -> Sequence[Any]:
        """The values that are not null."""
        if type(None) not in self.kinds:
            return self.values
        return [value for value in self.values if value is not None]


def _in_range(number: float) -> bool:
    return -NUMBER_MAX <= number <= NUMBER_MAX
