"""Counts over time in a bounded number of equal steps, which grow with the range. Pure."""

from __future__ import annotations

from typing import Final

STEPS_MAX: Final = 60
_WIDTHS_MS: Final = tuple(
    1_000 * seconds
    for seconds in (
        1, 10, 60, 600, 3_600, 21_600, 86_400, 7 * 86_400, 30 * 86_400, 365 * 86_400,
        3_650 * 86_400,
    )
)  # fmt: skip


class CountsOverTime:
    """How many came when.

    >>> counts = CountsOverTime()
    >>> for at_ms in (0, 500, 61_000):
    ...     counts.add(at_ms)
    >>> counts.width_ms, counts.rows()
    (10000, [(0, 2), (60000, 1)])
    """

    def __init__(self) -> None:
        self._level = 0
        self._counts: dict[int, int] = {}

    @property
    def width_ms(self) -> int:
        """The width of a step; steps begin at its multiples since 1970 UTC."""
        return _WIDTHS_MS[self._level]

    def add(self, at_ms: int, count: int = 1) -> None:
        """Count one, or several."""
        step = at_ms // self.width_ms
        self._counts[step] = self._counts.get(step, 0) + count
        while self._level + 1 < len(_WIDTHS_MS) and (
            max(self._counts) - min(self._counts) >= STEPS_MAX
        ):
            before = self.width_ms
            self._level += 1
            wider: dict[int, int] = {}
            for number, known in self._counts.items():
                place = number * before // self.width_ms
                wider[place] = wider.get(place, 0) + known
            self._counts = wider

    def rows(self) -> list[tuple[int, int]]:
        """(begin of the step, count), in order; steps without any are left out."""
        return [(step * self.width_ms, count) for step, count in sorted(self._counts.items())]
