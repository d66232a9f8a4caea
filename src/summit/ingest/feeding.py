"""Collectors that fetch their events themselves: what a plugin derives its own from.

    class KinesisCollector(FeedingCollector):
        type = "plugin:kinesis"

        async def _listen(self):
            self._task = asyncio.create_task(self._run())

        async def _run(self):
            async for batch in stream(self.config.options["stream"]):
                await self.feed(batch.events)      # returns when all of it is durable
                await batch.commit()

        async def _hang_up(self):
            self._task.cancel()
            await asyncio.wait([self._task])

All that the configuration of a collector says holds for what is fed: key and topic, schema and dead
letters, sampling, rate, `batchSize`, pauses; and it waits while the broker is slow or away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from summit.client.dead_letters import dead_letter_topic
from summit.ingest.producing import Producer
from summit.ingest.taking import TakingCollector
from summit.ingest.topics import addresses_of, ensure_topic


class FeedingCollector(TakingCollector):
    """Base of collectors that fetch their events. A type has `_listen` and `_hang_up`.

    Guarantee: at least once, where a type moves on in its source only after `feed` has returned.
    """

    async def _open(self, producer: Producer) -> None:
        addresses = addresses_of(producer)
        if addresses:
            await ensure_topic(addresses, dead_letter_topic(self.config.topic))
        await super()._open(producer)

    async def feed(
        self, events: Sequence[Mapping[str, Any]], headers: Mapping[str, str] | None = None
    ) -> None:
        """Take events; returns when each is written, or a dead letter, or left out by sampling.

        Waits while the collector is paused, above its rate, or the broker has no room or is away.

        Args:
            events: Objects that JSON can hold.
            headers: Record headers of these, beside those of all.
        Raises: TypeError for what JSON cannot hold.
        """
        slices = [msgspec.json.encode(event) for event in events]
        if not slices:
            return
        await self._open_gate.wait()
        while wait_ms := self.rate_wait_ms(len(slices)):
            await asyncio.sleep(wait_ms / 1000)
        size_bytes = sum(map(len, slices))
        await self._delivery.room(size_bytes)
        more = [(name, text.encode()) for name, text in (headers or {}).items()]
        values = [dict(event) for event in events]
        shaped = self.shape_unanswered(slices, values, self.headers(*more))
        await self.settle_unanswered(shaped, self._delivery.hand_over(shaped.drafts, size_bytes))
