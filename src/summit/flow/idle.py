"""Inputs that are at their end and silent: they hold back nothing until they speak again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from summit.base.clock import Clock
from summit.cep.chunks import Chunk
from summit.cep.matcher import Matcher
from summit.journal.progress_record import Positions, partition_name, split_partition_name


class IdleInputs:
    """Lets silent inputs go and takes them back; by names `topic/partition`.

    Args:
        idle_ms: How long an input is silent before it counts as idle.
    """

    def __init__(self, matcher: Matcher, clock: Clock, idle_ms: int) -> None:
        self._matcher = matcher
        self._clock = clock
        self._idle_ms = idle_ms
        self._idle: dict[str, int] = {}
        self._read_at_ms: dict[str, float] = {}

    def forget(self, name: str) -> None:
        """The input is not read here any more, or anew."""
        self._idle.pop(name, None)
        self._read_at_ms[name] = self._clock.monotonic_ms()

    def wake(self, chunks: Iterable[Chunk]) -> None:
        """These records are about to be processed."""
        now_ms = self._clock.monotonic_ms()
        for chunk in chunks:
            name = partition_name(chunk.topic, chunk.partition)
            self._read_at_ms[name] = now_ms
            time_ms = self._idle.pop(name, None)
            if time_ms is not None:
                self._matcher.set_watermarks({(chunk.topic, chunk.partition): time_ms})

    def rest(self, positions: Positions, ends: Mapping[str, int]) -> list[str]:
        """Let inputs go that were read to their ends long ago; which ones."""
        times = self._matcher.watermarks()
        now_ms = self._clock.monotonic_ms()
        gone = []
        for name, position in positions.items():
            silent_ms = now_ms - self._read_at_ms.setdefault(name, now_ms)
            place = split_partition_name(name)
            if silent_ms > self._idle_ms and position >= ends.get(name, 0) and place in times:
                self._idle[name] = times[place]
                self._matcher.forget_input(*place)
                gone.append(name)
        return gone
