"""A slow, obvious second opinion: every window worked out from all its events, from scratch.

Events come as (time, key, value) in order of arrival. F before an event counts is the largest time
up to it, itself included, minus the delay. A window that ends at e is over when F >= e, and takes
no more events when F >= e + lateness; a session that ends at e is over when F > e.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from tests.analytics.queries import Row

Told = dict[tuple[Any, int, int], list[Any]]  # (key, start, end) -> values in order of arrival


def aligned(
    rows: list[Row], size: int, slide: int, offset: int = 0, delay: int = 0, lateness: int = 0
) -> Told:
    """Tumbling and hopping windows."""
    windows: Told = defaultdict(list)
    front = -(10**18)
    for at, key, value in rows:
        front = max(front, at - delay)
        start = (at - offset) // slide * slide + offset
        while start + size > at:
            if start <= at and start + size + lateness > front:
                windows[key, start, start + size].append(value)
            start -= slide
    return dict(windows)


def trailing(rows: list[Row], size: int, delay: int = 0) -> Told:
    """A window for each moment with an event that came in time."""
    front = -(10**18)
    taken: dict[Any, list[tuple[int, int, Any]]] = defaultdict(list)
    moments: set[tuple[Any, int]] = set()
    for number, (at, key, value) in enumerate(rows):
        front = max(front, at - delay)
        if at >= front:
            moments.add((key, at))
        taken[key].append((at, front, value))
        del number
    found: Told = {}
    for key, moment in moments:
        # An event counts if it came before the window was over: while F < moment + 1.
        values = [
            value
            for at, came, value in taken[key]
            if moment - size < at <= moment and came < moment + 1
        ]
        found[key, moment - size + 1, moment + 1] = values
    return found


def sessions(
    rows: list[Row], gap: int, longest: int | None = None, delay: int = 0, lateness: int = 0
) -> Told:
    """Sessions, the last telling of each."""
    front = -(10**18)
    open_: dict[Any, list[list[tuple[int, Any]]]] = defaultdict(list)
    found: Told = {}

    def tell(key: Any, session: list[tuple[int, Any]]) -> None:
        times = [at for at, _ in session]
        found[key, min(times), max(times) + gap] = [value for _, value in session]

    for at, key, value in rows:
        front = max(front, at - delay)
        for name, held in open_.items():
            for session in list(held):
                last = max(t for t, _ in session)
                if last + gap < front:
                    tell(name, session)
                if last + gap + lateness < front:
                    held.remove(session)
        joined: list[list[tuple[int, Any]]] = []
        low = high = at
        for session in sorted(open_[key], key=lambda s: min(t for t, _ in s)):
            first, last = min(t for t, _ in session), max(t for t, _ in session)
            if first - gap <= at <= last + gap:
                wide = max(high, last) - min(low, first)
                if longest is None or wide < longest:
                    joined.append(session)
                    low, high = min(low, first), max(high, last)
        if high + gap + lateness < front:
            continue
        for session in joined:
            open_[key].remove(session)
            if len(joined) > 1 or session:  # what was told under other bounds is told anew
                times = [t for t, _ in session]
                found.pop((key, min(times), max(times) + gap), None)
        merged = [pair for session in joined for pair in session]
        merged.append((at, value))
        open_[key].append(merged)
    for name, held in open_.items():
        for session in held:
            tell(name, session)
    return found


def counted(rows: list[Row], count: int, step: int) -> list[tuple[Any, list[Any]]]:
    """Windows of so many events by key, in the order in which they are full."""
    taken: dict[Any, list[Any]] = defaultdict(list)
    found = []
    for _, key, value in rows:
        taken[key].append(value)
        size = len(taken[key])
        if size >= count and (size - count) % step == 0:
            found.append((key, taken[key][-count:]))
    return found
