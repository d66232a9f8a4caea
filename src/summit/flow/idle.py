"""Inputs that are at their end and silent: their time goes on by the clock until they speak again.

Event time goes on as fast as the clock behind an input's last event, so that what is awaited in
vain is noticed, for events of today and for those of years ago. After a long silence the input
holds nothing back at all, and one without events does so at once. Neither has an effect on the
events that come later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from summit.base.clock import Clock
from summit.base.limits import CLOCK_SILENT_MS
from summit.flow.runtime import Runtime
from summit.journal.progress_record import partition_name, split_partition_name
from summit.keyed.chunks import Chunk


class IdleInputs:
    """Lets silent inputs rest; by names `topic/partition`.

    Args:
        idle_ms: How long an input of a topic is silent before it counts as idle.
    """

    def __init__(self, runtime: Runtime, clock: Clock, idle_ms: Callable[[str], int]) -> None:
        self._runtime = runtime
        self._clock = clock
        self._idle_ms = idle_ms
        self._ends: dict[str, int] = {}
        self._read_at_ms: dict[str, float] = {}

    def forget(self, name: str) -> None:
        """The input is not read here any more, or anew."""
        self._ends.pop(name, None)
        self._read_at_ms[name] = self._clock.monotonic_ms()

    def spoke(self, chunks: Iterable[Chunk]) -> None:
        """These records were processed."""
        now_ms = self._clock.monotonic_ms()
        for chunk in chunks:
            self._read_at_ms[partition_name(chunk.topic, chunk.partition)] = now_ms

    def hold(self, names: Iterable[str]) -> None:
        """These are not read for now: time stands still there, they hold others back again."""
        for name in names:
            self.forget(name)
            self._runtime.wake(name)

    def ended(self, ends: Mapping[str, int]) -> None:
        """Inputs were read to these ends."""
        self._ends.update(ends)

    def rest(self) -> bool:
        """Let the time of silent inputs go on; whether there are any."""
        times = self._runtime.engine.processor.watermarks()
        now_ms = self._clock.monotonic_ms()
        rests = False
        for name, position in self._runtime.positions.items():
            silent_ms = int(now_ms - self._read_at_ms.setdefault(name, now_ms))
            place = split_partition_name(name)
            is_at_end = position >= self._ends.get(name, position + 1)
            if is_at_end and silent_ms >= CLOCK_SILENT_MS:
                idle = place not in times or silent_ms >= self._idle_ms(place[0])
                self._runtime.rest(name, times.get(place, 0) + silent_ms, idle=idle)
                rests = True
        return rests
