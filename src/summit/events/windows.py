"""Window arithmetic on event time. All windows are half-open: the end is outside."""

from __future__ import annotations

from typing import NamedTuple


class Window(NamedTuple):
    """From `start_ms` (inside) to `end_ms` (outside), milliseconds since 1970 UTC."""

    start_ms: int
    end_ms: int

    def holds(self, at_ms: int) -> bool:
        """Whether a time lies inside."""
        return self.start_ms <= at_ms < self.end_ms


def tumbling_window(at_ms: int, size_ms: int) -> Window:
    """The one window of a fixed size, aligned to 1970, that holds a time.

    >>> tumbling_window(125, 50), tumbling_window(-1, 50)
    (Window(start_ms=100, end_ms=150), Window(start_ms=-50, end_ms=0))
    """
    start = at_ms - at_ms % size_ms
    return Window(start, start + size_ms)


def sliding_windows(at_ms: int, size_ms: int, slide_ms: int) -> list[Window]:
    """All windows of a size that begin at multiples of `slide_ms` and hold a time, first first.

    >>> [window.start_ms for window in sliding_windows(125, 100, 50)]
    [50, 100]
    """
    last = at_ms - at_ms % slide_ms
    first = last - (size_ms - 1 - at_ms % slide_ms) // slide_ms * slide_ms
    if at_ms % slide_ms >= size_ms:  # hops wider than the window leave gaps
        return []
    return [Window(start, start + size_ms) for start in range(first, last + 1, slide_ms)]


def within(first_ms: int, last_ms: int, limit_ms: int) -> bool:
    """Whether two times are less than a limit apart; exactly the limit is too far.

    >>> within(1_000, 60_999, 60_000), within(1_000, 61_000, 60_000)
    (True, False)
    """
    return last_ms - first_ms < limit_ms


def joins_session(session_end_ms: int, at_ms: int, gap_ms: int) -> bool:
    """Whether an event continues a session: at most `gap_ms` after its last event, inclusive.

    The timer of the gap runs after the events of its instant, so exactly `gap_ms` still joins.
    """
    return at_ms - session_end_ms <= gap_ms
