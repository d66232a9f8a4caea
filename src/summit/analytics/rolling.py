"""What a moving window holds, from what it held before: slices come at one end, go at the other.

The cost of a step is that of the slices that come and go, however many stay: exact sums and counts
are subtracted, extremes and sketches of distinct values wait on two stacks. The answers are those
of a merge of all slices.

Source: Tangwongsan et al. 2017 (two stacks).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, Final, Generic, Protocol, TypeVar

from summit.analytics.distinct import Distinct
from summit.analytics.frequent import EXACT_MAX as FREQUENT_MAX
from summit.analytics.frequent import Frequent
from summit.analytics.numbers import Numbers
from summit.analytics.ordered import Ordered
from summit.analytics.pane import Pane
from summit.analytics.program import Program
from summit.analytics.quantiles import EXACT_MAX as QUANTILES_MAX
from summit.analytics.quantiles import Ascending, Buckets, Quantiles

T = TypeVar("T")
_NONE: Final = (None, None)


class TwoStacks(Generic[T]):
    """Merges what is in a queue: O(1) merges a step, on average. `merge` changes neither side."""

    def __init__(self, merge: Callable[[T, T], T]) -> None:
        self._merge = merge
        self._front: list[T] = []  # what is left and all behind it, merged; the next to go is last
        self._back: list[T] = []
        self._whole_back: T | None = None

    def push(self, item: T) -> None:
        """One more at the end."""
        self._back.append(item)
        whole = self._whole_back
        self._whole_back = item if whole is None else self._merge(whole, item)

    def pop(self) -> None:
        """The first one goes."""
        if not self._front:
            whole: T | None = None
            for item in reversed(self._back):
                whole = item if whole is None else self._merge(item, whole)
                self._front.append(whole)
            self._back, self._whole_back = [], None
        self._front.pop()

    def value(self) -> T | None:
        """All of them merged; None of nothing."""
        if not self._front:
            return self._whole_back
        if self._whole_back is None:
            return self._front[-1]
        return self._merge(self._front[-1], self._whole_back)


class _Roller(Protocol):
    """One summary of a moving window."""

    def push(self, summary: Any) -> None: ...
    def pop(self, summary: Any) -> None: ...
    def value(self) -> Any: ...


Range = tuple[float | int | None, float | int | None]


def _wider(one: Range, other: Range) -> Range:
    if one[0] is None or one[1] is None or other[0] is None or other[1] is None:
        return other if one[0] is None else one
    return min(one[0], other[0]), max(one[1], other[1])


class _Numbers:
    def __init__(self, like: Numbers) -> None:
        self._sum = Numbers(squares=like.squares is not None)
        self._range: TwoStacks[Range] = TwoStacks(_wider)
        self._real = 0

    def push(self, summary: Numbers) -> None:
        mine = self._sum
        mine.count += summary.count
        mine.total.add(summary.total)
        if mine.squares is not None and summary.squares is not None:
            mine.squares.add(summary.squares)
        self._real += summary.total.is_real
        self._range.push((summary.smallest, summary.largest))

    def pop(self, summary: Numbers) -> None:
        mine = self._sum
        mine.count -= summary.count
        mine.total.subtract(summary.total)
        if mine.squares is not None and summary.squares is not None:
            mine.squares.subtract(summary.squares)
        self._real -= summary.total.is_real
        self._range.pop()

    def value(self) -> Numbers:
        self._sum.total.is_real = self._real > 0
        self._sum.smallest, self._sum.largest = self._range.value() or _NONE
        return self._sum


class _Rolled:
    """Quantiles to be read once."""

    def __init__(self, ascending: Ascending, error: float | None) -> None:
        self._ascending = ascending
        self.error = error

    def ascending(self) -> Ascending:
        return self._ascending


class _Quantiles:
    def __init__(self, like: Quantiles) -> None:
        self._exact = like.exact
        self._slices: deque[Quantiles] = deque()
        self._count = 0
        self._sketched = 0  # slices that are sketches themselves
        self._ordered: list[float] | None = []  # all values, while they are few
        self._buckets: Buckets | None = None  # counts of all values, when they are many
        self._range: TwoStacks[Range] = TwoStacks(_wider)

    def push(self, summary: Quantiles) -> None:
        self._slices.append(summary)
        self._range.push(_range_of(summary))
        self._count += summary.count
        self._sketched += summary.sketch is not None
        ordered = self._ordered
        if ordered is not None:
            if self._is_small():
                if len(summary.values) > 8:
                    ordered.extend(summary.values)
                    ordered.sort()
                else:
                    for value in summary.values:
                        insort(ordered, value)
            else:
                self._ordered = None
        if self._buckets is not None:
            self._buckets.merge(_buckets_of(summary))

    def pop(self, summary: Quantiles) -> None:
        self._slices.popleft()
        self._range.pop()
        self._count -= summary.count
        self._sketched -= summary.sketch is not None
        if self._ordered is not None:
            for value in summary.values:
                del self._ordered[bisect_left(self._ordered, value)]
        if self._buckets is not None:
            if self._is_small() or self._buckets.level or summary.sketch is not None:
                self._buckets = None
            else:
                _take_away(self._buckets, _buckets_of(summary))

    def _is_small(self) -> bool:
        return not self._sketched and (self._exact or self._count <= QUANTILES_MAX)

    def value(self) -> _Rolled:
        if self._is_small():
            if self._ordered is None:
                self._ordered = sorted(value for one in self._slices for value in one.values)
            return _Rolled(Ascending(self._ordered), None)
        if self._buckets is None:
            self._buckets = Buckets()
            for one in self._slices:
                self._buckets.merge(_buckets_of(one))
        buckets, (low, high) = self._buckets, self._range.value() or _NONE
        assert low is not None
        assert high is not None
        buckets.smallest, buckets.largest = low, high
        return _Rolled(buckets.ascending(), buckets.share)


def _buckets_of(summary: Quantiles) -> Buckets:
    if summary.sketch is not None:
        return summary.sketch
    buckets = Buckets()
    buckets.add(summary.values)
    return buckets


def _take_away(buckets: Buckets, gone: Buckets) -> None:
    buckets.above -= gone.above
    buckets.below -= gone.below
    buckets.zeros -= gone.zeros


def _range_of(summary: Quantiles) -> Range:
    if summary.sketch is not None:
        return summary.sketch.smallest, summary.sketch.largest
    return (min(summary.values), max(summary.values)) if summary.values else _NONE


class _Frequent:
    def __init__(self, like: Frequent) -> None:
        self._exact = like.exact
        self._slices: deque[Frequent] = deque()
        self._counts: Counter[Any] = Counter()
        self._cut = 0  # slices that are not exact

    def push(self, summary: Frequent) -> None:
        self._slices.append(summary)
        self._cut += summary.error > 0
        self._counts.update(summary.counts)

    def pop(self, summary: Frequent) -> None:
        self._slices.popleft()
        self._cut -= summary.error > 0
        for value, count in summary.counts.items():
            left = self._counts[value] - count
            if left:
                self._counts[value] = left
            else:
                del self._counts[value]

    def value(self) -> Frequent:
        found = Frequent(exact=self._exact)
        if not self._cut and (self._exact or len(self._counts) <= FREQUENT_MAX):
            found.counts = self._counts
            return found
        for one in self._slices:
            found.merge(one)
        return found


class _Stacked:
    """Summaries that can only be merged."""

    def __init__(self, merge: Callable[[Any, Any], Any]) -> None:
        self._stacks: TwoStacks[Any] = TwoStacks(merge)

    def push(self, summary: Any) -> None:
        self._stacks.push(summary)

    def pop(self, summary: Any) -> None:
        del summary
        self._stacks.pop()

    def value(self) -> Any:
        return self._stacks.value()


def _merge_distinct(one: Distinct, other: Distinct) -> Distinct:
    found = Distinct(exact=one.exact)
    found.merge(one)
    found.merge(other)
    return found


def _merge_ordered(one: Ordered, other: Ordered) -> Ordered:
    found = Ordered(one.limit)
    found.merge(one)
    found.merge(other)
    return found


def _roller(like: Any) -> _Roller:
    match like:
        case Numbers():
            return _Numbers(like)
        case Quantiles():
            return _Quantiles(like)
        case Frequent():
            return _Frequent(like)
        case Distinct():
            return _Stacked(_merge_distinct)
        case _:
            return _Stacked(_merge_ordered)


class Rolling:
    """The window of one group, moved on and on."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._slices: deque[tuple[int, Pane]] = deque()
        self._rollers: list[_Roller] = []
        self._count = 0
        self._to = -(1 << 62)

    def changed(self, start: int) -> None:
        """A slice got an event; if it was taken in before, all begins anew."""
        if start < self._to:
            self._slices.clear()
            self._rollers, self._count = [], 0
            self._to = -(1 << 62)

    def window(
        self, panes: dict[int, Pane], starts: list[int], start: int, end: int
    ) -> Pane | None:
        """What the slices from `start` to before `end` hold, which are never before the last ones.

        The pane is for reading, until the next call. None = nothing.
        """
        for begin in starts[bisect_left(starts, max(self._to, start)) : bisect_left(starts, end)]:
            pane = panes[begin]
            self._program.fold(pane)
            assert pane.summaries is not None
            if not self._rollers:
                self._rollers = [_roller(summary) for summary in pane.summaries]
            for roller, summary in zip(self._rollers, pane.summaries, strict=True):
                roller.push(summary)
            self._count += pane.count
            self._slices.append((begin, pane))
        self._to = end
        while self._slices and self._slices[0][0] < start:
            _, pane = self._slices.popleft()
            for roller, summary in zip(self._rollers, pane.summaries or (), strict=True):
                roller.pop(summary)
            self._count -= pane.count
        if not self._count:
            return None
        found = Pane()
        found.count = self._count
        found.summaries = [roller.value() for roller in self._rollers]
        return found
