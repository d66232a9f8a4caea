"""What a window keeps to know a value: one class for each way of keeping; and the z-score.

A keep takes values in and, in windows that move, out again: `Moments` (sum, avg, stddev), `Present`
(count of a field), `Counted` (distinct values, their list, scores), `Ordered` (percentile),
`Extreme` (min, max). Only numbers enter sums, percentiles and extremes; null enters nothing.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from math import floor, sqrt
from typing import Any, Protocol

import msgspec

from summit.cep.exact import Moments, Number

VALUES_SHOWN_MAX = 100
_encode = msgspec.json.Encoder(order="sorted").encode


class Keep(Protocol):
    """See the module. `plain` and `load` are for saving."""

    def add(self, value: Any) -> None: ...
    def remove(self, value: Any) -> None: ...
    def merge(self, other: Any) -> None: ...
    def plain(self) -> Any: ...


def filled(keep: Any, values: Iterable[Any]) -> Any:
    """A new keep with these values, of which none will go; None enters none."""
    if type(keep) is Counted:
        keep.counts = dict.fromkeys(values, 1)  # how often does not matter then
        keep.counts.pop(None, None)
    else:
        for value in values:
            if value is not None:
                keep.add(value)
    return keep


class Present:
    """How many events have the field."""

    __slots__ = ("count",)

    def __init__(self, count: int = 0) -> None:
        self.count = count

    def add(self, value: Any) -> None:
        self.count += 1

    def remove(self, value: Any) -> None:
        self.count -= 1

    def merge(self, other: Present) -> None:
        self.count += other.count

    def plain(self) -> Any:
        return self.count


class Counted:
    """How often each value is there; values are what `distinct_value` gives."""

    __slots__ = ("counts",)

    def __init__(self, counts: Iterable[tuple[Any, int]] = ()) -> None:
        self.counts: dict[Any, int] = dict(counts)

    def add(self, value: Any) -> None:
        self.counts[value] = self.counts.get(value, 0) + 1

    def remove(self, value: Any) -> None:
        left = self.counts[value] - 1
        if left:
            self.counts[value] = left
        else:
            del self.counts[value]

    def merge(self, other: Counted) -> None:
        for value, count in other.counts.items():
            self.counts[value] = self.counts.get(value, 0) + count

    def __len__(self) -> int:
        return len(self.counts)

    def cut_to(self, most: int) -> int:
        """Keep the values that came first; how many went."""
        last = list(self.counts)[most:]
        for value in last:
            del self.counts[value]
        return len(last)

    def plain(self) -> Any:
        return list(self.counts.items())

    def shown(self) -> list[Any]:
        """The values, in a fixed order, the first ones where there are many."""
        return [shown_value(value) for value in sorted(self.counts, key=_rank)[:VALUES_SHOWN_MAX]]


class Ordered:
    """All numbers, in order."""

    __slots__ = ("numbers",)

    def __init__(self, numbers: Iterable[Number] = ()) -> None:
        self.numbers: list[Number] = list(numbers)

    def add(self, value: Number) -> None:
        numbers = self.numbers
        if not numbers or value >= numbers[-1]:
            numbers.append(value)
        else:
            insort(numbers, value)

    def remove(self, value: Number) -> None:
        del self.numbers[bisect_left(self.numbers, value)]

    def merge(self, other: Ordered) -> None:
        self.numbers += other.numbers
        self.numbers.sort()

    def __len__(self) -> int:
        return len(self.numbers)

    def cut_to(self, most: int) -> int:
        """Keep so many, evenly spread; how many went."""
        count = len(self.numbers)
        if count > most:
            self.numbers = [self.numbers[n * count // most] for n in range(most)]
        return count - len(self.numbers)

    def plain(self) -> Any:
        return self.numbers

    def percentile(self, percent: float) -> Number | None:
        """Linear between the neighbours of place (n - 1) * percent / 100; None of nothing."""
        numbers = self.numbers
        if not numbers:
            return None
        place = (len(numbers) - 1) * percent / 100
        low = floor(place)
        rest = place - low
        if not rest or numbers[low] == numbers[low + 1]:
            return numbers[low]
        return numbers[low] + (numbers[low + 1] - numbers[low]) * rest


class Extreme:
    """The largest number, or with `sign` -1 the smallest, of those that only come."""

    __slots__ = ("sign", "value")

    def __init__(self, sign: int, value: Number | None = None) -> None:
        self.sign = sign
        self.value = value

    def add(self, value: Number) -> None:
        if self.value is None or self.sign * value > self.sign * self.value:
            self.value = value

    def remove(self, value: Number) -> None:
        raise AssertionError("see MovingExtreme")

    def merge(self, other: Extreme) -> None:
        if other.value is not None:
            self.add(other.value)

    def plain(self) -> Any:
        return self.value


class MovingExtreme:
    """The same of numbers that go again, the oldest first: those that may still become it.

    Times rise and numbers fall (times `sign`) along the list, so what a newer and larger number
    hides is dropped at once; each number is appended and dropped once.
    """

    __slots__ = ("_copies", "_first", "_sign", "_times", "numbers")

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._times: list[int] = []
        self.numbers: list[Number] = []
        self._copies: list[int] = []  # how many of the same time and number
        self._first = 0

    def put(self, at_ms: int, value: Number) -> None:
        """Take in a number; usually the newest."""
        times, numbers, sign = self._times, self.numbers, self._sign
        place = len(times)
        while place > self._first and times[place - 1] > at_ms:
            place -= 1
        if place < len(times) and sign * numbers[place] >= sign * value:
            return  # hidden by a newer one
        low, copies = place, 1
        while low > self._first and sign * numbers[low - 1] <= sign * value:
            low -= 1
            if times[low] == at_ms and numbers[low] == value:
                copies += self._copies[low]
        times[low:place] = [at_ms]
        numbers[low:place] = [value]
        self._copies[low:place] = [copies]

    def drop_to(self, at_ms: int) -> None:
        """Let all numbers go whose time is at most this."""
        times = self._times
        while self._first < len(times) and times[self._first] <= at_ms:
            self._first += 1
        self._shorten()

    def drop_first(self, at_ms: int, value: Number) -> None:
        """Let the oldest number go, which is this."""
        first = self._first
        if first == len(self._times) or (self._times[first], self.numbers[first]) != (at_ms, value):
            return  # it was hidden
        self._copies[first] -= 1
        if not self._copies[first]:
            self._first += 1
            self._shorten()

    def _shorten(self) -> None:
        if self._first > 32 and self._first * 2 > len(self._times):
            del self._times[: self._first], self.numbers[: self._first], self._copies[: self._first]
            self._first = 0

    @property
    def value(self) -> Number | None:
        """None of nothing."""
        return self.numbers[self._first] if self._first < len(self.numbers) else None


def is_number(value: Any) -> bool:
    """Whether a value enters sums; true and false do not."""
    kind = type(value)
    return kind is int or kind is float


def distinct_value(value: Any) -> Any:
    """What stands for a value, so that 1 and 1.0 are one and 1 and true are two."""
    kind = type(value)
    if kind is str or kind is int:
        return value
    if kind is float:
        return int(value) if value.is_integer() else value
    return ("truth", value) if kind is bool else ("json", _encode(value).decode())


def shown_value(value: Any) -> Any:
    """The value that `distinct_value` stood for."""
    if type(value) is not tuple:
        return value
    return msgspec.json.decode(value[1]) if value[0] == "json" else value[1]


def _rank(value: Any) -> tuple[Any, ...]:
    if type(value) is str:
        return (1, value)
    return (2, *map(str, value)) if type(value) is tuple else (0, value)


def zscore(value: Number, others: Moments) -> float | None:
    """How far a value lies from the others: (v - mean) / (sample deviation * sqrt(1 + 1/m)).

    `others` must keep squares. None with fewer than 3 others. Where these are all alike, a
    millionth of their mean stands for their deviation, and no result is beyond 1e6 either way.
    """
    count = others.count
    if count < ZSCORE_OTHERS_MIN:
        return None
    mean, deviation = others.mean, others.deviation
    if mean is None or deviation is None:
        return None
    spread = deviation * sqrt(count / (count - 1))
    if spread <= 1e-12 * abs(mean):
        spread = max(1e-6 * abs(mean), 1e-12)
    score = (value - mean) / (spread * sqrt(1 + 1 / count))
    return float(min(max(score, -1e6), 1e6))


ZSCORE_OTHERS_MIN = 3

__all__ = [
    "ZSCORE_OTHERS_MIN", "Counted", "Extreme", "Keep", "Moments", "MovingExtreme", "Number",
    "Ordered", "Present", "distinct_value", "filled", "is_number", "shown_value", "zscore",
]  # fmt: skip
