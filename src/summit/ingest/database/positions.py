"""How far a database collector is: a compacted topic of its own, `_summit.database.NAME`.

    {"owner": "6f1c…", "position": {…}}

Who opens it says so at once (`owner`), so that an earlier one of the name, which is then shut out,
knows that it was not only the broker that ended its transaction.

Positions are written in the transactions of the records that they speak of, so one is there exactly
when the other is. A topic per collector: in a common one another collector's open transaction would
hide the newest position from a reader of what is committed.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from summit.base.errors import Corrupt
from summit.client.admin import Admin
from summit.client.log_reader import LogReader
from summit.client.topics import TopicConfig
from summit.ingest.database.source import Position
from summit.ingest.topics import admin_config, own_topic


class Stored(NamedTuple):
    """The newest record: whose it is, and how far it says they are; None: nothing was written."""

    owner: str
    position: Position | None


KEY: Final = b"position"
_STEP: Final = 2_000  # offsets that are looked at together, from the end
_SEGMENT_BYTES: Final = 4 << 20


def positions_topic(collector: str) -> str:
    """The topic of a collector's positions."""
    return own_topic("database", collector)


async def load_position(addresses: list[str], topic: str) -> Stored | None:
    """The newest record that is committed; makes the topic. None: nobody ever opened it.

    Ask only after the collector's producer has connected, which ends what an earlier one left open.
    Raises: Unavailable; Corrupt("database.position_unreadable").
    """
    config = TopicConfig(
        name=topic, partitions=1, cleanup_policy="compact", segment_bytes=_SEGMENT_BYTES
    )
    async with Admin(admin_config(addresses)) as admin:
        if await admin.create_if_missing(config) is not None:
            return None
    async with LogReader(admin_config(addresses), committed=True) as reader:
        first, end = await reader.span(topic, 0)
        stop = end
        while stop > first:
            start = max(first, stop - _STEP)
            last: bytes | None = None
            async for records in reader.read(topic, 0, start, stop):
                for record in records:
                    if record.key == KEY:
                        last = record.value
            if last is not None:
                return _decode(last, topic)
            stop = start
    return None


def encode_position(owner: str, position: Position | None) -> bytes:
    """The value of a position's record."""
    return msgspec.json.encode(Stored(owner, position)._asdict())


def _decode(value: bytes, topic: str) -> Stored:
    try:
        return msgspec.convert(Stored(**msgspec.json.decode(value)), Stored)
    except (msgspec.MsgspecError, TypeError) as error:
        raise Corrupt("database.position_unreadable", topic=topic, reason=str(error)) from error
