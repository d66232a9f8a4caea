"""The partitions a session reads: how far, what of it is committed, and where a restart begins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from summit.base.clock import Clock
from summit.base.limits import READ_BACK_MS_MAX, RECOMMIT_MS, WATERMARK_UNKNOWN
from summit.cep.chunks import Chunk
from summit.flow.engine import Engine
from summit.flow.read_back import ReadBack, Sample
from summit.journal.progress_record import Positions, partition_name, split_partition_name


class Partitions:
    """By names `topic/partition`.

    Attributes:
        positions: Next offset to process.
        committed: Next offset as the group has it.
        durable_low: Where a restart from the committed offsets must begin to read, and the
            watermarks there. What was processed since then does not count: a restart does it again.
        untold: Whether a partition was begun that no progress record names yet.
    """

    def __init__(self, engine: Engine, clock: Clock, idle_ms: int) -> None:
        self._engine = engine
        self._clock = clock
        self._idle_ms = idle_ms
        self._idle: dict[str, int] = {}
        self._read_at_ms: dict[str, float] = {}
        self._recommitted_ms = clock.monotonic_ms()
        self.read_back = ReadBack(0)
        self.positions: Positions = {}
        self.committed: Positions = {}
        self.durable_low: dict[str, Sample] = {}
        self.untold = False

    def begin(self, name: str, offset: int, watermark_ms: int = WATERMARK_UNKNOWN) -> None:
        """Read a partition from an offset on; nothing before it is part of a match."""
        self.positions[name] = offset
        self.committed.pop(name, None)
        self.read_back.begin(name, offset, watermark_ms)
        self.durable_low[name] = (offset, watermark_ms)
        self._read_at_ms[name] = self._clock.monotonic_ms()
        self.untold = True
        if watermark_ms != WATERMARK_UNKNOWN:
            self._engine.matcher.set_watermarks({split_partition_name(name): watermark_ms})

    def end(self, name: str) -> None:
        """Read a partition no more."""
        del self.positions[name]
        self.committed.pop(name, None)
        self.durable_low.pop(name, None)
        self._idle.pop(name, None)
        self.read_back.remove(name)
        self._engine.matcher.forget_input(*split_partition_name(name))

    def rules_changed(self) -> None:
        """The engine goes by other rules now."""
        span_ms = self._engine.span_ms()
        self.read_back.set_within(READ_BACK_MS_MAX if span_ms is None else span_ms)

    def wake(self, chunks: Iterable[Chunk]) -> None:
        """These records are about to be processed: idle partitions count again."""
        if not self._idle:
            return
        for chunk in chunks:
            watermark_ms = self._idle.pop(partition_name(chunk.topic, chunk.partition), None)
            if watermark_ms is not None:
                place = (chunk.topic, chunk.partition)
                self._engine.matcher.set_watermarks({place: watermark_ms})

    def took(self, chunks: Iterable[Chunk]) -> None:
        """These records were processed, all of them."""
        watermarks = self._engine.matcher.watermarks()
        now_ms = self._clock.monotonic_ms()
        # The watermarks are those behind all chunks, so a partition with several is noted once.
        ends = {(chunk.topic, chunk.partition): chunk.offsets[-1] + 1 for chunk in chunks}
        for place, end in ends.items():
            name = partition_name(*place)
            self.positions[name] = end
            self._read_at_ms[name] = now_ms
            watermark_ms = watermarks.get(place)
            if watermark_ms is not None:
                self.read_back.note(name, end, watermark_ms)

    def reached(self, ends: Mapping[str, int]) -> None:
        """These partitions were read to here, and all that came of it was processed.

        The last offsets may hold no record, so that the position would stay behind for good.
        """
        for name, end in ends.items():
            if end > self.positions.get(name, end):
                self.positions[name] = end

    def rest(self, ends: Mapping[str, int]) -> None:
        """Let partitions that are at their end and silent hold back nothing any more."""
        watermarks = self._engine.matcher.watermarks()
        now_ms = self._clock.monotonic_ms()
        for name, position in self.positions.items():
            silent = now_ms - self._read_at_ms.get(name, now_ms) > self._idle_ms
            place = split_partition_name(name)
            if silent and position >= ends.get(name, 0) and place in watermarks:
                self._idle[name] = watermarks[place]
                self._engine.matcher.forget_input(*place)

    def lag(self, ends: Mapping[str, int]) -> int:
        """Records between the positions and these ends."""
        return sum(max(0, ends.get(name, 0) - at) for name, at in self.positions.items())

    def uncommitted(self) -> Positions:
        """What the group must be told; now and then everything, so that nothing expires."""
        now_ms = self._clock.monotonic_ms()
        if now_ms - self._recommitted_ms > RECOMMIT_MS:
            self._recommitted_ms = now_ms
            return dict(self.positions)
        committed = self.committed
        return {name: at for name, at in self.positions.items() if committed.get(name) != at}

    def have_committed(self, positions: Positions, low: dict[str, Sample]) -> None:
        """The group has these offsets; `low` was asked for when they were the positions."""
        self.committed.update(positions)
        self.durable_low = low

    def low(self) -> dict[str, Sample]:
        """Where a restart from the present positions must begin, and the watermarks there."""
        if not self._engine.matcher.live_runs:
            return self.read_back.nothing_unfinished()
        return self.read_back.low(self._engine.matcher.frontier_ms)
