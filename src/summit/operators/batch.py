"""Batches: what flows between operators, as columns.

Every record has a key, a value, its event time, and its clock: how far event time had come in the
task when the record was taken, itself included. An operator fires what is due by a record's clock
before it takes the record, so what comes out does not depend on how records were cut into batches.

A record is late where its time lies before the watermark of its own input partition. It goes on its
way; operators that count on time put it aside. Otherwise its time is not before its clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import compress, repeat
from typing import Any, Final, Self

NO_TIME_MS: Final = -(1 << 62)  # no time has been seen yet
END_OF_TIME_MS: Final = 1 << 62  # after every time


class Batch:
    """Some records, in order. Columns are never changed once a batch has been handed on.

    Args:
        lates: None = none of them is late.
    """

    __slots__ = ("clocks", "keys", "lates", "times", "values")

    def __init__(
        self,
        keys: list[Any],
        values: list[Any],
        times: list[int],
        clocks: list[int],
        lates: list[bool] | None = None,
    ) -> None:
        self.keys = keys
        self.values = values
        self.times = times
        self.clocks = clocks
        self.lates = lates

    def __len__(self) -> int:
        return len(self.values)

    def rows(self) -> Iterator[tuple[Any, Any, int, int, bool]]:
        """Key, value, time, clock and whether it is late, of one record after the other."""
        lates = repeat(False) if self.lates is None else self.lates
        return zip(self.keys, self.values, self.times, self.clocks, lates)  # noqa: B905

    def with_values(self, values: list[Any]) -> Batch:
        """The same records with other values."""
        return Batch(self.keys, values, self.times, self.clocks, self.lates)

    def with_keys(self, keys: list[Any]) -> Batch:
        """The same records with other keys."""
        return Batch(keys, self.values, self.times, self.clocks, self.lates)

    def select(self, wanted: Sequence[Any]) -> Batch:
        """Those records whose place in `wanted` is true."""
        return Batch(
            list(compress(self.keys, wanted)),
            list(compress(self.values, wanted)),
            list(compress(self.times, wanted)),
            list(compress(self.clocks, wanted)),
            None if self.lates is None else list(compress(self.lates, wanted)),
        )

    def spread(self, groups: Sequence[Sequence[Any]]) -> Batch:
        """In the place of each record those with the values of its group, none or many."""
        sizes = [len(group) for group in groups]

        def times_over(column: list[Any]) -> list[Any]:
            return [item for item, size in zip(column, sizes, strict=True) for _ in range(size)]

        return Batch(
            times_over(self.keys),
            [value for group in groups for value in group],
            times_over(self.times),
            times_over(self.clocks),
            None if self.lates is None else times_over(self.lates),
        )

    def one_by_one(self) -> Iterator[Batch]:
        """Batches of one record each."""
        for key, value, at, clock, late in self.rows():
            yield Batch([key], [value], [at], [clock], [True] if late else None)


class Gathered:
    """A batch in the making."""

    __slots__ = ("_any_late", "_lates", "clocks", "keys", "times", "values")

    def __init__(self) -> None:
        self.keys: list[Any] = []
        self.values: list[Any] = []
        self.times: list[int] = []
        self.clocks: list[int] = []
        self._lates: list[bool] = []
        self._any_late = False

    def add(self, key: Any, value: Any, at_ms: int, clock_ms: int, late: bool = False) -> None:
        """One record more; late also when its time lies before its clock."""
        late = late or at_ms < clock_ms
        self.keys.append(key)
        self.values.append(value)
        self.times.append(at_ms)
        self.clocks.append(clock_ms)
        self._lates.append(late)
        self._any_late = self._any_late or late

    def extend(self, batch: Batch) -> Self:
        """All records of a batch more."""
        self.keys += batch.keys
        self.values += batch.values
        self.times += batch.times
        self.clocks += batch.clocks
        self._lates += [False] * len(batch) if batch.lates is None else batch.lates
        self._any_late = self._any_late or batch.lates is not None
        return self

    def __len__(self) -> int:
        return len(self.values)

    def batch(self) -> Batch:
        """What was gathered; begins anew."""
        lates = self._lates if self._any_late else None
        made = Batch(self.keys, self.values, self.times, self.clocks, lates)
        self.__init__()  # type: ignore[misc]
        return made
