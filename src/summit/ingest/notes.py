"""What collectors remember of their senders beyond a restart: the topic `_summit.ingest`.

One compacted partition; the key names collector and sender's key, the value is a note. Notes are
for a day (or as long as the collector says): then they count no more, and the topic drops them.

A collector that was killed may have written events whose note it had not written yet. So a start
also looks at the newest records of the topic: those that carry a coordinate of this collector in
`summit.src` are there, and are not written again when their sender repeats them: while a note would
count, and only with the same value.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from typing import Final, NamedTuple

import msgspec

from summit.base.clock import Clock
from summit.base.errors import Unavailable
from summit.base.limits import INGEST_KEYS_MAX, INGEST_NOTES_BYTES_MAX
from summit.client.admin import Admin
from summit.client.log_reader import LogReader
from summit.client.topics import TopicConfig
from summit.ingest.producing import Producer
from summit.ingest.shaping import SOURCE_HEADER
from summit.ingest.topics import addresses_of, admin_config

NOTES_TOPIC: Final = "_summit.ingest"
LOOK_BACK_RECORDS: Final = 20_000  # of each partition: more is never under way at once
_DAY_MS: Final = 86_400_000

NOTES: Final = TopicConfig(
    name=NOTES_TOPIC, partitions=1, cleanup_policy="compact,delete",
    retention_ms=7 * _DAY_MS, segment_bytes=16 << 20,
)  # fmt: skip


class Place(NamedTuple):
    """Where a record is.

    Attributes:
        digest: `digest_of` its value: another value under its coordinate is another event.
        until_ms: From then on its coordinate may be used anew.
    """

    topic: str
    partition: int
    offset: int
    digest: bytes
    until_ms: int


def digest_of(value: bytes | None) -> bytes:
    """What stands for a record's value."""
    return hashlib.blake2b(value or b"", digest_size=16).digest()


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered under one key.

    Attributes:
        at: When it was written, milliseconds since 1970 UTC.
        hash: Of the content that came with the key.
        status: The HTTP status of the answer.
        answer: The answer's body.
    """

    at: int
    hash: str = ""
    status: int = 200
    answer: str = ""


class Notes:
    """The notes of one collector.

    Args:
        prefix: What every key begins with: type and name of the collector.
        keep_ms: How long a note counts.
    """

    def __init__(self, prefix: str, keep_ms: int, clock: Clock) -> None:
        self._prefix = prefix
        self._keep_ms = keep_ms
        self._clock = clock
        self._notes: OrderedDict[str, Note] = OrderedDict()
        self._bytes = 0
        self._producer: Producer | None = None
        self._is_durable = False
        self.forgotten = 0  # notes that were dropped before their time, for want of room

    async def open(self, producer: Producer, topic: str) -> dict[bytes, Place]:
        """Read the notes; and give the places of this collector's newest records by coordinate.

        A producer that is no Kafka client has no topic: then notes last as long as this process.
        Raises: Unavailable.
        """
        self._producer = producer
        addresses = addresses_of(producer)
        if not addresses:
            return {}
        async with Admin(admin_config(addresses)) as admin:
            made = await admin.create_if_missing(NOTES)
        self._is_durable = True
        if made is not None:
            return {}
        found: dict[bytes, Place] = {}
        now_ms = self._clock.now_ms()
        async with LogReader(admin_config(addresses)) as reader:
            await self._read_notes(reader)
            prefix = f"{self._prefix}:".encode()
            for partition in range(await reader.partition_count(topic)):
                first, stop = await reader.span(topic, partition)
                first = max(first, stop - LOOK_BACK_RECORDS)
                if first >= stop:
                    continue
                async for records in reader.read(topic, partition, first, stop):
                    for record in records:
                        source = record.headers.get(SOURCE_HEADER)
                        until_ms = record.timestamp + self._keep_ms
                        if source is None or until_ms <= now_ms or not source.startswith(prefix):
                            continue
                        found[source] = Place(
                            topic, partition, record.offset, digest_of(record.value), until_ms
                        )
        return found

    def get(self, key: str) -> Note | None:
        """The note under a key, while it counts."""
        note = self._notes.get(key)
        if note is not None and note.at + self._keep_ms <= self._clock.now_ms():
            self._drop(key)
            return None
        return note

    async def put(self, key: str, note: Note, timeout_ms: int) -> None:
        """Write a note; returns when it is durable. Raises SummitError."""
        if self._is_durable:
            assert self._producer is not None
            name = f"{self._prefix}:{key}".encode()
            future = self._producer.send_nowait(NOTES_TOPIC, msgspec.json.encode(note), name)
            try:
                async with asyncio.timeout(timeout_ms / 1000):
                    await future
            except TimeoutError:
                raise Unavailable(
                    "ingest.broker_away", reason="no answer in time", retry_after_ms=1_000
                ) from None
        self._keep(key, note)

    def _keep(self, key: str, note: Note) -> None:
        self._drop(key)
        self._notes[key] = note
        self._bytes += _bytes_of(key, note)
        until_ms = self._clock.now_ms() - self._keep_ms
        while self._notes:
            oldest, its_note = next(iter(self._notes.items()))
            if its_note.at > until_ms:
                if len(self._notes) <= INGEST_KEYS_MAX and self._bytes <= INGEST_NOTES_BYTES_MAX:
                    break
                self.forgotten += 1
            self._drop(oldest)

    def _drop(self, key: str) -> None:
        note = self._notes.pop(key, None)
        if note is not None:
            self._bytes -= _bytes_of(key, note)

    async def _read_notes(self, reader: LogReader) -> None:
        first, stop = await reader.span(NOTES_TOPIC, 0)
        if first >= stop:
            return
        prefix = f"{self._prefix}:"
        async for records in reader.read(NOTES_TOPIC, 0, first, stop):
            for record in records:
                note = _decode(record.value)
                key = (record.key or b"").decode(errors="replace")
                if note is not None and key.startswith(prefix):
                    self._keep(key.removeprefix(prefix), note)


def _bytes_of(key: str, note: Note) -> int:
    return len(key) + len(note.hash) + len(note.answer)


def _decode(value: bytes | None) -> Note | None:
    try:
        return msgspec.json.decode(value or b"", type=Note)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None  # not ours
