"""What a partition knows of its idempotent producers: the last five batches of each.

A producer numbers its records per partition. Sent again after a lost answer, a batch is recognised
by its first and last number and gets the offsets it was given before; a gap is refused. An entry is
an immutable tuple, so a staged batch is taken back by putting the old tuple in its place.

An entry also knows where the producer's open transaction began. A marker ends it, and may raise the
epoch: then nothing is left of the batches before, and the next one starts at sequence 0.
"""

from __future__ import annotations

from typing import NamedTuple

from summit.base.errors import Closed, Conflict
from summit.base.limits import PRODUCERS_PER_PARTITION_MAX
from summit.records.batch import SEQUENCE_MAX

BATCHES_KEPT = 5  # how many requests an idempotent producer may have in flight


class ProducedBatch(NamedTuple):
    """One batch of a producer; sequences and offsets are inclusive."""

    first_sequence: int
    last_sequence: int
    base_offset: int
    last_offset: int


class ProducerEntry(NamedTuple):
    """One producer: its epoch, when it last wrote (ms), its last batches, oldest first.

    Attributes:
        open_offset: First offset of its open transaction; -1 when none is open.
        coordinator_epoch: Of the last marker; -1 before the first.
    """

    epoch: int
    written_ms: int
    batches: tuple[ProducedBatch, ...]
    open_offset: int = -1
    coordinator_epoch: int = -1


class ProducerStates:
    """The producers of one partition. Only the loop's thread uses it."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: dict[int, ProducerEntry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, producer_id: int) -> ProducerEntry | None:
        return self._entries.get(producer_id)

    def entries(self) -> dict[int, ProducerEntry]:
        """A copy of all entries by producer id."""
        return dict(self._entries)

    def check(
        self, producer_id: int, epoch: int, first_sequence: int, last_sequence: int
    ) -> ProducedBatch | None:
        """Check the next batch of a producer before it is staged.

        Returns: The batch of before when this one is a duplicate, else None.
        Raises: Closed("producer.fenced") when a newer epoch has written;
            Conflict("producer.out_of_order") when numbers are missing in between.
        """
        entry = self._entries.get(producer_id)
        if entry is None:
            return None  # unknown or expired: any number may come first
        if epoch != entry[0]:
            if epoch < entry[0]:
                raise Closed(
                    "producer.fenced", producer_id=producer_id, epoch=epoch, current=entry[0]
                )
            if first_sequence != 0:
                raise Conflict(
                    "producer.out_of_order", producer_id=producer_id, expected=0,
                    sequence=first_sequence,
                )  # fmt: skip
            return None
        batches = entry[2]
        expected = (batches[-1][1] + 1) & SEQUENCE_MAX if batches else 0
        if first_sequence == expected:
            return None
        for batch in batches:
            if batch[0] == first_sequence and batch[1] == last_sequence:
                return batch
        raise Conflict(
            "producer.out_of_order", producer_id=producer_id, expected=expected,
            sequence=first_sequence,
        )  # fmt: skip

    def put(
        self,
        producer_id: int,
        epoch: int,
        batch: ProducedBatch,
        now_ms: int,
        *,
        is_transactional: bool = False,
    ) -> ProducerEntry | None:
        """Note a batch that was checked. Returns: the entry of before, for `restore`."""
        entries = self._entries
        old = entries.get(producer_id)
        first = batch.base_offset if is_transactional else -1
        if old is None:
            if len(entries) >= PRODUCERS_PER_PARTITION_MAX:
                self._make_room()
            entries[producer_id] = ProducerEntry(epoch, now_ms, (batch,), first)
            return old
        _, _, batches, open_offset, coordinator_epoch = old
        if open_offset >= 0:
            first = open_offset
        kept = (batch,) if old[0] != epoch else (*batches[1 - BATCHES_KEPT :], batch)
        entries[producer_id] = ProducerEntry(epoch, now_ms, kept, first, coordinator_epoch)
        return old

    def end_transaction(
        self, producer_id: int, epoch: int, coordinator_epoch: int, now_ms: int
    ) -> ProducerEntry | None:
        """Note a marker. Returns: the entry of before, for `restore`."""
        old = self._entries.get(producer_id)
        batches = old.batches if old is not None and old.epoch == epoch else ()
        self._entries[producer_id] = ProducerEntry(epoch, now_ms, batches, -1, coordinator_epoch)
        return old

    def restore(self, producer_id: int, entry: ProducerEntry | None) -> None:
        """Put back what `put` or `load` replaced."""
        if entry is None:
            self._entries.pop(producer_id, None)
        else:
            self._entries[producer_id] = entry

    def expire(self, before_ms: int) -> int:
        """Forget producers that have not written since `before_ms`. Returns: how many."""
        old = [
            key
            for key, entry in self._entries.items()
            if entry.written_ms < before_ms and entry.open_offset < 0
        ]
        for key in old:
            del self._entries[key]
        return len(old)

    def forget_from(self, end_offset: int) -> None:
        """Forget producers whose last batch is not below `end_offset`: the log has lost it."""
        for key, entry in list(self._entries.items()):
            if not entry.batches or entry.batches[-1].last_offset < end_offset:
                continue
            if 0 <= entry.open_offset < end_offset:  # the transaction has to be ended all the same
                left = tuple(b for b in entry.batches if b.last_offset < end_offset)
                self._entries[key] = entry._replace(batches=left)
            else:
                del self._entries[key]

    def _make_room(self) -> None:
        """Forget the tenth that wrote longest ago, so that this is rare."""
        idle = [key for key, entry in self._entries.items() if entry.open_offset < 0]
        by_age = sorted(idle, key=lambda key: self._entries[key].written_ms)
        for key in by_age[: max(1, len(by_age) // 10)]:
            del self._entries[key]
