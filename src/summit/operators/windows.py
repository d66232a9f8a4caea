"""Windows that aggregates are made over: what was asked for, and what comes out of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from summit.base.errors import Invalid
from summit.base.units import format_duration, parse_duration_ms
from summit.events.windows import Window, sliding_windows
from summit.operators.formats import as_key

K = TypeVar("K")
R = TypeVar("R")


class Windowed(msgspec.Struct, Generic[K, R], frozen=True, rename="camel"):
    """What an aggregate has found in one window of a key: from `start_ms` to before `end_ms`."""

    key: K
    start_ms: int
    end_ms: int
    value: R

    def __post_init__(self) -> None:
        if type(self.key) is list:  # a tuple that has travelled
            msgspec.structs.force_setattr(self, "key", as_key(self.key))


class Hops(NamedTuple):
    """Windows of one size that begin every so often, aligned to 1970 UTC."""

    size_ms: int
    every_ms: int

    def __str__(self) -> str:
        size = format_duration(self.size_ms)
        if self.size_ms == self.every_ms:
            return f"tumbling {size}"
        return f"hopping {size} every {format_duration(self.every_ms)}"

    def assigner(self) -> Callable[[int], list[Window]]:
        """Gives the windows that hold a time, first first. Quick for times near one another."""
        size, every = self
        if size % every:
            return lambda at_ms: sliding_windows(at_ms, size, every)
        known_from = known_to = 0
        known: list[Window] = []

        def windows_of(at_ms: int) -> list[Window]:
            nonlocal known, known_from, known_to
            if not known_from <= at_ms < known_to:
                known_from = at_ms - at_ms % every
                known_to = known_from + every
                known = sliding_windows(at_ms, size, every)
            return known

        return windows_of


class Sessions(NamedTuple):
    """Events at most `gap_ms` apart belong together."""

    gap_ms: int

    def __str__(self) -> str:
        return f"session {format_duration(self.gap_ms)}"


def tumbling(size: int | str) -> Hops:
    """Windows side by side: `tumbling("1m")`.

    >>> str(tumbling("1m")), str(hopping("1m", every="10s")), str(session("30s"))
    ('tumbling 1m', 'hopping 1m every 10s', 'session 30s')
    """
    size_ms = _checked(size)
    return Hops(size_ms, size_ms)


def hopping(size: int | str, every: int | str) -> Hops:
    """Windows that overlap: of a size, one beginning at every multiple of `every`.

    Raises: Invalid where `every` is longer than `size`: events would fall between.
    """
    hops = Hops(_checked(size), _checked(every))
    if hops.every_ms > hops.size_ms:
        reason = f"windows of {size} that begin every {every} leave gaps"
        raise Invalid("config.invalid", reason=reason, pointer="")
    return hops


def session(gap: int | str) -> Sessions:
    """Windows of activity: an event at most `gap` after the last one, inclusive, continues it."""
    return Sessions(_checked(gap))


def _checked(duration: Any) -> int:
    ms = parse_duration_ms(duration)
    if ms < 1:
        raise Invalid("config.invalid", reason="a window takes 1 ms or more", pointer="")
    return ms
