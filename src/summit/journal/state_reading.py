"""Reading `_summit.state` from outside: what committed transactions say of keys, right now.

No worker is asked and none needs to run. A key's state stands in one partition, so one is read; a
list goes through the partitions one after the other and keeps in mind the keys of one at a time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from typing import NamedTuple

from summit.base.errors import Corrupt, Invalid
from summit.client.admin import Admin
from summit.client.log_reader import LogReader
from summit.client.types import ConsumerRecord
from summit.journal.state_log import STATE_PARTITIONS, run_key, state_partition, state_record
from summit.journal.topics import STATE_TOPIC
from summit.keyed.keygroups import key_group
from summit.keyed.keys import Key, key_text, key_values
from summit.keyed.outputs import StateKey


class Found(NamedTuple):
    """The last word about one key.

    Attributes:
        data: The state, of this version.
        written_ms: When the record was written.
    """

    key: Key
    version: int
    data: bytes
    partition: int
    offset: int
    written_ms: int

    @property
    def size_bytes(self) -> int:
        """Of the state as it is saved."""
        return len(self.data)


class Page(NamedTuple):
    """Some keys of a rule; `more` = there are others behind the last."""

    found: list[Found]
    more: bool


async def read_keys(servers: Sequence[str], state_id: str, keys: Iterable[Key]) -> list[Found]:
    """What is saved for some keys of a rule; those without state are left out.

    Raises: Corrupt("journal.state"); Unavailable.
    """
    wanted = {state_record(StateKey(state_id, key), 0, None)[0]: key for key in keys}
    places: dict[int, None] = {state_partition(key_group(key)): None for key in wanted.values()}
    last: dict[bytes, ConsumerRecord] = {}
    async with _Reading(servers) as reading:
        for partition in places:
            async for records in reading.records(partition):
                last.update({r.key: r for r in records if r.key in wanted})
    return [
        _found(key, last[name])
        for name, key in wanted.items()
        if name in last and last[name].value is not None
    ]


async def list_keys(
    servers: Sequence[str], state_id: str, *, count_max: int, after: Key | None = None
) -> Page:
    """Keys of a rule with state, by partition and in each by their text.

    Args:
        after: Go on behind this key.
    Cost: reads the partitions until the page is full; memory for the keys of one partition.
    Raises: Corrupt("journal.state"); Unavailable.
    """
    begin = (-1, "")
    if after is not None:
        begin = (state_partition(key_group(after)), key_text(after))
    page: list[Found] = []
    async with _Reading(servers) as reading:
        for partition in range(max(0, begin[0]), STATE_PARTITIONS):
            kept = await _of_partition(reading, partition, state_id)
            names = sorted(text for text in kept if (partition, text) > begin)
            for text in names:
                if len(page) == count_max:
                    return Page(page, more=True)
                page.append(kept[text])
    return Page(page, more=False)


async def _of_partition(reading: _Reading, partition: int, state_id: str) -> dict[str, Found]:
    kept: dict[str, Found] = {}
    async for records in reading.records(partition):
        for record in records:
            named = run_key(record.key or b"")
            if named is None or named.rule != state_id:
                continue
            text = key_text(named.key)
            if record.value is None:
                kept.pop(text, None)
            else:
                kept[text] = _found(named.key, record)
    return kept


def _found(key: Key, record: ConsumerRecord) -> Found:
    value = record.value or b""
    if not value:
        reason = f"the state of {list(key_values(key))} is empty"
        raise Corrupt("journal.state", reason=reason)
    return Found(key, value[0], value[1:], record.partition, record.offset, record.timestamp)


class _Reading:
    """The topic, as far as transactions have committed it when reading begins."""

    def __init__(self, servers: Sequence[str]) -> None:
        config = {"clientId": "summit-state", "bootstrapServers": list(servers)}
        self._admin = Admin(config)
        self._reader = LogReader(config, committed=True)
        self._bounds: dict[int, tuple[int, int]] = {}

    async def __aenter__(self) -> _Reading:
        async with self._admin as admin:
            try:
                self._bounds = await admin.offsets(STATE_TOPIC, committed=True)
            except Invalid as error:
                if error.code != "topic.unknown":
                    raise
        if self._bounds:
            await self._reader.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._reader.close()

    async def records(self, partition: int) -> AsyncIterator[list[ConsumerRecord]]:
        """All its records, in bursts."""
        first, end = self._bounds.get(partition, (0, 0))
        if first >= end:
            return
        async with aclosing(self._reader.read(STATE_TOPIC, partition, first, end)) as bursts:
            async for records in bursts:
                yield records
