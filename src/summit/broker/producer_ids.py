"""Producer ids: given out from blocks that are reserved on the disk before their first use.

A crash loses at most the rest of a block; no id is ever given twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from summit.base.errors import SummitError
from summit.broker.commit import CommitScheduler
from summit.broker.metadata_log import MetadataLog, ProducerIdsReserved

BLOCK_IDS: Final = 1_000  # as many as Kafka's controller gives a broker at once

# Hears the id, or -1 and the reason.
Given = Callable[[int, SummitError | None], None]


class ProducerIds:
    """The source of producer ids. Loop thread only."""

    def __init__(self, next_id: int, metadata: MetadataLog, commit: CommitScheduler) -> None:
        self._next = next_id
        self._end = next_id
        self._metadata = metadata
        self._commit = commit
        self._waiting: deque[Given] = deque()

    def take(self, done: Given) -> None:
        """Give one id to `done`, now or when a block is durable."""
        if self._next < self._end:
            self._next += 1
            done(self._next - 1, None)
            return
        self._waiting.append(done)
        if len(self._waiting) == 1:
            self._reserve()

    def live_fact(self) -> ProducerIdsReserved:
        """The fact that the metadata log must hold."""
        return ProducerIdsReserved(self._end)

    def _reserve(self) -> None:
        end = self._end + max(BLOCK_IDS, len(self._waiting))
        try:
            self._metadata.stage(ProducerIdsReserved(end))
        except SummitError as error:
            self._reserved(end, error)
            return
        self._commit.when_durable(lambda error: self._reserved(end, error), self._metadata.logs)

    def _reserved(self, end: int, error: SummitError | None) -> None:
        waiting, self._waiting = self._waiting, deque()
        if error is None:
            self._end = end
        for done in waiting:
            if error is None:
                self.take(done)
            else:
                done(-1, error)
