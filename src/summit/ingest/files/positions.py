"""How far each file was written, in a compacted topic of the collector's own, `_summit.files.NAME`.

    key    801-2f0a-400-9f86d081884c7d65
    value  {"place": [40960, 0], "done": [53111, 1700000000000000000]}
    key    owner
    value  {"owner": "6f1c…"}

`place` is the last line that was looked at, whether it became a record or not; `done` is there when
the file is complete, with its size and its time of change then: what has another stamp later is
another file, whose first bytes happen to be the same.

`owner` is who opened it last: an earlier one of the name, which is then shut out, knows by whom.

A position is written in the transaction of the records that it speaks of, so one is there exactly
when the other is. Positions of files that nobody saw for long are forgotten, the oldest first.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec

from summit.base.errors import Corrupt
from summit.client.admin import Admin
from summit.client.log_reader import LogReader
from summit.client.topics import TopicConfig
from summit.client.types import ProducerRecord
from summit.ingest.files.ledger import Place, Resume
from summit.ingest.topics import admin_config, own_topic

FILES_MAX: Final = 50_000  # whose positions are kept
_SEGMENT_BYTES: Final = 4 << 20
_OWNER: Final = "owner"  # no identity is named so

Stamp = tuple[int, int]


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far one file was written."""

    place: Place
    done: Stamp | None = None


class Positions:
    """The positions of one collector's files."""

    newest_ms = 0  # transactions of an earlier process are ended before positions are read

    def __init__(self, addresses: list[str], collector: str) -> None:
        self._addresses = addresses
        self.topic = own_topic("files", collector)
        self._entries: dict[str, Entry] = {}
        self._changed: dict[str, Entry | None] = {}
        self.owner: str | None = None  # as it was read

    async def read(self) -> None:
        """Read what is committed; makes the topic.

        Ask only after the collector's producer has connected, which ends what an earlier one left
        open. Raises: Unavailable; Corrupt("collector.positions_unreadable").
        """
        self._entries.clear()
        self._changed.clear()
        self.owner = None
        config = TopicConfig(
            name=self.topic, partitions=1, cleanup_policy="compact", segment_bytes=_SEGMENT_BYTES
        )
        async with Admin(admin_config(self._addresses)) as admin:
            if await admin.create_if_missing(config) is not None:
                return
        async with LogReader(admin_config(self._addresses), committed=True) as reader:
            first, stop = await reader.span(self.topic, 0)
            if first >= stop:
                return
            async for records in reader.read(self.topic, 0, first, stop):
                for record in records:
                    self._take((record.key or b"").decode(errors="replace"), record.value)

    def _take(self, identity: str, value: bytes | None) -> None:
        self._entries.pop(identity, None)
        if value is None:
            return
        try:
            if identity == _OWNER:
                self.owner = str(msgspec.json.decode(value)["owner"])
                return
            self._entries[identity] = msgspec.json.decode(value, type=Entry)
        except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
            raise Corrupt(
                "collector.positions_unreadable", topic=self.topic, reason=str(error)
            ) from error

    # ---- as a ledger ----

    async def load(self) -> None:
        """They were read when the writer was opened."""

    async def catch_up(self) -> bool:
        """Nobody else writes them."""
        return False

    def identities(self) -> list[str]:
        """Every file that has a position, the one that was seen last at the end."""
        return [*self._entries]

    def resume(self, identity: str) -> Resume | None:
        """What is written of a file."""
        entry = self._entries.get(identity)
        return None if entry is None else Resume(entry.place, frozenset(), entry.place)

    def done(self, identity: str) -> Stamp | None:
        """The stamp with which the file was complete."""
        entry = self._entries.get(identity)
        return None if entry is None else entry.done

    def distrust(self, identity: str, why: str) -> None:
        """What is committed has no holes."""

    def trust(self, identity: str, why: str) -> None:
        """What is committed has no holes."""

    # ---- what is being written ----

    def note(self, identity: str, place: Place, done: Stamp | None = None) -> None:
        """Everything up to a place is in the open transaction, or needs no record."""
        entry = Entry(place, done)
        self._entries.pop(identity, None)
        self._entries[identity] = self._changed[identity] = entry
        while len(self._entries) > FILES_MAX:
            oldest = next(iter(self._entries))
            del self._entries[oldest]
            self._changed[oldest] = None

    def owner_record(self, owner: str) -> ProducerRecord:
        """What says who writes from now on."""
        value = msgspec.json.encode({"owner": owner})
        return ProducerRecord(topic=self.topic, key=_OWNER.encode(), partition=0, value=value)

    def records(self) -> list[ProducerRecord]:
        """What is to be written of positions; asked once in each transaction."""
        changed, self._changed = self._changed, {}
        return [
            ProducerRecord(
                topic=self.topic, key=identity.encode(), partition=0,
                value=None if entry is None else msgspec.json.encode(entry),
            )
            for identity, entry in changed.items()
        ]  # fmt: skip


class Advance:
    """How far one file's events are in the log; what a lane is where each file has one."""

    def __init__(self, position: int) -> None:
        self.durable_position = position
        self.idle = True

    def reap(self) -> bool:
        """Failures end the whole transaction; there are none of one file."""
        return True

    def abandon(self) -> list[asyncio.Future[Any]]:
        """An aborted transaction leaves nothing."""
        return []
