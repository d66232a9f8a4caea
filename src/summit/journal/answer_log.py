"""Answers to requests that may come again: `_summit.answers`, followed by every replica.

    claim     a request of a key has begun: which content, by whom; holds a minute, or as long as
              it takes to answer
    answer    what its sender was told; holds a day
    release   it ended without an answer that could be repeated

Of two claims of one key the first in the log holds, whichever replica wrote it. Here is only what
stands where: an answer is read from the log when it is asked for.
"""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from collections.abc import Iterable
from typing import Any, Final, Literal

import msgspec

from summit.base.clock import Clock, SystemClock
from summit.base.errors import Conflict, Invalid
from summit.base.limits import ANSWER_KEYS_MAX, DEFINITION_PUBLISH_MS, FOLLOWER_READY_MS
from summit.client.consumer import StreamConsumer
from summit.client.producer import StreamProducer
from summit.client.settings import ConsumerConfig
from summit.client.types import ConsumerRecord, ProducerRecord, TopicPartition
from summit.journal.follower import LogFollower, tail_starts
from summit.journal.topics import ANSWERS, ANSWERS_TOPIC

CLAIM_MS: Final = 60_000
ANSWER_MS: Final = 86_400_000
_BYTES_MAX: Final = 900_000  # of a stored answer, compressed
_PLACE: Final = (ANSWERS_TOPIC, 0)
_POLL_MS: Final = 5_000


class Answer(msgspec.Struct, frozen=True):
    """What a sender was told."""

    status: int
    headers: dict[str, str]
    body: bytes


class _Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A record's value."""

    kind: Literal["claim", "answer", "release"]
    token: str
    content: str = ""
    status: int = 0
    headers: dict[str, str] = {}
    body: bytes = b""


class _Known(msgspec.Struct, frozen=True, gc=False):
    """What stands about a key."""

    is_answer: bool
    token: str
    content: str
    at: int
    offset: int


_DECODER: Final = msgspec.msgpack.Decoder(_Entry)


class AnswerLog:
    """See the module; one loop's. It reads from the first claim on: who has none pays nothing.

    Args:
        servers: Addresses of the brokers.
        producer: Connected by the time of the first claim.
    """

    def __init__(
        self, servers: Iterable[str], producer: StreamProducer, *, clock: Clock | None = None,
        name: str = "summit-answers",
    ) -> None:  # fmt: skip
        self._servers = list(servers)
        self._producer = producer
        self._clock = clock or SystemClock()
        self._name = name
        self._known: dict[str, _Known] = {}
        self._follower: LogFollower | None = None
        self._opening = asyncio.Lock()
        self._is_open = False

    async def _open(self) -> None:
        """Make the topic where it is missing, and read what is there. Raises Unavailable."""
        async with self._opening:
            if self._is_open:
                return
            if self._follower is None:
                await self._begin()
            await self._following.wait_caught_up(FOLLOWER_READY_MS)
            self._is_open = True

    async def _begin(self) -> None:
        starts = await tail_starts(self._servers, self._name, [(ANSWERS, 4 * ANSWER_KEYS_MAX)])
        follower = LogFollower(self._servers, self._name, self._take, clock=self._clock)
        try:
            await follower.start(starts)
        except BaseException:
            await follower.stop()
            raise
        self._follower = follower

    @property
    def _following(self) -> LogFollower:
        assert self._follower is not None
        return self._follower

    async def stop(self) -> None:
        """End reading. Idempotent."""
        if self._follower is not None:
            await self._follower.stop()

    @property
    def failure(self) -> BaseException | None:
        """Why it reads no more; None while it does."""
        return None if self._follower is None else self._follower.failure

    async def claim(self, key: str, content: bytes, token: str, shown: str) -> Answer | None:
        """Begin with a request; its answer where it has had one.

        Args:
            key: What stands for the request's key, its sender and its route.
            content: The request's content: another one under the same key is refused.
            token: Of this attempt; no other has it.
            shown: The key as its sender wrote it, for errors.
        Raises: Invalid("ingest.key_reused"); Conflict("ingest.key_in_flight"); Unavailable.
        """
        if not self._is_open:
            await self._open()
        digest = digest_of(content)
        known = self._holding(key, self._clock.now_ms())
        if known is None:
            await self._write(key, _Entry("claim", token, digest))
            known = self._known.get(key)
        if known is None or known.content != digest:
            raise Invalid("ingest.key_reused", key=shown)
        if known.is_answer:
            return await self._read(known, shown)
        if known.token != token:
            raise Conflict("ingest.key_in_flight", key=shown, retry_after_ms=1_000)
        return None

    async def answered(self, key: str, token: str, answer: Answer) -> None:
        """Keep an answer, durably, before its sender hears it. Raises Unavailable."""
        body = zlib.compress(answer.body, 1)
        if len(body) > _BYTES_MAX:
            told = b'{"status":"done","detail":"the answer was too long to be kept"}'
            body = zlib.compress(told)
        entry = _Entry("answer", token, "", answer.status, answer.headers, body)
        await self._write(key, entry)

    async def released(self, key: str, token: str) -> None:
        """A request ended without an answer that could be repeated. Raises Unavailable."""
        await self._write(key, _Entry("release", token))

    def _holding(self, key: str, now_ms: int) -> _Known | None:
        known = self._known.get(key)
        if known is None or now_ms - known.at > (ANSWER_MS if known.is_answer else CLAIM_MS):
            return None
        return known

    async def _write(self, key: str, entry: _Entry) -> None:
        value = msgspec.msgpack.encode(entry)
        result = await self._producer.send(
            ProducerRecord(topic=ANSWERS_TOPIC, partition=0, key=key, value=value)
        )
        await self._following.wait_read({_PLACE: result.offset + 1}, DEFINITION_PUBLISH_MS)

    async def _read(self, known: _Known, shown: str) -> Answer:
        config = ConsumerConfig(
            client_id=self._name, group_id=f"_{self._name}", bootstrap_servers=self._servers,
            enable_auto_commit=False, auto_offset_reset="earliest",
        )  # fmt: skip
        async with StreamConsumer(config, clock=self._clock) as consumer:
            await consumer.assign({TopicPartition(*_PLACE): known.offset})
            for record in await consumer.poll_batch(1, _POLL_MS):
                if record.offset == known.offset:
                    entry = _DECODER.decode(record.value or b"")
                    return Answer(entry.status, entry.headers, zlib.decompress(entry.body))
        raise Conflict("ingest.key_in_flight", key=shown, retry_after_ms=1_000)

    def _take(self, records: list[ConsumerRecord]) -> None:
        for record in records:
            try:
                entry = _DECODER.decode(record.value or b"")
            except msgspec.MsgspecError:
                continue
            self._apply((record.key or b"").decode("utf-8", "replace"), entry, record)
        while len(self._known) > ANSWER_KEYS_MAX:
            del self._known[next(iter(self._known))]

    def _apply(self, key: str, entry: _Entry, record: ConsumerRecord) -> None:
        at, offset = record.timestamp, record.offset
        if entry.kind == "claim":
            if self._holding(key, at) is None:
                self._known.pop(key, None)  # the order is that of coming
                self._known[key] = _Known(False, entry.token, entry.content, at, offset)
            return
        known = self._known.get(key)
        if known is None or known.is_answer or known.token != entry.token:
            return
        if entry.kind == "release":
            del self._known[key]
        else:
            self._known[key] = _Known(True, entry.token, known.content, at, offset)


def digest_of(*parts: Any) -> str:
    """What stands for some texts or bytes."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        raw = part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(raw))
        digest.update(raw)
    return digest.hexdigest()
