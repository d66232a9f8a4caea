"""What a topic's settings ask of a batch before it is staged: times, keys, codec.

Most topics ask nothing that the header does not answer. Where records have to be opened, a large
request is worked on by a thread, while its connection's later requests wait their turn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from summit.base.errors import Invalid
from summit.base.files import Buffer
from summit.records import CODEC_NUMBERS, BatchHeader, iter_records, parse_header
from summit.records.recode import recode_batch

# Requests with fewer bytes to open are dealt with on the loop: 16 KiB take a third of a
# millisecond with gzip, the slowest, and the way to a thread and back costs as much as lz4 does.
INLINE_BYTES_MAX: Final = 16 * 1024

_LONG_MAX: Final = 2**63 - 1


class BatchRules(NamedTuple):
    """What a topic asks of its batches.

    Attributes:
        codec: What batches are stored with; None = what their producer chose.
        needs_keys: Every record must have a key: the topic is compacted.
        before_max_ms, after_max_ms: How far a record's time may lie from the broker's.
        is_append_time: The broker's time is what counts: the record's own is not looked at.
    """

    codec: int | None = None
    needs_keys: bool = False
    before_max_ms: int = _LONG_MAX
    after_max_ms: int = _LONG_MAX
    is_append_time: bool = False

    def opens(self, header: BatchHeader) -> bool:
        """Whether the records have to be opened."""
        return (
            self.needs_keys
            or (self.codec is not None and self.codec != header.attributes & 7)
            or (self.before_max_ms < _LONG_MAX and not self.is_append_time)
        )

    def check_time(self, header: BatchHeader, now_ms: int) -> None:
        """Refuse a batch whose largest time lies too far ahead. Raises Invalid."""
        if header.max_timestamp - now_ms > self.after_max_ms and not self.is_append_time:
            raise Invalid(
                "batch.time_out_of_range", timestamp=header.max_timestamp, now_ms=now_ms,
                key="message.timestamp.after.max.ms", limit_ms=self.after_max_ms,
            )  # fmt: skip

    def apply(self, batch: Buffer, header: BatchHeader, now_ms: int) -> tuple[Buffer, BatchHeader]:
        """The batch as the topic stores it. For any thread.

        Raises: Invalid("batch.keyless" | "batch.time_out_of_range" | "batch.unfolds_too_large");
            Corrupt("batch.unreadable"). The detail `record_numbers` of the first two says which
            records of the batch are wrong.
        Cost: 1.5 µs a record where keys or times are looked at; else the codecs' work alone.
        """
        before = self.before_max_ms < _LONG_MAX and not self.is_append_time
        if self.needs_keys or before:
            self._check_records(batch, now_ms, before=before)
        if self.codec is None or self.codec == header.codec:
            return batch, header
        recoded = recode_batch(batch, header, self.codec)
        return recoded, parse_header(recoded)

    def _check_records(self, batch: Buffer, now_ms: int, *, before: bool) -> None:
        """Look at every record, so that the error can name all that are wrong."""
        earliest = now_ms - self.before_max_ms
        keyless: list[int] = []
        early: list[int] = []
        first_early = 0
        for number, record in enumerate(iter_records(batch)):
            if self.needs_keys and record.key is None:
                keyless.append(number)
            elif before and record.timestamp < earliest:
                first_early = first_early if early else record.timestamp
                early.append(number)
        if keyless:
            raise Invalid("batch.keyless", record_numbers=keyless)
        if early:
            raise Invalid(
                "batch.time_out_of_range", timestamp=first_early, now_ms=now_ms,
                key="message.timestamp.before.max.ms", limit_ms=self.before_max_ms,
                record_numbers=early,
            )  # fmt: skip


def batch_rules(values: Mapping[str, str]) -> BatchRules:
    """The rules of a topic's effective configs."""
    codec = values["compression.type"]
    number = 0 if codec == "uncompressed" else CODEC_NUMBERS.get(codec)
    return BatchRules(
        codec=number,
        needs_keys="compact" in values["cleanup.policy"],
        before_max_ms=int(values["message.timestamp.before.max.ms"]),
        after_max_ms=int(values["message.timestamp.after.max.ms"]),
        is_append_time=values["message.timestamp.type"] == "LogAppendTime",
    )
