"""Times of log lines that name no year: `Mar  7 04:05:06`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

YearOf = Callable[[int, int], int]  # (month, day) -> year

MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}
_DAY_MS: Final = 86_400_000


def latest_year(reference_ms: int) -> YearOf:
    """The latest year in which the date is at most one day after a reference time.

    Without memory: a line gets the same year wherever reading begins.

    >>> latest_year(1_704_153_600_000)(12, 31), latest_year(1_704_153_600_000)(1, 3)
    (2023, 2024)
    """
    limit = (reference_ms + _DAY_MS) // _DAY_MS * _DAY_MS
    year = datetime.fromtimestamp(limit / 1_000, UTC).year

    def year_of(month: int, day: int) -> int:
        for back in range(9):  # the 29th of February may be eight years away
            start = day_start_ms(year - back, month, day)
            if start is not None and start <= limit:
                return year - back
        return year

    return year_of


class RunningYear:
    """The year of a file's first line is known; a step back by half a year is a new year.

    Lines may be a little out of order: a date in December just after one in January belongs to
    the year before.
    """

    def __init__(self, first_year: int) -> None:
        self._year = first_year
        self._month: int | None = None

    def __call__(self, month: int, day: int) -> int:
        last = self._month
        if last is not None and month - last > 6:
            return self._year - 1
        if last is not None and last - month > 6:
            self._year += 1
        self._month = month
        return self._year


@lru_cache(maxsize=4_096)
def day_start_ms(year: int, month: int, day: int) -> int | None:
    """The first millisecond of a day in UTC, or None when there is no such day."""
    try:
        return int(datetime(year, month, day, tzinfo=UTC).timestamp()) * 1_000
    except ValueError:
        return None
