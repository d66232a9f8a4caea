"""What a file collector reads back from the log: headers of the records at a partition's end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple, Protocol


class Written(NamedTuple):
    """What the ledger needs of one record."""

    offset: int
    timestamp: int
    source: bytes | None
    checkpoint: bytes | None


class LogAccess(Protocol):
    """A log that can be read from its end. Every call may raise `SummitError`."""

    async def ensure_topic(self, topic: str) -> int:
        """Create the topic unless it exists; return how many partitions it has."""
        ...

    async def partition_count(self, topic: str) -> int:
        """How many partitions the topic has; 0 when there is no such topic."""
        ...

    async def span(self, topic: str, partition: int) -> tuple[int, int]:
        """First offset kept, and the offset after the last readable record."""
        ...

    def read(
        self, topic: str, partition: int, first: int, stop: int
    ) -> AsyncIterator[list[Written]]:
        """The records of offsets `first` (inclusive) to `stop` (exclusive), in order."""
        ...

    async def close(self) -> None:
        """Let go of every connection."""
        ...
