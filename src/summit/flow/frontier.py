"""Event time over all input partitions. Pure.

Each partition's watermark W is the largest event time read so far. The frontier F is the smallest
W over the partitions that still matter; state whose time is over at F may be forgotten. A
partition with unread records, or with records lately, counts with its W. One that was read to its
end and is silent counts with W plus the time it has been silent (event time flows on though
nothing happens), and after `idle_ms` of silence it holds nothing back any more. F may go back when
a silent partition speaks again with older events: then less is forgotten, nothing is lost.
"""

from __future__ import annotations

from summit.base.limits import WATERMARK_UNKNOWN

NOTHING_OVER = WATERMARK_UNKNOWN


class _Clock:
    """What is known of one partition."""

    __slots__ = ("at_end", "read_at_ms", "watermark_ms")

    def __init__(self, watermark_ms: int, now_ms: float) -> None:
        self.watermark_ms = watermark_ms
        self.read_at_ms = now_ms
        self.at_end = False


class Frontier:
    """The frontier over a set of partitions, by names `topic/partition`.

    Args:
        idle_ms: Silence after which a partition no longer counts.
    """

    def __init__(self, idle_ms: int) -> None:
        self._idle_ms = idle_ms
        self._clocks: dict[str, _Clock] = {}

    def add(self, name: str, watermark_ms: int, now_ms: float) -> None:
        """A partition is read from now on."""
        self._clocks[name] = _Clock(watermark_ms, now_ms)

    def remove(self, name: str) -> None:
        """A partition is no longer read."""
        self._clocks.pop(name, None)

    def read(self, name: str, watermark_ms: int, now_ms: float) -> None:
        """Records of the partition were read; its watermark is now this."""
        clock = self._clocks[name]
        clock.watermark_ms = watermark_ms
        clock.read_at_ms = now_ms
        clock.at_end = False

    def reached_end(self, name: str) -> None:
        """Everything in the partition has been read."""
        self._clocks[name].at_end = True

    def watermark(self, name: str) -> int:
        """The partition's watermark."""
        return self._clocks[name].watermark_ms

    def at(self, now_ms: float) -> int:
        """The frontier, `NOTHING_OVER` while a partition that counts has no watermark.

        Args:
            now_ms: Monotonic time, on the same clock as in the other calls.
        """
        frontier: float | None = None
        for clock in self._clocks.values():
            silent_ms = now_ms - clock.read_at_ms if clock.at_end else 0.0
            if silent_ms > self._idle_ms:
                continue
            if clock.watermark_ms == NOTHING_OVER:
                if clock.at_end:
                    continue  # empty: it has no time of its own yet
                return NOTHING_OVER
            time = clock.watermark_ms + silent_ms
            frontier = time if frontier is None else min(frontier, time)
        return NOTHING_OVER if frontier is None else int(frontier)
