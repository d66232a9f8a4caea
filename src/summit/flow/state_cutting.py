"""Records of state that are too long for the topic: made shorter, counted. Pure but for a log line.

A worker that cannot save what it keeps of a key can save nothing: it would begin anew for ever.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

from summit.base.limits import STATE_BYTES_MAX, WAIT_BYTES_MAX
from summit.base.logs import get_logger
from summit.flow.suppressing import Suppressor
from summit.journal.state_log import Record, standing_record, state_record, wait_record
from summit.keyed.keys import Key
from summit.keyed.lane import Lane, Shrinks
from summit.keyed.outputs import StateKey
from summit.keyed.processor import Processor
from summit.keyed.waiting import WaitKey

WAITS_OF: Final = "waiting events of "  # before a topic, where others are counted by rule


class StateCutting:
    """See the module.

    Args:
        bytes_max: Says how long a record may be, with its key. An event that waits cannot be made
            shorter: it may fill a record, until brokers have refused one.
    """

    def __init__(self, bytes_max: Callable[[], int]) -> None:
        self._bytes_max = bytes_max
        self._counts: Counter[str] = Counter()

    def take_counts(self) -> Counter[str]:
        """How often something was cut since the last call, by rule id; events by `WAITS_OF`."""
        counts, self._counts = self._counts, Counter()
        return counts

    def state(self, processor: Processor, key: StateKey) -> Record:
        """What is kept of a key. The lane lets go of parts until it fits, at the worst of all."""
        record = state_record(key, processor.state_version(key), processor.dump(key))
        lane = processor.lane_of(key.rule)
        if lane is None or not self._is_longer(record):
            return record
        while self._is_longer(record):
            size = _length(record)
            if not _shrink(lane, key.key):
                break
            record = state_record(key, lane.state_version, lane.dump(key.key))
            if _length(record) >= size:
                break  # it is something else that is long
        if self._is_longer(record):
            processor.forget(key)
            record = state_record(key, lane.state_version, lane.dump(key.key))
        self._count(key.rule.partition("/")[0], self._bytes_max())
        return record

    def standing(self, suppressor: Suppressor, rule: str, key: Key) -> Record:
        """What stands for alerts of a key; too much of it is forgotten."""
        record = standing_record(rule, key, suppressor.dump(rule, key))
        if self._is_longer(record):
            self._count(rule, self._bytes_max())
            suppressor.forget(rule, key)
            record = record[0], None
        return record

    def wait(self, name: WaitKey, data: bytes | None) -> Record:
        """An event that waits. One that is too long is not saved.

        It waits on as long as this worker lives and has its key group; whoever goes on then never
        sees it, as its position is committed.
        """
        record = wait_record(name, data)
        bytes_max = self._bytes_max()
        most = WAIT_BYTES_MAX if bytes_max >= STATE_BYTES_MAX else bytes_max
        if data is not None and _length(record) > most:
            self._count(WAITS_OF + name.topic, most)
            record = record[0], None
        return record

    def _is_longer(self, record: Record) -> bool:
        return record[1] is not None and _length(record) > self._bytes_max()

    def _count(self, rule: str, bytes_max: int) -> None:
        self._counts[rule] += 1
        get_logger(__name__).warning("state.cut", rule=rule, bytes_max=bytes_max)


def _shrink(lane: Lane, key: Key) -> bool:
    return isinstance(lane, Shrinks) and lane.shrink(key)


def _length(record: Record) -> int:
    return len(record[0]) + len(record[1] or b"")
