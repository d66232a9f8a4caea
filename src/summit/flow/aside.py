"""Records that are put aside: what cannot be processed, and what comes too late. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from summit.base.clock import Clock
from summit.client.dead_letters import DeadLetterError
from summit.client.transactor import Outgoing
from summit.client.types import NO_HEADERS, ConsumerRecord, Headers
from summit.documents.stream import StreamPlan
from summit.flow.metrics import WorkerMetrics
from summit.flow.outputs import letter_record
from summit.flow.stage import Refused
from summit.journal.topics import LATE_TOPIC
from summit.keyed.chunks import Chunk
from summit.keyed.outputs import Late, Rejected

# What is no fault of the event: a deletion, or an event that no rule can use. Counted only.
COUNTED_ONLY: Final = frozenset({"event.empty", "event.no_type", "event.no_key"})


class Aside:
    """Counts such records and gathers their letters until the next commit."""

    def __init__(self, clock: Clock, metrics: WorkerMetrics) -> None:
        self._clock = clock
        self._metrics = metrics
        self._letters: list[Outgoing] = []

    def take(self) -> list[Outgoing]:
        """The letters since the last call."""
        letters, self._letters = self._letters, []
        return letters

    @property
    def is_empty(self) -> bool:
        """Whether there are no letters."""
        return not self._letters

    def put(self, rejected: Iterable[Rejected], chunks: Sequence[Chunk]) -> None:
        """Put records aside that cannot be processed, those that are to be counted only not."""
        record_at = _finder(chunks)
        for each in rejected:
            if self._count(each.code):
                error = DeadLetterError(
                    code=each.code, message=each.message, stage="parse", rule=each.rule
                )
                self._add(record_at(each.topic, each.partition, each.offset), error)

    def put_refused(self, refused: Iterable[Refused], chunks: Sequence[Chunk]) -> None:
        """Put records aside that the stage before the rules has refused."""
        record_at = _finder(chunks)
        for each in refused:
            if self._count(each.error.code):
                self._add(record_at(each.topic, each.partition, each.offset), each.error)

    def put_late(
        self,
        late: Iterable[Late],
        chunks: Sequence[Chunk],
        stream: Callable[[str], StreamPlan],
    ) -> None:
        """Put events aside whose time was closed, unless their stream drops them.

        Args:
            chunks: Theirs, among others; of an event that is not there, there is no letter.
        """
        record_at = _finder(chunks)
        for each in late:
            self._metrics.late += 1
            record = record_at(each.topic, each.partition, each.offset)
            if record is not None and not stream(each.topic).drops_late:
                text = f"its time {each.timestamp_ms} is before {each.watermark_ms}, reached before"
                error = DeadLetterError(
                    code="event.late", message=text, stage="order", rule=each.rule
                )
                self._add(record, error, LATE_TOPIC)

    def _count(self, code: str) -> bool:
        """Whether there is to be a letter."""
        is_counted_only = code in COUNTED_ONLY
        counted = self._metrics.skipped if is_counted_only else self._metrics.rejected
        counted[code] = counted.get(code, 0) + 1
        return not is_counted_only

    def _add(
        self, record: ConsumerRecord | None, error: DeadLetterError, topic: str | None = None
    ) -> None:
        assert record is not None
        self._letters.append(letter_record(record, error, self._clock.now_ms(), topic))


def _finder(chunks: Sequence[Chunk]) -> Callable[[str, int, int], ConsumerRecord | None]:
    """Gives the record at a place, None where it is not; it is made only where it is asked for."""

    def record_at(topic: str, partition: int, offset: int) -> ConsumerRecord | None:
        for chunk in chunks:
            if (chunk.topic, chunk.partition) != (topic, partition):
                continue
            n = bisect_left(chunk.offsets, offset)
            if n < len(chunk.offsets) and chunk.offsets[n] == offset:
                headers = None if chunk.headers is None else chunk.headers[n]
                return ConsumerRecord(
                    topic, partition, offset, chunk.timestamps_ms[n],
                    None if chunk.keys is None else chunk.keys[n], chunk.values[n],
                    Headers(headers) if headers else NO_HEADERS,
                )  # fmt: skip
        return None

    return record_at
