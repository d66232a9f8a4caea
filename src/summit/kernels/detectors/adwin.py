"""ADWIN: an adaptive window that is cut where its two parts differ more than chance allows."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Self

from summit.kernels.arrays import capped, finite
from summit.kernels.detectors.judged import Judged, Score, run
from summit.kernels.detectors.reference import Reference
from summit.kernels.settings import share, whole

_PER_SIZE = 5
_PART_MIN = 5


class Adwin:
    """Flags when the newest part of the window has another mean than the part before it.

    The window grows until two parts of it differ, then the older part is dropped: it always holds
    what is like now. The values are standardized by the first `warmup` of them and kept as buckets
    of 1, 2, 4, … values, at most six of a size. The deviation is the largest difference of two
    parts in units of what chance allows, signed, as found at the last look; 1 is the limit.

    Args:
        delta: The chance of a cut where nothing changed.
        warmup: Values by which the others are standardized.
        every: Look for a cut after so many values.
    Cost: O(log n) a look, O(log n) memory.
    Source: Bifet and Gavaldà 2007 (ADWIN2).
    """

    __slots__ = ("count", "delta", "every", "found", "m2", "mean", "reference", "rows", "skipped",
                 "steps")  # fmt: skip

    limit = 1.0

    def __init__(self, *, delta: float = 0.002, warmup: int = 30, every: int = 16) -> None:
        self.delta = share("delta", delta)
        self.every = whole("every", every, 1)
        self.reference = Reference(None, None, warmup)
        self.rows: list[list[list[float]]] = [[]]  # by power of two; each bucket [sum, m2]
        self.count, self.mean, self.m2 = 0, 0.0, 0.0
        self.steps = self.skipped = 0
        self.found = 0.0

    def update(self, value: Any, at: float | None = None) -> Score:
        """Judge a value by those before it, then learn from it."""
        number = finite(value)
        if number is None:
            self.skipped += 1
            return Score(False, None, None, self.limit, "missing")
        z = self.reference.standardized(number)
        if z is None:
            return Score(False, None, None, self.limit, "warmup")
        expected = self.reference.mean + self.mean * self.reference.std
        self._insert(z)
        self.steps += 1
        is_cut = False
        if self.steps % self.every == 0:
            largest = 0.0
            while self.count >= 2 * _PART_MIN and abs(found := self._difference()) > abs(largest):
                largest = found
                if abs(found) <= 1:
                    break
                is_cut = True
                self._drop_oldest()
            self.found = capped(largest)
        return Score(is_cut, expected, self.found, self.limit, "ready")

    def _insert(self, z: float) -> None:
        self.count += 1
        apart = z - self.mean
        self.mean += apart / self.count
        self.m2 += apart * (z - self.mean)
        rows, size = self.rows, 1
        rows[0].append([z, 0.0])
        for power, row in enumerate(rows):
            if len(row) <= _PER_SIZE:
                return
            (first, first_m2), (second, second_m2) = row[0], row[1]
            del row[:2]
            gap = (second - first) / size
            merged = [first + second, first_m2 + second_m2 + gap * gap * size / 2]
            if power + 1 == len(rows):
                rows.append([])
            rows[power + 1].append(merged)
            size *= 2

    def _difference(self) -> float:
        """The largest difference of the means of two parts, newer less older, by its bound."""
        count, total = self.count, self.mean * self.count
        log = math.log(2 * math.log(count) / self.delta)
        variance = max(self.m2 / count, 0.0)
        older_count, older_sum, largest = 0, 0.0, 0.0
        for power in range(len(self.rows) - 1, -1, -1):
            size = 1 << power
            for bucket in self.rows[power]:
                older_count += size
                older_sum += bucket[0]
                newer = count - older_count
                if newer < _PART_MIN:
                    return largest
                if older_count < _PART_MIN:
                    continue
                apart = (total - older_sum) / newer - older_sum / older_count
                each = 1 / older_count + 1 / newer
                found = apart / (math.sqrt(2 * each * variance * log) + 2 / 3 * each * log)
                if abs(found) > abs(largest):
                    largest = found
        return largest

    def _drop_oldest(self) -> None:
        while not self.rows[-1]:
            self.rows.pop()
        size = 1 << (len(self.rows) - 1)
        total, m2 = self.rows[-1].pop(0)
        left = self.count - size
        gone = total / size
        mean = (self.mean * self.count - total) / left
        self.m2 = max(self.m2 - m2 - (gone - mean) ** 2 * size * left / self.count, 0.0)
        self.mean, self.count = mean, left
        while len(self.rows) > 1 and not self.rows[-1]:
            self.rows.pop()

    def dump(self) -> dict[str, Any]:
        """The whole state as plain values that JSON can hold."""
        return {
            "delta": self.delta, "every": self.every, "reference": self.reference.dump(),
            "rows": [[list(bucket) for bucket in row] for row in self.rows],
            "window": [self.count, self.mean, self.m2], "steps": self.steps, "found": self.found,
            "skipped": self.skipped,
        }  # fmt: skip

    @classmethod
    def load(cls, state: dict[str, Any]) -> Self:
        """One that goes on as the dumped one would have."""
        made = cls(delta=state["delta"], every=state["every"])
        made.reference = Reference.load(state["reference"])
        made.rows = [[list(bucket) for bucket in row] for row in state["rows"]]
        made.count, made.mean, made.m2 = state["window"]
        made.steps, made.found, made.skipped = state["steps"], state["found"], state["skipped"]
        return made


def adwin(values: Iterable[Any], **settings: Any) -> Judged:
    """`Adwin` over a series. Shape: (n,) in, arrays (n,) out."""
    return run(Adwin(**settings), values)
