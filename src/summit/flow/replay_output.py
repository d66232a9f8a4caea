"""Where a replay writes what it finds: the topics of the workers, or one beside them; each once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing, suppress
from hashlib import blake2b
from typing import Self

from summit.base.errors import Corrupt, Invalid
from summit.client.admin import Admin
from summit.client.log_reader import LogReader
from summit.client.producer import StreamProducer
from summit.client.topics import TopicConfig
from summit.client.transactor import Outgoing
from summit.flow.calling import decode_call
from summit.flow.effects import MATCH_HEADER
from summit.flow.outputs import fired_record
from summit.flow.past_findings import Finding
from summit.journal.progress_record import partition_name
from summit.journal.topics import (
    ALERT_STATE,
    ALERTS,
    ALERTS_TOPIC,
    CALLS_TOPIC,
    CORRELATIONS,
    RESULTS,
)
from summit.keyed.rule import is_user_topic

_CLIENT = "summit-replay"


class ReplayOutput:
    """Writes what is found; `async with`. What is there already is not written again.

    A replay that was killed is run again, and adds what is missing. An alert is there when its id
    is; a group or a result when its record is, byte for byte.

    Args:
        topic: `alerts`: everything goes to the topic that workers write it to. Else a name that no
            rule reads, one that begins with `_`: everything goes there.

    Attributes:
        written, known: Records written, and found to be there.
    """

    def __init__(self, servers: Sequence[str], topic: str) -> None:
        if is_user_topic(topic):
            raise Invalid("replay.output", topic=topic)
        self.topic = topic
        self.written = 0
        self.known = 0
        self._beside = None if topic == ALERTS_TOPIC else topic
        self._config = {"clientId": _CLIENT, "bootstrapServers": list(servers)}
        self._producer = StreamProducer({**self._config, "idempotence": True})
        self._there: dict[str, set[bytes]] = {}

    async def __aenter__(self) -> Self:
        async with Admin(self._config) as admin:
            topics = [ALERTS, ALERT_STATE, CORRELATIONS, RESULTS]
            if self._beside is not None:
                topics = [TopicConfig(name=self._beside, partitions=1, retention_ms=-1)]
            for topic in topics:
                await admin.create_if_missing(topic)
        await self._producer.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.close()

    async def write(self, found: Sequence[Finding]) -> None:
        """Write what is not there; returns when it is durable.

        Alerts of the workers' topic are told to the alert log first: an alert that is there has
        been told, whenever this is broken off.
        """
        new: list[Outgoing] = []
        fired: list[Outgoing] = []
        for one in found:
            record = one.record
            if self._beside is not None:
                record = record._replace(topic=self._beside)
            there = self._there.get(record.topic)
            if there is None:
                there = self._there[record.topic] = await self._read(record.topic)
            name = record_name(record.key, record.value)
            if one.alert is not None:
                name = match_name(one.alert.id.encode())
            if name in there:
                self.known += 1
                continue
            there.add(name)
            new.append(record)
            if one.alert is not None and self._beside is None:
                fired.append(fired_record(one.alert))
        await self._send(fired)
        await self._send(new)
        self.written += len(new)

    async def _read(self, topic: str) -> set[bytes]:
        """What stands in a topic; it is made where it is missing."""
        async with (
            Admin(self._config) as admin, LogReader(self._config, committed=True) as reader,
        ):  # fmt: skip
            await admin.create_if_missing(TopicConfig(name=topic))
            return await names_of(admin, reader, topic)

    async def _send(self, records: Sequence[Outgoing]) -> None:
        if records:
            await self._producer.send_batch(
                [
                    {"topic": record.topic, "key": record.key, "value": record.value}
                    for record in records
                ]
            )


async def names_of(
    admin: Admin, reader: LogReader, topic: str, ends: Mapping[str, int] | None = None
) -> set[bytes]:
    """The names of what stands in a topic, for readers of committed records.

    Of `_summit.calls` these are the matches that asked for the calls.

    Args:
        ends: By partition, where to end; None = at the ends of now. Of others nothing is read.
    Raises: Unavailable.
    """
    names: set[bytes] = set()
    for partition, (first, last) in (await admin.offsets(topic, committed=True)).items():
        end = last if ends is None else min(last, ends.get(partition_name(topic, partition), 0))
        if first >= end:
            continue
        async with aclosing(reader.read(topic, partition, first, end)) as bursts:
            async for records in bursts:
                for record in records:
                    if topic == CALLS_TOPIC:
                        with suppress(Corrupt):  # of it nothing was called
                            names.add(match_name(decode_call(record.value or b"").id.encode()))
                        continue
                    match = dict(record.headers.pairs).get(MATCH_HEADER) or record.key
                    names.add(match_name(match or b""))
                    names.add(record_name(record.key, record.value))
    return names


def match_name(match_id: bytes) -> bytes:
    """What tells an alert, or what an action has written, from others: its match."""
    return b"a" + match_id


def record_name(key: bytes | None, value: bytes | None) -> bytes:
    """What tells a record from others: all of it."""
    name = blake2b(key or b"", digest_size=16)
    name.update(b"\0" + (value or b""))
    return b"r" + name.digest()
