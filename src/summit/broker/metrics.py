"""Counters of the broker and their rates over a sliding window.

The hot path only adds to plain integers; once a second `sample` takes a copy, and a rate is the
difference to the copy one window ago. Rates are right at any moment, never "0 after a reset".
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable
from typing import Final

from summit.base.clock import Clock

WINDOW_MS: Final = 10_000  # the window of every rate

_COUNTERS: Final = (
    "messages_in", "bytes_in", "messages_out", "bytes_out",
    "produce_requests", "fetch_requests", "requests", "failed_requests",
    "failed_produce_requests", "failed_fetch_requests", "failed_authentications",
    "denied_requests",
)  # fmt: skip


class TopicCounters:
    """What went into and out of one topic since the broker started.

    A refused batch, and a partition that a fetch could not read, count as a failed request each.
    """

    __slots__ = (
        "bytes_in", "bytes_out", "failed_fetch_requests", "failed_produce_requests", "messages_in",
        "messages_out",
    )  # fmt: skip

    def __init__(self) -> None:
        self.messages_in = self.bytes_in = self.messages_out = self.bytes_out = 0
        self.failed_produce_requests = self.failed_fetch_requests = 0

    def told(self) -> dict[str, int]:
        """All counters by name."""
        return {name: getattr(self, name) for name in self.__slots__}


class Metrics:
    """Totals since the start, and rates per second over the last ten seconds."""

    __slots__ = (*_COUNTERS, "_clock", "_samples", "by_api", "connections", "connections_total")

    def __init__(self, clock: Clock) -> None:
        self.messages_in = 0
        self.bytes_in = 0
        self.messages_out = 0
        self.bytes_out = 0
        self.produce_requests = 0
        self.fetch_requests = 0
        self.requests = 0
        self.failed_requests = 0  # whose bytes could not be understood; their connections ended
        self.failed_produce_requests = 0  # batches that were refused
        self.failed_fetch_requests = 0  # partitions that a fetch asked for and could not have
        self.failed_authentications = 0  # among them who never tried, and who came too late
        self.denied_requests = 0  # that asked for what their client may not do, in whole or parts
        self.connections = 0
        self.connections_total = 0
        self.by_api: dict[str, int] = {}
        self._clock = clock
        self._samples: deque[tuple[float, tuple[int, ...]]] = deque()
        self.sample()

    def sample(self) -> None:
        """Remember the totals of this moment; called about once a second."""
        now_ms = self._clock.monotonic_ms()
        self._samples.append((now_ms, self._totals()))
        # One sample older than the window stays: it is what the window's start is read from.
        while len(self._samples) > 1 and self._samples[1][0] <= now_ms - WINDOW_MS:
            self._samples.popleft()

    def rates(self) -> dict[str, float]:
        """Per-second rates of every counter over the window (or since the start)."""
        now_ms = self._clock.monotonic_ms()
        start_ms, start = self._samples[0]
        for at_ms, totals in self._samples:
            if at_ms > now_ms - WINDOW_MS:
                break
            start_ms, start = at_ms, totals
        span_s = max(now_ms - start_ms, 1.0) / 1000
        now = self._totals()
        return {f"{name}_per_s": (now[i] - start[i]) / span_s for i, name in enumerate(_COUNTERS)}

    def totals(self) -> dict[str, int]:
        """The counters since the start."""
        return dict(zip(_COUNTERS, self._totals(), strict=True))

    def _totals(self) -> tuple[int, ...]:
        return tuple(getattr(self, name) for name in _COUNTERS)

    def requests_by_api(self) -> dict[str, int]:
        """How many requests of each API were served, by Kafka's names."""
        return {"Produce": self.produce_requests, **self.by_api}


def busiest(counters: Iterable[tuple[str, TopicCounters]], count: int) -> dict[str, dict[str, int]]:
    """The counters of the `count` topics that moved the most bytes; none of idle ones."""
    moved = (
        (each.bytes_in + each.bytes_out + each.failed_produce_requests, name, each)
        for name, each in counters
    )
    found = heapq.nlargest(count, (row for row in moved if row[0]), key=lambda row: row[0])
    return {name: each.told() for _, name, each in found}
