"""The API keys of the whole system: following `_summit.keys`, making and revoking.

A record's key is the id of an API key, its value what is kept of it, without the secret. Whoever
writes waits until the record is durable and read back, so a key that was revoked holds no more
where it was revoked when the answer comes, and everywhere else as soon as it is read there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import msgspec

from summit.base.clock import Clock, SystemClock
from summit.base.limits import DEFINITION_PUBLISH_MS, FOLLOWER_READY_MS
from summit.client.admin import Admin
from summit.client.producer import StreamProducer
from summit.client.settings import AdminConfig, ProducerConfig
from summit.client.types import ConsumerRecord, ProducerRecord
from summit.identity import ApiKey, KeyRing, mint_key
from summit.journal.follower import LogFollower
from summit.journal.topics import KEYS, KEYS_TOPIC, ensure_topics

_PLACE = (KEYS_TOPIC, 0)


class KeyLog:
    """The keys as the log has them; one loop's, start to stop.

    Args:
        servers: Addresses of the brokers.
    """

    def __init__(
        self, servers: Iterable[str], *, clock: Clock | None = None, name: str = "summit-keys"
    ) -> None:
        self._servers = list(servers)
        self._clock = clock or SystemClock()
        self._name = name
        self._producer: StreamProducer | None = None
        self._follower = LogFollower(self._servers, name, self._take, clock=self._clock)
        self._turn = asyncio.Lock()  # one change at a time, each by what the one before left
        self.ring = KeyRing()

    async def start(self, timeout_ms: int = FOLLOWER_READY_MS) -> None:
        """Make the topic where it is missing, and read what is there. Raises Unavailable."""
        config = AdminConfig(client_id=self._name, bootstrap_servers=self._servers)
        async with Admin(config) as admin:
            await ensure_topics(admin, [KEYS])
        await self._follower.start({_PLACE: None})
        await self._follower.wait_caught_up(timeout_ms)

    async def stop(self) -> None:
        """End reading and writing. Idempotent."""
        await self._follower.stop()
        if self._producer is not None:
            await self._producer.close()

    async def create(
        self, *, name: str, role: str, grants: list[str] | None, by: str,
        expires_ms: int | None = None,
    ) -> tuple[str, ApiKey]:  # fmt: skip
        """Make a key: the text that is told once, and what is kept.

        Raises: Invalid("key.invalid"); Unavailable.
        """
        text, key = mint_key(
            name=name, role=role, grants=grants, by=by, now_ms=self._clock.now_ms(),
            expires_ms=expires_ms,
        )  # fmt: skip
        await self._write(key)
        return text, key

    async def revoke(self, key_id: str, by: str) -> ApiKey:
        """Let a key hold no more; one that was revoked before stays as it is.

        Raises: Invalid("key.unknown"); Unavailable.
        """
        async with self._turn:
            key = self.ring.get(key_id)
            if key.revoked_at is not None:
                return key
            revoked = msgspec.structs.replace(key, revoked_at=self._clock.now_ms(), revoked_by=by)
            await self._write(revoked)
            return revoked

    async def _write(self, key: ApiKey) -> None:
        if self._producer is None:
            producer = StreamProducer(
                ProducerConfig(
                    client_id=self._name, bootstrap_servers=self._servers, linger_ms=0,
                    delivery_timeout_ms=DEFINITION_PUBLISH_MS,
                    max_block_ms=DEFINITION_PUBLISH_MS,
                )
            )  # fmt: skip
            await producer.connect()
            self._producer = producer
        result = await self._producer.send(
            ProducerRecord(
                topic=KEYS_TOPIC, partition=0, key=key.id, value=msgspec.json.encode(key)
            )
        )
        await self._follower.wait_read({_PLACE: result.offset + 1}, DEFINITION_PUBLISH_MS)

    def _take(self, records: list[ConsumerRecord]) -> None:
        for record in records:
            self.ring.apply(record.key, record.value)
