"""A fetch that reads, and one that waits for more to come.

A long poll over hundreds of partitions is never evaluated as a whole at each wake: a partition
that moves touches the fetches that wait for it, each counts what may have come, and reads only
when that can be enough.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Iterable
from typing import Final

from summit.base.errors import SummitError
from summit.base.logs import get_logger
from summit.broker.fetch_wanted import Wanted
from summit.broker.request import Request
from summit.broker.topics import Partition
from summit.protocol import codes
from summit.records.batch import LENGTH_END, parse_header

_log = get_logger(__name__)
_LENGTH: Final = struct.Struct(">i")
_UNKNOWN: Final = -(1 << 62)  # a mark from which any number of bytes may have come


def read(wanted: Iterable[Wanted], max_bytes: int) -> int:
    """Read every partition in order, whole batches, within the limits.

    The first batch of the answer is given even if it is larger than every limit (KIP-74), so
    that no client is ever stuck.

    Returns: Bytes found.
    """
    total = 0
    for each in wanted:
        if each.data:
            each.data = b""
            each.count = 0
        if each.error:
            continue
        assert each.partition is not None
        log = each.partition.log
        offset = each.offset
        if offset >= log.high_watermark:
            if offset != log.high_watermark and offset > log.end_offset:
                each.error = codes.OFFSET_OUT_OF_RANGE
            continue
        if offset < log.start_offset:
            each.error = codes.OFFSET_OUT_OF_RANGE
            continue
        room = min(each.max_bytes, max_bytes - total)
        if total and room <= 0:
            continue
        try:
            data = log.read(offset, room, at_least_one=not total, committed=each.committed)
        except SummitError as error:
            each.error = codes.code_of(error)
            continue
        except OSError as error:
            _log.error("fetch.read_failed", topic=log.topic, error=str(error))
            each.error = codes.KAFKA_STORAGE_ERROR
            continue
        each.data = data
        total += len(data)
        if data:
            each.count = _end_offset(data) - offset
    return total


def _end_offset(data: bytes) -> int:
    """The offset after the last of the whole batches in `data`."""
    position = last = 0
    while position < len(data):
        last = position
        position += LENGTH_END + _LENGTH.unpack_from(data, position + 8)[0]
    return parse_header(data, last).last_offset + 1


class FetchWait:
    """A fetch that found too little and waits for its partitions. Loop thread only."""

    __slots__ = (
        "_answer", "_is_over", "_max_bytes", "_min_bytes", "_moved", "_request", "_timer",
        "_wanted",
    )  # fmt: skip

    def __init__(
        self,
        request: Request,
        wanted: list[Wanted],
        *,
        min_bytes: int,
        max_bytes: int,
        answer: Callable[[], None],
    ) -> None:
        self._moved: set[Partition] = set()
        self._request = request
        self._wanted = wanted
        self._min_bytes = min_bytes
        self._max_bytes = max_bytes
        self._answer = answer
        self._is_over = False
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, loop: asyncio.AbstractEventLoop, max_wait_ms: int) -> None:
        """Wait for the partitions, at most `max_wait_ms`."""
        for each in self._wanted:
            if each.partition is not None:
                log = each.partition.log
                # What is staged already counts in `bytes_in` but was not found: then always read.
                # So does what is readable only when a marker comes.
                is_settled = log.end_offset == log.high_watermark
                if each.committed and log.last_stable_offset < log.high_watermark:
                    is_settled = False
                each.mark = each.partition.bytes_in if is_settled else _UNKNOWN
                each.partition.waits[self] = None
        self._timer = loop.call_later(max_wait_ms / 1000, self.finish)
        self._request.cancel = self._end

    def moved(self, partition: Partition) -> None:
        """Note a partition that moved; `check` follows."""
        self._moved.add(partition)

    def check(self) -> None:
        """Look again: at least one of the partitions has moved."""
        if self._is_over:
            return
        if self._min_bytes > 1:
            come = sum(
                each.partition.bytes_in - each.mark
                for each in self._wanted
                if each.partition is not None
            )
            found = sum(len(each.data) for each in self._wanted)
            if come + found < self._min_bytes:
                return
            if read(self._wanted, self._max_bytes) < self._min_bytes:
                return
            self._end()
            self._answer()
            return
        self.finish()

    def finish(self) -> None:
        """Answer with what there is."""
        if self._is_over:
            return
        self._end()
        if self._min_bytes > 1:
            read(self._wanted, self._max_bytes)
        else:
            # Nothing was found at the start, so only those that moved can hold anything.
            moved = self._moved
            read((each for each in self._wanted if each.partition in moved), self._max_bytes)
        self._answer()

    def fail(self, partition: Partition, error: int) -> None:
        """Answer now, because a partition is gone."""
        for each in self._wanted:
            if each.partition is partition:
                each.partition = None
                each.error = error
        self.finish()

    def _end(self) -> None:
        self._is_over = True
        if self._timer is not None:
            self._timer.cancel()
        for each in self._wanted:
            if each.partition is not None:
                each.partition.waits.pop(self, None)
