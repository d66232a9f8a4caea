"""Watermarks: how far event time has come in a partition, and over all of them.

W_p(offset) = the largest event time of partition p up to that offset, minus the delay: a function
of the log alone. The frontier is the smallest W_p over the active partitions; it never goes back.
An event is late when its time is less than W_p of its own partition.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

Partition = tuple[str, int]  # topic and number

NO_TIME_MS: Final = -(1 << 62)  # the watermark before the first event


class Watermarks:
    """Watermarks of a set of partitions.

    Args:
        delay_ms: How much later than its successors an event may come without being late.
    """

    def __init__(self, partitions: Iterable[Partition] = (), *, delay_ms: int = 0) -> None:
        self.delay_ms = delay_ms
        self._largest_ms: dict[Partition, int] = dict.fromkeys(partitions, NO_TIME_MS)
        self._idle: set[Partition] = set()
        self._frontier_ms = NO_TIME_MS

    def add(self, partition: Partition) -> None:
        """Watch one more partition; it holds the frontier back until it has an event."""
        self._largest_ms.setdefault(partition, NO_TIME_MS)

    def remove(self, partition: Partition) -> None:
        """Watch it no longer."""
        self._largest_ms.pop(partition, None)
        self._idle.discard(partition)

    def observe(self, partition: Partition, at_ms: int) -> bool:
        """Take one event's time; says whether the event is late in its own partition."""
        self._idle.discard(partition)
        largest = self._largest_ms.get(partition, NO_TIME_MS)
        if at_ms > largest:
            self._largest_ms[partition] = at_ms
            return False
        return at_ms < largest - self.delay_ms

    def set_idle(self, partition: Partition) -> None:
        """It holds the frontier back no longer, until its next event."""
        if partition in self._largest_ms:
            self._idle.add(partition)

    def of(self, partition: Partition) -> int:
        """W_p, `NO_TIME_MS` before the first event."""
        largest = self._largest_ms.get(partition, NO_TIME_MS)
        return largest if largest == NO_TIME_MS else largest - self.delay_ms

    def frontier_ms(self) -> int:
        """The smallest W_p of the active partitions, never less than it was before.

        Cost: one pass over the partitions.
        """
        active = [self.of(partition) for partition in self._largest_ms
                  if partition not in self._idle]  # fmt: skip
        if active:
            self._frontier_ms = max(self._frontier_ms, min(active))
        return self._frontier_ms
