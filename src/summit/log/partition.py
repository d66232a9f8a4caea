"""One partition's log: staging batches, publishing what was persisted, reading.

A batch passes three lines, always in order:

    staged     offsets given, place in the segment planned; in memory only     end_offset
    persisted  on the disk as the store's durability asks                      (the group knows)
    published  readers see it, its producer is answered                        high_watermark

`stage`, `read` and all else here belong to the loop's thread. Another thread writes the files from
the `Write` objects that staging made; it never touches this object. When a group cannot be written,
everything of its partitions that is staged and not published is taken back (`roll_back`): the
batches after the failed one have offsets behind a hole that must never be seen.
"""

from __future__ import annotations

import struct
from collections import deque
from uuid import UUID

from summit.base.errors import Closed, Invalid
from summit.base.files import Buffer, Files
from summit.base.limits import TAIL_HINTS_MAX
from summit.log.epochs import LeaderEpochs
from summit.log.index import OFFSET_ENTRY_BYTES, RELATIVE_MAX
from summit.log.producers import ProducedBatch, ProducerEntry, ProducerStates
from summit.log.segment import NO_TIMESTAMP, Segment
from summit.log.settings import LogConfig
from summit.log.times import max_timestamp, offset_for_timestamp
from summit.log.transactions import AbortedTransaction, Ended, Opened, OpenTransactions
from summit.log.write import AppendResult, Tail, Write
from summit.records.batch import (
    CONTROL,
    LENGTH_END,
    SEQUENCE_MAX,
    TRANSACTIONAL,
    BatchHeader,
    parse_header,
    stamp_append_time,
)
from summit.records.marker import build_marker, read_marker

_PLACE = struct.Struct(">qii")  # base offset, batch length, leader epoch
_NO_TIME = -1


class PartitionLog:
    """The log of one partition. Made by the store; see the module for who may call what."""

    __slots__ = (
        "_append_time",
        "_files",
        "_hints",
        "_is_deleted",
        "_open_writes",
        "_segments",
        "_tail",
        "_tail_offset",
        "_tail_position",
        "_unindexed_bytes",
        "_unpublished",
        "_write",
        "cleaned_offset",
        "config",
        "directory",
        "dirty_since_ms",
        "epochs",
        "has_rolled",
        "high_watermark",
        "index",
        "is_cleanable",
        "is_cleaning",
        "is_dirty",
        "is_new",
        "last_stable_offset",
        "leader_epoch",
        "log_dir",
        "open_transactions",
        "producers",
        "recovery_point",
        "snapshot_offset",
        "start_offset",
        "swap_markers",
        "thinned_offset",
        "topic",
        "topic_id",
        "unsnapshot_bytes",
        "unsynced_records",
        "write_rank",
    )

    def __init__(
        self,
        files: Files,
        directory: str,
        *,
        name: tuple[str, int, UUID],
        config: LogConfig,
        segments: list[Segment],
        open_writes: list[Write],
    ) -> None:
        self._files = files
        self.directory = directory
        self.topic, self.index, self.topic_id = name
        self.config = config
        self.log_dir = ""
        self.leader_epoch = 0
        self.producers = ProducerStates()
        self.open_transactions = OpenTransactions()
        self.epochs = LeaderEpochs()
        self.start_offset = segments[0].base_offset
        self.is_dirty = False  # the next checkpoint has something to do here
        self.dirty_since_ms = 0  # when the first batch came that no checkpoint has
        self.unsynced_records = 0  # persisted without a sync; counted for flush.messages only
        self.has_rolled = False  # since the last producer snapshot
        self.recovery_point = 0  # what a checkpoint has covered
        self.cleaned_offset = 0  # before it every key has one record at most
        self.thinned_offset = 0  # before it offsets may be missing
        self.write_rank = 0  # of a group without a write-ahead log: higher ones are written later
        self.is_cleaning = False
        self.is_cleanable = True  # no batch was met that cannot be read
        self.swap_markers: set[str] = set()  # to be removed by a checkpoint
        self.is_new = True  # until a checkpoint has made its directory durable
        self.snapshot_offset = -1
        self.unsnapshot_bytes = 0
        self._segments = segments
        self._open_writes = open_writes  # shared with the store: the group that is open now
        self._write: Write | None = None
        self._unpublished: deque[Write] = deque()
        self._hints: dict[int, tuple[Segment, int]] = {}
        self._is_deleted = False
        self._unindexed_bytes = 0
        self._tail = segments[-1]
        self._tail_position = self._tail.size
        self._tail_offset = self.high_watermark = self._tail.base_offset
        self.last_stable_offset = self.high_watermark  # what read_committed may reach, half-open

    # ---- state ----

    @property
    def end_offset(self) -> int:
        """The offset that the next staged batch gets."""
        return self._tail_offset

    @property
    def segments(self) -> list[Segment]:
        """The published segments, oldest first. Not to be changed."""
        return self._segments

    @property
    def has_unsnapshot_state(self) -> bool:
        """Whether something was published that indexes and snapshot on disk do not know."""
        return bool(self.unsnapshot_bytes) or self.epochs.is_dirty or self._tail.is_dirty

    @property
    def is_in_flight(self) -> bool:
        """Whether something of it is in a group that was sealed and is not settled."""
        return bool(self._unpublished) and self._unpublished[0] is not self._write

    @property
    def is_deleted(self) -> bool:
        return self._is_deleted

    @property
    def size_bytes(self) -> int:
        """Published bytes of all segments."""
        return sum(segment.size for segment in self._segments)

    def set_tail(self, end_offset: int, unindexed_bytes: int) -> None:
        """Go on after the last segment's batches, which end before `end_offset`; for opening."""
        self._tail = self._segments[-1]
        self._tail_position = self._tail.size
        self._tail_offset = self.high_watermark = end_offset
        self._unindexed_bytes = unindexed_bytes
        entries = self.producers.entries()
        self.open_transactions.set_all(
            {key: entry.open_offset for key, entry in entries.items() if entry.open_offset >= 0}
        )
        self._find_last_stable()

    def _find_last_stable(self) -> None:
        stable = self.open_transactions.first_unstable(self.high_watermark)
        self.last_stable_offset = max(stable, self.start_offset)

    # ---- writing ----

    def stage(self, batch: Buffer, now_ms: int, header: BatchHeader | None = None) -> AppendResult:
        """Give the next offsets to one batch and queue it in the open group.

        Nothing is visible or durable before the group is persisted and published.

        Args:
            batch: One v2 record batch that `validate_batch` passed. Base offset and leader epoch
                are written into it; it must not change until the group is settled. A read-only
                buffer is copied.
            now_ms: The broker's time, ms since 1970 UTC.
            header: What `validate_batch` returned, to save parsing it again.
        Raises: Invalid("batch.too_large"); Closed("producer.fenced" | "log.closed");
            Conflict("producer.out_of_order").
        Cost: 2 µs, no copy, no I/O.
        """
        if header is None:
            header = parse_header(batch)
        _, length, _, _, _, attributes, delta, _, timestamp, producer_id, epoch, sequence, _ = (
            header
        )
        size = length + LENGTH_END
        config = self.config
        if size > config.max_message_bytes:
            raise Invalid("batch.too_large", size_bytes=size, limit_bytes=config.max_message_bytes)
        if self._is_deleted:
            raise Closed("log.closed", topic=self.topic, partition=self.index)
        if producer_id >= 0 and not attributes & CONTROL:
            last_sequence = (sequence + delta) & SEQUENCE_MAX
            known = self.producers.check(producer_id, epoch, sequence, last_sequence)
            if known is not None:
                return self._repeat(known, now_ms)
        base = self._tail_offset
        last = base + delta
        position = self._tail_position
        segment = self._tail
        if position and (
            position + size > config.segment_bytes
            or now_ms - segment.opened_ms > config.segment_ms
            or last - segment.base_offset > RELATIVE_MAX
            or len(segment.offset_index) * OFFSET_ENTRY_BYTES >= config.index_bytes
        ):
            self._roll()
            position = 0
            segment = self._tail
        try:
            _PLACE.pack_into(batch, 0, base, length, self.leader_epoch)
        except TypeError:  # a read-only buffer
            batch = bytearray(batch)
            _PLACE.pack_into(batch, 0, base, length, self.leader_epoch)
        append_time = _NO_TIME
        if config.log_append_time:
            append_time = timestamp = now_ms
            stamp_append_time(batch, 0, size, now_ms)  # type: ignore[arg-type]
        write = self._write
        if write is None:
            write = self._begin_write(now_ms)
        if producer_id >= 0:
            self._note_producer(write, header, batch, now_ms)
        if timestamp > segment.max_timestamp:
            segment.max_timestamp = timestamp
            segment.max_timestamp_offset = last
        if self._unindexed_bytes > config.index_interval_bytes:
            segment.add_entry(last, position)
            self._unindexed_bytes = 0
        self._unindexed_bytes += size
        write.chunks.append(batch)
        self._tail_position = position + size
        self._tail_offset = last + 1
        return AppendResult(base, last, False, append_time, False)

    def stage_marker(
        self,
        producer_id: int,
        epoch: int,
        *,
        is_commit: bool,
        coordinator_epoch: int,
        now_ms: int,
    ) -> AppendResult:
        """Queue the control batch that ends a producer's open transaction here.

        Raises: Closed("producer.fenced") when a newer epoch has written; else as `stage`.
        """
        entry = self.producers.get(producer_id)
        if entry is not None and epoch < entry.epoch:
            raise Closed(
                "producer.fenced", producer_id=producer_id, epoch=epoch, current=entry.epoch
            )
        batch = build_marker(
            producer_id,
            epoch,
            is_commit=is_commit,
            coordinator_epoch=coordinator_epoch,
            now_ms=now_ms,
        )
        return self.stage(batch, now_ms)

    def _note_producer(self, write: Write, header: BatchHeader, batch: Buffer, now_ms: int) -> None:
        """Note what a batch or a marker at the tail does to its producer."""
        producer_id, epoch, base = header.producer_id, header.producer_epoch, self._tail_offset
        states = self.producers
        if header.attributes & CONTROL:
            marker = read_marker(batch)
            old = states.end_transaction(producer_id, epoch, marker.coordinator_epoch, now_ms)
            first = old.open_offset if old is not None else -1
            write.transactions.append(Ended(producer_id, first, base, not marker.is_commit))
        else:
            is_transactional = bool(header.attributes & TRANSACTIONAL)
            last = base + header.last_offset_delta
            produced = ProducedBatch(header.base_sequence, header.last_sequence, base, last)
            old = states.put(
                producer_id, epoch, produced, now_ms, is_transactional=is_transactional
            )
            if is_transactional and (old is None or old.open_offset < 0):
                write.transactions.append(Opened(producer_id, base))
        write.undo.append((producer_id, old))

    def _repeat(self, known: ProducedBatch, now_ms: int) -> AppendResult:
        """The answer to a batch that was staged before."""
        published = known.last_offset < self.high_watermark
        if not published and self._write is None:
            # The first one is in flight. An empty write keeps the open group from being nothing,
            # so that the caller hears of it after the first one's group.
            self._begin_write(now_ms)
        return AppendResult(known.base_offset, known.last_offset, True, _NO_TIME, published)

    def _begin_write(self, now_ms: int) -> Write:
        segment = self._tail
        position = self._tail_position
        offset = self._tail_offset
        write = self._write = Write(self, segment, position, offset)
        write.before = Tail(
            segment, position, offset, self._unindexed_bytes,
            len(segment.offset_index), len(segment.time_index),
            segment.max_timestamp, segment.max_timestamp_offset,
        )  # fmt: skip
        if position == 0:
            segment.opened_ms = now_ms
        if not self.is_dirty:
            self.dirty_since_ms = now_ms
        if self.leader_epoch != self.epochs.last_epoch:
            self.epochs.note(self.leader_epoch, offset)
        self._unpublished.append(write)
        self._open_writes.append(write)
        return write

    def _roll(self) -> None:
        """Go on in a new segment. Its file is made when the group is persisted."""
        self._end_write()
        self._tail.finish_time_index()
        self._tail = Segment(self._files, self.directory, self._tail_offset)
        self._tail_position = 0
        self._unindexed_bytes = 0

    def _end_write(self) -> None:
        """Close the open write: what is staged from here on goes to another one."""
        write = self._write
        if write is not None:
            write.end_position = self._tail_position
            write.end_offset = self._tail_offset
            self._write = None

    seal = _end_write

    def publish(self, write: Write) -> None:
        """Let readers see a persisted write."""
        assert self._unpublished[0] is write, "groups are published in the order they were sealed"
        self._unpublished.popleft()
        size = write.end_position - write.position
        if not size:
            return
        segment = write.segment
        if segment is not self._segments[-1]:
            self._segments = [*self._segments, segment]
            self.has_rolled = True
        segment.size = write.end_position
        segment.is_dirty = True
        self.unsnapshot_bytes += size
        self.high_watermark = self.last_stable_offset = write.end_offset
        if write.transactions or self.open_transactions:
            for event in write.transactions:
                aborted = self.open_transactions.apply(event)
                if aborted is not None:
                    segment.aborted.append(aborted)
            self._find_last_stable()
        self._hint(write.base_offset, segment, write.position)

    def roll_back(self) -> bool:
        """Take back all that is staged and not published. Returns: whether there was anything."""
        if not self._unpublished:
            return False
        for write in reversed(self._unpublished):
            write.is_dropped = True
            for producer_id, entry in reversed(write.undo):
                self.producers.restore(producer_id, entry)
        before = self._unpublished[0].before
        assert before is not None
        segment = before.segment
        segment.offset_index.truncate(before.offset_entries)
        segment.time_index.truncate(before.time_entries)
        segment.max_timestamp = before.max_timestamp
        segment.max_timestamp_offset = before.max_timestamp_offset
        # Truncations and removals of what was written already must last as writes do, lest a crash
        # brings back batches whose offsets were given again.
        segment.is_dirty = True
        self.has_rolled = True
        self._tail = segment
        self._tail_position = before.position
        self._tail_offset = before.offset
        self._unindexed_bytes = before.unindexed_bytes
        self.epochs.truncate(before.offset)
        self._unpublished.clear()
        self._write = None
        return True

    # ---- reading ----

    def read(
        self, offset: int, max_bytes: int, *, at_least_one: bool = True, committed: bool = False
    ) -> bytes:
        """Whole batches from the one that holds `offset`, never beyond the high watermark.

        With `committed` never beyond the last stable offset, where a batch always starts.
        The first batch may start before `offset` (readers skip its records) and, with
        `at_least_one`, is given even if larger than `max_bytes`. All come from one segment, so less
        than `max_bytes` does not mean the end.

        Raises: Invalid("log.offset_out_of_range") below `start_offset` or beyond `end_offset`.
        Cost: One read; at the tail or right after another read nothing is searched, else an index
            look-up and a scan of at most 4096 bytes of batches on either end.
        """
        if offset >= self.high_watermark:
            if offset > self._tail_offset:
                raise self._out_of_range(offset)
            return b""
        if offset < self.start_offset:
            raise self._out_of_range(offset)
        hint = self._hints.get(offset)
        found = hint if hint is not None else self._locate(offset)
        if found is None:
            return b""
        segment, start = found
        stop = segment.size
        if committed and self.last_stable_offset < self.high_watermark:
            limit = self._locate(self.last_stable_offset)
            if limit is not None and limit[0] is segment:
                stop = limit[1]
            if offset >= self.last_stable_offset or stop <= start:
                return b""
        if stop - start > max_bytes:
            cut = segment.cut(start, max_bytes, stop)
            if cut is not None:
                stop = cut.position
                self._hint(cut.base_offset, segment, stop)
            if stop - start > max_bytes and not at_least_one:
                return b""
        return segment.read(start, stop - start)

    def _out_of_range(self, offset: int) -> Invalid:
        return Invalid(
            "log.offset_out_of_range", topic=self.topic, partition=self.index, offset=offset,
            first=self.start_offset, end=self.high_watermark,
        )  # fmt: skip

    def _locate(self, offset: int) -> tuple[Segment, int] | None:
        """Segment and position of the first published batch that ends at or after `offset`."""
        for segment in self._segments[self._segment_at(offset) :]:
            place = segment.find(offset, segment.size)
            if place is not None:
                return segment, place.position
        return None

    def _segment_at(self, offset: int) -> int:
        """Number in `segments` of the last one that starts at or before `offset`."""
        segments = self._segments
        if offset >= segments[-1].base_offset:
            return len(segments) - 1
        low, high = 0, len(segments) - 1
        while low < high:
            middle = (low + high + 1) // 2
            if segments[middle].base_offset <= offset:
                low = middle
            else:
                high = middle - 1
        return low

    def _hint(self, offset: int, segment: Segment, position: int) -> None:
        """Remember where a batch starts; consumers come back for exactly these."""
        hints = self._hints
        hints[offset] = (segment, position)
        if len(hints) > TAIL_HINTS_MAX:
            del hints[next(iter(hints))]

    # ---- the start ----

    def advance_start(self, offset: int) -> None:
        """Hide what is before `offset`; whole segments before it are for the store to remove.

        Raises: Invalid("log.offset_out_of_range") beyond the high watermark.
        """
        if offset > self.high_watermark:
            raise self._out_of_range(offset)
        self.start_offset = max(self.start_offset, offset)
        self.last_stable_offset = max(self.last_stable_offset, self.start_offset)

    def expire(self, now_ms: int) -> list[Segment]:
        """Take out the segments that retention no longer keeps; an empty one may be all that stays.

        Returns: The segments whose files are to be removed, oldest first.
        """
        if self.is_cleaning:  # its segments are about to be replaced; the next time will do
            return []
        config = self.config
        last = self._segments[-1]
        if config.delete and self._is_old(last, now_ms):
            self.roll()
        keep_from = 0
        excess = self.size_bytes - config.retention_bytes if config.retention_bytes >= 0 else 0
        for number, segment in enumerate(self._segments[:-1]):
            next_base = self._segments[number + 1].base_offset
            expired = next_base <= self.start_offset
            if config.delete and not expired:
                expired = excess > 0 and excess >= segment.size
                expired = expired or not segment.size or self._is_old(segment, now_ms)
            if not expired:
                break
            excess -= segment.size
            keep_from = number + 1
        gone = self._segments[:keep_from]
        if gone:
            self._segments = self._segments[keep_from:]
            self.advance_start(self._segments[0].base_offset)
            dropped = set(gone)
            self._hints = {o: hint for o, hint in self._hints.items() if hint[0] not in dropped}
        return gone

    def roll(self) -> None:
        """Close the last segment, unless it is empty or something is staged."""
        if self._segments[-1].size and not self._unpublished:
            self._roll()
            self._segments = [*self._segments, self._tail]
            self.has_rolled = True

    def _is_old(self, segment: Segment, now_ms: int) -> bool:
        segment.ensure_indexes()
        if self.config.retention_ms < 0 or segment.max_timestamp == NO_TIMESTAMP:
            return False
        return now_ms - segment.max_timestamp > self.config.retention_ms

    def mark_deleted(self) -> list[Segment]:
        """Refuse further batches; what is staged is taken back. Returns: segments to be closed."""
        segments = [*self._segments, *(write.segment for write in self._unpublished)]
        self.roll_back()
        self._is_deleted = True
        return segments

    # ---- cleaning ----

    def replace_segments(self, old: list[Segment], new: Segment) -> None:
        """Put a cleaned segment in the place of those that it was made of."""
        at = self._segments.index(old[0])
        assert self._segments[at : at + len(old)] == old, "segments changed while being cleaned"
        self._segments = [*self._segments[:at], new, *self._segments[at + len(old) :]]
        gone = set(old)
        self._hints = {o: hint for o, hint in self._hints.items() if hint[0] not in gone}

    # ---- questions ----

    def published_producers(self) -> dict[int, ProducerEntry]:
        """The producers as of the high watermark: without what is only staged."""
        entries = self.producers.entries()
        for write in reversed(self._unpublished):
            for producer_id, entry in reversed(write.undo):
                if entry is None:
                    entries.pop(producer_id, None)
                else:
                    entries[producer_id] = entry
        return entries

    def aborted_between(self, offset: int, stop: int) -> list[AbortedTransaction]:
        """The aborted transactions that have records between two offsets, half-open."""
        found: list[AbortedTransaction] = []
        for segment in self._segments[self._segment_at(offset) :]:
            segment.ensure_indexes()
            for entry in segment.aborted:
                if entry.last_offset >= offset and entry.first_offset < stop:
                    found.append(entry)
                if entry.last_stable_offset >= stop:
                    return found
        return found

    def end_offset_for_epoch(self, epoch: int) -> tuple[int, int]:
        """Up to where the leader of `epoch` wrote: (epoch found, end offset), (-1, -1) unknown."""
        if epoch == self.leader_epoch:
            return epoch, self.high_watermark
        return self.epochs.end_of(epoch, self.high_watermark, self.leader_epoch)

    def offset_for_timestamp(self, timestamp: int) -> tuple[int, int] | None:
        """The first record at or after `timestamp` (ms): (offset, its timestamp), or None."""
        return offset_for_timestamp(self._segments, timestamp, self.start_offset)

    def max_timestamp(self) -> tuple[int, int] | None:
        """The published record with the largest timestamp: (offset, timestamp), or None."""
        segments = self._segments
        known: tuple[int, int] | None = None
        if self._unpublished:  # the tail's own numbers may be of batches not yet published
            before = self._unpublished[0].before
            assert before is not None
            known = (before.max_timestamp, before.max_timestamp_offset)
            if before.segment is not segments[-1]:
                known = None
        return max_timestamp(segments, known)
