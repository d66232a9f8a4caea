"""How far back a restart must read so that every unfinished match is rebuilt. Pure.

A run that is alive at frontier F began at an event taken later than F - within. Events of one
partition are taken at times that never go back, so it is enough to remember, for some offsets,
the watermark W that the partition had just before them:

    offset   0 ........ 400 ....... 800 ....... 1200 (next to read)
    W        -          10:00:00    10:00:30    10:01:10
    F = 10:01:10, within = 60 s: F - within = 10:00:10 >= 10:00:00, so 400 is far enough:
    nothing before it can still be part of a match.

The watermark goes with the offset, because a restart that begins there must begin with it.
"""

from __future__ import annotations

from collections import deque

from summit.base.limits import READ_BACK_SAMPLES, WATERMARK_UNKNOWN

Sample = tuple[int, int]  # offset, watermark just before it


class ReadBack:
    """Samples of (offset, watermark) per partition, by names `topic/partition`.

    Args:
        within_ms: The longest time a match may span; 0 when no rule needs more than one event.
    """

    def __init__(self, within_ms: int) -> None:
        self._within_ms = within_ms
        self._samples: dict[str, deque[Sample]] = {}
        self._last: dict[str, Sample] = {}

    def set_within(self, within_ms: int) -> None:
        """The rules have changed. Samples already dropped stay dropped: new rules begin now."""
        self._within_ms = within_ms

    def begin(self, name: str, offset: int, watermark_ms: int) -> None:
        """The partition is read from `offset` on; nothing before it is part of a match."""
        self._last[name] = (offset, watermark_ms)
        self._samples[name] = deque([(offset, watermark_ms)])

    def remove(self, name: str) -> None:
        """The partition is no longer read."""
        self._samples.pop(name, None)
        self._last.pop(name, None)

    def note(self, name: str, next_offset: int, watermark_ms: int) -> None:
        """Everything before `next_offset` is read; the watermark is now this.

        Samples nearer than a fraction of `within` to the last one are left out: a restart reads a
        little more instead.
        """
        self._last[name] = (next_offset, watermark_ms)
        samples = self._samples[name]
        last = samples[-1][1]
        far = (
            last == WATERMARK_UNKNOWN or watermark_ms - last >= self._within_ms // READ_BACK_SAMPLES
        )
        if watermark_ms > last and far:
            samples.append((next_offset, watermark_ms))

    def nothing_unfinished(self) -> dict[str, Sample]:
        """No match is unfinished now: a restart must read back nothing that is read by now.

        The answer of `low` never goes back behind this one.
        """
        self._samples = {name: deque([last]) for name, last in self._last.items()}
        return dict(self._last)

    def low(self, frontier_ms: float) -> dict[str, Sample]:
        """Per partition: where a restart must begin, and the watermark there.

        Args:
            frontier_ms: Smallest watermark that still matters; minus infinity when unknown.
        """
        if self._within_ms == 0:
            return self.nothing_unfinished()
        found: dict[str, Sample] = {}
        for name, samples in self._samples.items():
            over = frontier_ms - self._within_ms
            while len(samples) > 1 and samples[1][1] <= over:
                samples.popleft()
            found[name] = samples[0]
        return found
