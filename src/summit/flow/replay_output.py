"""Where a replay writes alerts: the topic that workers write to, or one beside it; each once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from typing import Self

from summit.alerts import Alert
from summit.base.errors import Invalid
from summit.client.admin import Admin
from summit.client.log_reader import LogReader
from summit.client.producer import StreamProducer
from summit.client.topics import TopicConfig
from summit.client.transactor import Outgoing
from summit.flow.outputs import alert_record, fired_record
from summit.journal.topics import ALERT_STATE, ALERTS_TOPIC
from summit.keyed.rule import is_user_topic

_CLIENT = "summit-replay"


class AlertTopic:
    """A topic of alerts; `async with`. What is there already is not written again.

    A replay that was killed is run again, and adds what is missing.

    Args:
        topic: `alerts`, or a name that no rule reads: one that begins with `_`.

    Attributes:
        written, known: Alerts written, and found to be there.
    """

    def __init__(self, servers: Sequence[str], topic: str) -> None:
        if is_user_topic(topic):
            raise Invalid("replay.output", topic=topic)
        self.topic = topic
        self.written = 0
        self.known = 0
        self._config = {"clientId": _CLIENT, "bootstrapServers": list(servers)}
        self._producer = StreamProducer({**self._config, "idempotence": True})
        self._ids: set[bytes] = set()

    async def __aenter__(self) -> Self:
        async with Admin(self._config) as admin:
            await admin.create_if_missing(
                TopicConfig(name=self.topic, partitions=1, retention_ms=-1)
            )
            if self.topic == ALERTS_TOPIC:
                await admin.create_if_missing(ALERT_STATE)
        async with LogReader(self._config, committed=True) as reader:
            async with Admin(self._config) as admin:
                bounds = await admin.offsets(self.topic, committed=True)
            for partition, (first, end) in bounds.items():
                async with aclosing(reader.read(self.topic, partition, first, end)) as bursts:
                    async for records in bursts:
                        self._ids.update(record.key for record in records if record.key)
        await self._producer.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.close()

    async def write(self, alerts: Sequence[Alert]) -> None:
        """Write alerts that are not there; returns when they are durable.

        Those of the workers' topic are told to the alert log first: an alert that is there has
        been told, whenever this is broken off.
        """
        new = [alert for alert in alerts if alert.id.encode() not in self._ids]
        self.known += len(alerts) - len(new)
        if not new:
            return
        if self.topic == ALERTS_TOPIC:
            await self._send([fired_record(alert) for alert in new])
        await self._send([alert_record(alert)._replace(topic=self.topic) for alert in new])
        self._ids.update(alert.id.encode() for alert in new)
        self.written += len(new)

    async def _send(self, records: Sequence[Outgoing]) -> None:
        await self._producer.send_batch(
            [
                {"topic": record.topic, "key": record.key, "value": record.value}
                for record in records
            ]
        )
