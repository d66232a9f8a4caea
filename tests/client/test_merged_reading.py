"""Several partitions as one sequence: in the order of their times, with halts wherever they are."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from summit.client.log_reader import LogReader
from summit.client.merged_reading import MergedReading
from summit.client.types import ConsumerRecord, Headers, TopicPartition

Logs = list[list[int]]  # the records' times, by partition


class Log:
    """As much of a `LogReader` as is asked here, over records in memory; blocks of any size."""

    def __init__(self, logs: Logs, block: int) -> None:
        self._logs = logs
        self._block = block

    async def consume(self, topic: str, partition: int, first: int, count: int) -> Any:
        times = self._logs[partition][first : first + min(count, self._block)]
        return [
            ConsumerRecord(
                topic=topic, partition=partition, offset=first + n, key=None, value=b"",
                timestamp=time, headers=Headers(()),
            )
            for n, time in enumerate(times)
        ]  # fmt: skip


def expected(logs: Logs) -> list[tuple[int, int]]:
    """By hand: a record is as old as the oldest before it in its partition allows."""
    rows = []
    for partition, times in enumerate(logs):
        reached = -1
        for offset, time in enumerate(times):
            reached = max(reached, time)
            rows.append((reached, partition, offset))
    return [(partition, offset) for _, partition, offset in sorted(rows)]


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 20), max_size=12), min_size=1, max_size=3),
    st.lists(st.lists(st.integers(0, 12), min_size=3, max_size=3), max_size=4),
    st.integers(1, 5),
)
def test_legs_between_halts_are_the_whole_in_order(
    logs: Logs, halts: list[list[int]], block: int
) -> None:
    spans = {TopicPartition("t", n): (0, len(times)) for n, times in enumerate(logs)}

    async def read() -> None:
        merged = MergedReading(cast(LogReader, Log(logs, block)), spans)
        at = [0] * len(logs)
        for number in range(len(halts) + 1):
            last = number == len(halts)
            halt = [len(times) if last else halts[number][n] for n, times in enumerate(logs)]
            until = None if last else {place: halt[place.partition] for place in spans}
            leg = [
                (record.partition, record.offset)
                async for burst in merged.read(until)
                for record in burst
            ]
            upto = [max(at[n], min(halt[n], len(times))) for n, times in enumerate(logs)]
            wanted = [(p, offset) for p, offset in expected(logs) if at[p] <= offset < upto[p]]
            assert leg == wanted
            at = upto

    asyncio.run(read())
