"""What staging makes: the answer for the producer, and the write that a group persists."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from summit.base.files import Buffer
from summit.log.producers import ProducerEntry
from summit.log.segment import Segment
from summit.log.transactions import Ended, Opened

if TYPE_CHECKING:
    from summit.log.partition import PartitionLog


class AppendResult(NamedTuple):
    """What staging gave a batch.

    Attributes:
        base_offset, last_offset: Inclusive; of a duplicate, those given the first time.
        duplicate: The producer sent this batch before; nothing was staged.
        log_append_time: The broker's time in ms if the topic asks for it, else -1.
        published: A duplicate of what is already published: answer at once. Otherwise answer
            when the group that is open now is published or rolled back.
    """

    base_offset: int
    last_offset: int
    duplicate: bool
    log_append_time: int
    published: bool


class Write:
    """The batches of one partition in one group, which go to one place in one segment."""

    __slots__ = (
        "base_offset",
        "before",
        "chunks",
        "end_offset",
        "end_position",
        "is_dropped",
        "log",
        "position",
        "segment",
        "transactions",
        "undo",
    )

    def __init__(self, log: PartitionLog, segment: Segment, position: int, offset: int) -> None:
        self.log = log
        self.segment = segment
        self.position = position
        self.base_offset = offset
        self.end_position = position
        self.end_offset = offset
        self.chunks: list[Buffer] = []  # batches; small ones are joined when they are persisted
        self.undo: list[tuple[int, ProducerEntry | None]] = []
        self.transactions: list[Opened | Ended] = []  # what publishing opens and ends
        self.before: Tail | None = None
        self.is_dropped = False


class Tail(NamedTuple):
    """Where staging stood before a write, to go back to."""

    segment: Segment
    position: int
    offset: int
    unindexed_bytes: int
    offset_entries: int
    time_entries: int
    max_timestamp: int
    max_timestamp_offset: int
