"""Rate limit per client: a bucket of events or requests that fills with time."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from summit.base.clock import Clock

_CLIENTS_MAX: Final = 10_000  # clients remembered; the longest quiet one is forgotten first


class RateLimit:
    """Buckets by client name.

    A client with anything left may send a request of any size; the bucket then goes below zero
    and has to fill again first. So a batch larger than the burst passes, and the mean holds.

    Args:
        per_second: Events a second.
        burst: Events that a quiet client may send at once.
    """

    def __init__(self, per_second: float, burst: int, clock: Clock) -> None:
        self._per_ms = per_second / 1000
        self._burst = float(burst)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    @classmethod
    def of(cls, per_second: float | None, burst: int | None, clock: Clock) -> RateLimit | None:
        """The limit of a configuration; None = none. The usual burst is a second's worth."""
        if per_second is None:
            return None
        return cls(per_second, burst or max(1, round(per_second)), clock)

    def left(self, client: str) -> int:
        """How many events the client may still send at once, as of its last `take`."""
        return max(0, int(self._buckets.get(client, (self._burst, 0.0))[0]))

    def take(self, client: str, count: int) -> int:
        """Take `count` events; 0 when they may pass, else the milliseconds to wait."""
        now_ms = self._clock.monotonic_ms()
        left, since_ms = self._buckets.pop(client, (self._burst, now_ms))
        left = min(self._burst, left + (now_ms - since_ms) * self._per_ms)
        # One millionth guards against the last digit of the sum.
        may_pass = left > 1e-6
        if may_pass:
            left -= count
        self._buckets[client] = (left, now_ms)
        if len(self._buckets) > _CLIENTS_MAX:
            self._buckets.popitem(last=False)
        return 0 if may_pass else max(1, int(-left / self._per_ms) + 1)
