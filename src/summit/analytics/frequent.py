"""`Frequent`: which values are most frequent, exact while there are few, then with a bound.

Beyond the limit a count may be too small by at most `error`, and a value that came less often
than that may be missing. Below it, order and split change nothing.

Source: Misra and Gries 1982; merging by Agarwal et al. 2012.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from typing import Any, Final, Self

from summit.analytics.columns import Column
from summit.analytics.tokens import plain_token, read_token, token_order, token_value, tokens

EXACT_MAX: Final = 1_024


class Frequent:
    """The values of a field with their counts.

    Args:
        exact: Keep all of them, however many.
    """

    __slots__ = ("counts", "error", "exact")

    def __init__(self, *, exact: bool) -> None:
        self.exact = exact
        self.counts: Counter[Hashable] = Counter()
        self.error = 0

    def add(self, column: Column) -> None:
        """Count the values of a column that are not null."""
        self.counts.update(tokens(column.present, column.kinds - {type(None)}))
        self._fit()

    def merge(self, other: Frequent) -> None:
        """Take all that another has counted."""
        self.counts.update(other.counts)
        self.error += other.error
        self._fit()

    def _fit(self) -> None:
        if len(self.counts) <= EXACT_MAX or self.exact:
            return
        cut = sorted(self.counts.values(), reverse=True)[EXACT_MAX]
        self.counts = Counter(
            {value: count - cut for value, count in self.counts.items() if count > cut}
        )
        self.error += cut

    def top(self, limit: int) -> list[tuple[Any, int]]:
        """The most frequent values, each with its count; of equal counts the smaller value."""
        rows = sorted(self.counts.items(), key=lambda row: (-row[1], token_order(row[0])))
        return [(token_value(token), count) for token, count in rows[:limit]]

    def dump(self) -> list[Any]:
        """The state as plain values."""
        rows = [(plain_token(token), count) for token, count in self.counts.items()]
        return [self.exact, rows, self.error]

    @classmethod
    def load(cls, state: list[Any]) -> Self:
        """One as it was at `dump`."""
        made = cls(exact=state[0])
        made.counts = Counter({read_token(plain): count for plain, count in state[1]})
        made.error = state[2]
        return made
