"""Keeps the log of the broker's own facts short: what still holds is written anew, the rest goes.

Facts have no keys, so the log cannot be compacted. When it holds several times more records than
there is to say, everything that still holds is appended as one group, and once that is durable the
log starts there. A crash in between leaves both, which says the same.

It may only be done while nothing is on its way to the disk for that log: a fact that is staged
but not yet visible would be overwritten by the older one that is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from summit.base.clock import Clock
from summit.base.errors import SummitError
from summit.base.logs import get_logger
from summit.broker.commit import CommitScheduler
from summit.log.partition import PartitionLog
from summit.records import Record, build_batch

Pair = tuple[bytes | None, bytes | None]

RECORDS_MIN: Final = 50_000  # a log with fewer records is left alone: half a second at start
_GROWTH: Final = 4  # records per record that still holds
_BATCH_RECORDS: Final = 500

_log = get_logger(__name__)


class Rewriter:
    """Looks after one log.

    Args:
        live: Everything that still holds, or None when that cannot be said just now.
    """

    def __init__(
        self,
        log: PartitionLog,
        commit: CommitScheduler,
        clock: Clock,
        live: Callable[[], list[Pair] | None],
    ) -> None:
        self._log = log
        self._commit = commit
        self._clock = clock
        self._live = live
        self.records_min = RECORDS_MIN

    def look(self) -> None:
        """Rewrite the log if it is due and possible. Loop thread only."""
        log = self._log
        count = log.high_watermark - log.start_offset
        if count < self.records_min or log.end_offset != log.high_watermark:
            return
        pairs = self._live()
        if pairs is None or count < _GROWTH * len(pairs):
            return
        start = log.end_offset
        now_ms = self._clock.now_ms()
        try:
            for part in _chunks(pairs):
                records = [
                    Record(offset=i, timestamp=now_ms, key=key, value=value, headers=())
                    for i, (key, value) in enumerate(part)
                ]
                log.stage(build_batch(records), now_ms)
        except SummitError as error:
            _log.warning("log.not_rewritten", topic=log.topic, error=str(error))
            return

        def durable(error: SummitError | None) -> None:
            if error is None:
                log.advance_start(start)
                _log.info("log.rewritten", topic=log.topic, before=count, after=len(pairs))

        self._commit.when_durable(durable, (log,))


def _chunks(pairs: list[Pair]) -> list[list[Pair]]:
    return [pairs[i : i + _BATCH_RECORDS] for i in range(0, len(pairs), _BATCH_RECORDS)]
