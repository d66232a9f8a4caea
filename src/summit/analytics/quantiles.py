"""`Quantiles`: percentiles, exact while there are few values, then out of a sketch.

The sketch counts values in buckets whose bounds grow by a constant factor, so its answer differs
from the exact one by a stated share of the value. When there would be too many buckets, each two
become one and the share about doubles. Which values came decides the state, not their order or
split: merging loses nothing.

Source: Masson, Rim and Lee 2019 (DDSketch); Epicoco et al. 2020 (uniform collapse).
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final, Self

from summit.analytics.columns import Column

EXACT_MAX: Final = 4_096
SHARE: Final = 0.005
BUCKETS_MAX: Final = 2_048


class Quantiles:
    """Values of a field, as far as their percentiles are asked for.

    Args:
        exact: Keep all values, however many.
    """

    __slots__ = ("count", "exact", "sketch", "values")

    def __init__(self, *, exact: bool) -> None:
        self.exact = exact
        self.count = 0
        self.values = array("d")
        self.sketch: Buckets | None = None

    def add(self, column: Column) -> None:
        """Take the numbers of a column."""
        self._take(column.numbers)

    def _take(self, numbers: Sequence[float]) -> None:
        self.count += len(numbers)
        if self.sketch is not None:
            self.sketch.add(numbers)
            return
        self.values.extend(numbers)
        if self.count > EXACT_MAX and not self.exact:
            self.sketch = Buckets()
            self.sketch.add(self.values)
            self.values = array("d")

    def merge(self, other: Quantiles) -> None:
        """Take all that another has taken."""
        if other.sketch is None:
            self._take(other.values)
            return
        if self.sketch is None:
            self.sketch = Buckets()
            self.sketch.add(self.values)
            self.values = array("d")
        self.sketch.merge(other.sketch)
        self.count += other.count

    @property
    def error(self) -> float | None:
        """By which share of the value an answer may differ; None = it is exact."""
        return None if self.sketch is None else self.sketch.share

    def ascending(self) -> Ascending:
        """The values in order, to ask for percentiles."""
        if self.sketch is not None:
            return self.sketch.ascending()
        return Ascending(sorted(self.values))

    def dump(self) -> list[Any]:
        """The state as plain values."""
        sketch = None if self.sketch is None else self.sketch.dump()
        return [self.exact, self.count, self.values.tolist(), sketch]

    @classmethod
    def load(cls, state: list[Any]) -> Self:
        """One as it was at `dump`."""
        made = cls(exact=state[0])
        made.count, made.values = state[1], array("d", state[2])
        made.sketch = None if state[3] is None else Buckets.load(state[3])
        return made


class Ascending:
    """Values in ascending order, each standing for as many as `counts` says (else one)."""

    def __init__(self, values: list[float], counts: list[int] | None = None) -> None:
        self._values = values
        self._ends: list[int] | None = None
        self.count = len(values)
        if counts is not None:
            self._ends, end = [], 0
            for count in counts:
                end += count
                self._ends.append(end)
            self.count = end

    def percentile(self, percent: float, *, nearest: bool = False) -> float | None:
        """The percentile; None of nothing.

        Linear between the neighbours of place (n - 1) p / 100, as numpy has it; or the value of
        rank ceil(n p / 100).
        """
        if not self.count:
            return None
        if nearest:
            return self._at(max(math.ceil(self.count * percent / 100), 1) - 1)
        place = (self.count - 1) * percent / 100
        below = int(place)
        low = self._at(below)
        if below + 1 >= self.count or place == below:
            return low
        high, part = self._at(below + 1), place - below
        # From the nearer end, as numpy does: no rounding takes it past the other one.
        return high - (high - low) * (1 - part) if part >= 0.5 else low + (high - low) * part

    def _at(self, rank: int) -> float:
        if self._ends is None:
            return self._values[rank]
        first, last = 0, len(self._ends) - 1
        while first < last:
            middle = (first + last) // 2
            if self._ends[middle] > rank:
                last = middle
            else:
                first = middle + 1
        return self._values[first]


class Buckets:
    """Counts of values by the power of a factor that they reach."""

    __slots__ = ("above", "below", "largest", "level", "share", "smallest", "zeros")

    def __init__(self) -> None:
        self.above: Counter[int] = Counter()
        self.below: Counter[int] = Counter()  # of minus the value
        self.zeros = 0
        self.level = 0  # how often two buckets have become one
        self.share = SHARE
        self.smallest = math.inf
        self.largest = -math.inf

    def add(self, numbers: Sequence[float]) -> None:
        """Count numbers."""
        if not numbers:
            return
        low, high = min(numbers), max(numbers)
        self.smallest, self.largest = min(self.smallest, low), max(self.largest, high)
        if self.smallest > 0:
            self.above.update(self._places(numbers))
        else:
            self.above.update(self._places([x for x in numbers if x > 0]))
            below = [-x for x in numbers if x < 0]
            self.below.update(self._places(below))
            self.zeros += sum(1 for x in numbers if x == 0)
        self._fit()

    def _places(self, numbers: Iterable[float]) -> Iterable[int]:
        """The buckets of the first level are exact; later ones follow from them."""
        log, ceil = math.log, math.ceil
        places: Iterable[int] = [ceil(log(x) * _INVERSE) for x in numbers]
        for _ in range(self.level):
            places = [(place + 1) // 2 for place in places]
        return places

    def merge(self, other: Buckets) -> None:
        """Take all that another has counted."""
        above, below, level = other.above, other.below, other.level
        while self.level < level:
            self._collapse()
        while level < self.level:
            above, below = _halved(above), _halved(below)
            level += 1
        self.above.update(above)
        self.below.update(below)
        self.zeros += other.zeros
        self.smallest = min(self.smallest, other.smallest)
        self.largest = max(self.largest, other.largest)
        self._fit()

    def _fit(self) -> None:
        while len(self.above) + len(self.below) > BUCKETS_MAX:
            self._collapse()

    def _collapse(self) -> None:
        self.above, self.below = _halved(self.above), _halved(self.below)
        self.level += 1
        self.share = 2 * self.share / (1 + self.share * self.share)

    def ascending(self) -> Ascending:
        """A value of each bucket, in order."""
        log_factor = math.log((1 + SHARE) / (1 - SHARE)) * 2**self.level
        scale = 2 / (math.exp(log_factor) + 1) if log_factor < 700 else 0.0

        def middle(place: int) -> float:
            return min(math.exp(min(place * log_factor, 709)) * scale, 1e308)

        rows = [(-middle(place), self.below[place]) for place in sorted(self.below, reverse=True)]
        if self.zeros:
            rows.append((0.0, self.zeros))
        rows += [(middle(place), self.above[place]) for place in sorted(self.above)]
        low, high = self.smallest, self.largest
        return Ascending([min(max(v, low), high) for v, _ in rows], [count for _, count in rows])

    def dump(self) -> list[Any]:
        """The state as plain values."""
        return [
            list(self.above.items()), list(self.below.items()), self.zeros, self.level, self.share,
            self.smallest, self.largest,
        ]  # fmt: skip

    @classmethod
    def load(cls, state: list[Any]) -> Self:
        """One as it was at `dump`."""
        made = cls()
        made.above = Counter(dict(map(tuple, state[0])))
        made.below = Counter(dict(map(tuple, state[1])))
        made.zeros, made.level, made.share, made.smallest, made.largest = state[2:]
        return made


_INVERSE: Final = 1 / math.log((1 + SHARE) / (1 - SHARE))


def _halved(counts: Counter[int]) -> Counter[int]:
    found: Counter[int] = Counter()
    for place, count in counts.items():
        found[(place + 1) // 2] += count
    return found
