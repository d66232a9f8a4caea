"""How far a consumer is, per partition: handed out, finished, committed. Pure arithmetic.

All three are *next* offsets, as Kafka counts them:

    handed out   one past the last record that `poll` returned
    finished     one past the highest record whose handling ended well
    committed    what the group was last told

A commit never goes beyond what is finished, so that a crash repeats records and loses none.
"""

from __future__ import annotations

from collections.abc import Iterable

from summit.client.types import ConsumerRecord, TopicPartition

Offsets = dict[TopicPartition, int]


class Positions:
    """The offsets of one consumer. Written on the loop; `due` may be asked on any thread."""

    def __init__(self) -> None:
        self._handed: Offsets = {}
        self._finished: Offsets = {}
        self._committed: Offsets = {}

    def hand_out(self, records: Iterable[ConsumerRecord]) -> None:
        """These records leave the consumer now."""
        handed = self._handed
        for record in records:
            handed[TopicPartition(record.topic, record.partition)] = record.offset + 1

    def move_on(self, next_offsets: Offsets) -> None:
        """Records leave the consumer whose last ones are known: the offsets behind them."""
        self._handed.update(next_offsets)

    def hand_back(self, records: list[ConsumerRecord]) -> None:
        """These records were handed out and will be again."""
        for record in reversed(records):
            self._handed[TopicPartition(record.topic, record.partition)] = record.offset

    def finish(self, record: ConsumerRecord) -> None:
        """This record, and thereby those before it, needs no more handling."""
        self._finished[TopicPartition(record.topic, record.partition)] = record.offset + 1

    def finish_handed(self) -> None:
        """Everything handed out so far needs no more handling."""
        self._finished.update(self._handed)

    def handed(self) -> Offsets:
        """What `commit_offsets()` without arguments commits after polls."""
        return self._handed.copy()

    def position(self, partition: TopicPartition) -> int | None:
        """The next offset to be handed out, if it is known here."""
        return self._handed.get(partition)

    def due(self) -> Offsets:
        """What is finished and not yet committed."""
        committed = self._committed.copy()
        return {
            partition: offset
            for partition, offset in self._finished.copy().items()
            if committed.get(partition) != offset
        }

    def commit(self, offsets: Offsets) -> None:
        """The group was told these offsets."""
        self._committed.update(offsets)

    def move(self, partition: TopicPartition, offset: int | None) -> None:
        """A seek: reading goes on elsewhere, and what was finished counts no more."""
        self._finished.pop(partition, None)
        self._handed.pop(partition, None)
        if offset is not None:
            self._handed[partition] = offset

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        """These partitions went to somebody else, or came anew."""
        for partition in partitions:
            for offsets in (self._handed, self._finished, self._committed):
                offsets.pop(partition, None)
