"""Dead letters: records that a handler could not process, put aside whole, with the reason.

    topic <original topic>.dlq, same key and headers, value =
    {"originalTopic", "originalPartition", "originalOffset", "originalKey", "originalHeaders",
     "originalValue", "error": {"code", "message", "stage", "rule"}, "timestamp"}

Key, value and the values of headers ([[name, value], ...]) are base64 or null. Letters of other
writers may have headers as a mapping of texts, and no partition and offset: those are read too. A
value beyond what one record can hold is left out; a replay then reads it at its old place. A letter
is written before its record counts as finished, so a crash may write it twice and never loses it.
"""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from typing import Any, Final, Self

import msgspec

from summit.base.clock import Clock, SystemClock
from summit.base.errors import Corrupt, Invalid, SummitError
from summit.base.limits import DEAD_LETTER_BYTES_MAX
from summit.client.admin import Admin
from summit.client.producer import StreamProducer
from summit.client.topics import TopicConfig
from summit.client.types import ConsumerRecord, Headers, ProducerRecord, header_pairs

SUFFIX: Final = ".dlq"

_COPIES: Final = 3  # of the topic, where so many brokers live
_FOR_EVER_MS: Final = -1


class DeadLetterError(msgspec.Struct, frozen=True, kw_only=True):
    """Why a record is a dead letter, and who said so."""

    code: str
    message: str
    stage: str
    rule: str | None = None


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A record that could not be processed; `timestamp` is when that was noticed, in ms."""

    topic: str
    partition: int | None
    offset: int | None
    key: bytes | None
    value: bytes | None
    headers: Headers
    error: DeadLetterError
    timestamp: int
    is_value_left_out: bool = False

    @classmethod
    def of(cls, record: ConsumerRecord, error: DeadLetterError, now_ms: int) -> Self:
        """The letter for a record; too long a value is left out."""
        return cls(
            topic=record.topic, partition=record.partition, offset=record.offset, key=record.key,
            value=record.value, headers=record.headers, error=error, timestamp=now_ms,
        ).bounded()  # fmt: skip

    def bounded(self) -> Self:
        """The letter that one record can hold: too long a value is left out."""
        if self.value is None or len(self.value) <= DEAD_LETTER_BYTES_MAX:
            return self
        note = f"{self.error.message} (value of {len(self.value)} bytes {_LEFT_OUT})"
        error = msgspec.structs.replace(self.error, message=note)
        return msgspec.structs.replace(self, value=None, error=error, is_value_left_out=True)

    def encode(self) -> bytes:
        """The value of its record."""
        return msgspec.json.encode(
            {
                "originalTopic": self.topic,
                "originalPartition": self.partition,
                "originalOffset": self.offset,
                "originalKey": _base64(self.key),
                "originalHeaders": [[name, _base64(text)] for name, text in self.headers.pairs],
                "originalValue": _base64(self.value),
                "error": msgspec.to_builtins(self.error),
                "timestamp": self.timestamp,
            }
        )

    @classmethod
    def decode(cls, value: bytes | None) -> Self:
        """Read one. Raises Corrupt("dead_letter.unreadable")."""
        try:
            plain = msgspec.json.decode(value or b"")
            error = msgspec.convert(plain["error"], DeadLetterError)
            return cls(
                topic=plain["originalTopic"],
                partition=plain["originalPartition"],
                offset=plain["originalOffset"],
                key=_bytes(plain["originalKey"]),
                value=_bytes(plain["originalValue"]),
                headers=_headers(plain["originalHeaders"]),
                error=error,
                timestamp=plain["timestamp"],
                is_value_left_out=_LEFT_OUT in error.message,
            )
        except (msgspec.MsgspecError, KeyError, TypeError, ValueError) as error_seen:
            raise Corrupt("dead_letter.unreadable", reason=str(error_seen)) from error_seen


_LEFT_OUT: Final = "left out: read it at its offset"


def dead_letter_topic(topic: str) -> str:
    """The topic that takes the dead letters of `topic`."""
    return topic + SUFFIX


class DeadLetterBox:
    """Writes the dead letters of one consumer; its topics are made when they are needed."""

    def __init__(
        self, addresses: list[str], client_id: str, stage: str, clock: Clock | None = None
    ) -> None:
        self._config = {"bootstrapServers": addresses, "clientId": f"{client_id}-dlq"}
        self._stage = stage
        self._clock = clock or SystemClock()
        self._producer: StreamProducer | None = None
        self._turn = asyncio.Lock()

    async def put(
        self, record: ConsumerRecord, code: str, message: str, stage: str | None = None
    ) -> None:
        """Write one letter; returns when it is acknowledged. Raises SummitError."""
        error = DeadLetterError(code=code, message=message, stage=stage or self._stage)
        letter = DeadLetter.of(record, error, self._clock.now_ms())
        topic = dead_letter_topic(record.topic)
        # Refuses a name that is too long with its suffix, which a producer would only time out on.
        config = TopicConfig(
            name=topic, partitions=1, replication_factor=_COPIES, retention_ms=_FOR_EVER_MS
        )
        sent = ProducerRecord(
            topic=topic, key=record.key, value=letter.encode(), headers=header_pairs(record.headers)
        )
        async with self._turn:
            if self._producer is None:
                producer = StreamProducer({**self._config, "lingerMs": 0, "idempotence": True})
                await producer.connect()
                self._producer = producer
            try:
                await self._producer.send(sent)
            except Invalid as fault:
                if fault.code != "topic.unknown":
                    raise
                await self._make(config)
                await self._producer.send(sent)

    async def close(self) -> None:
        """Let go of the brokers. Idempotent."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.close()

    async def _make(self, config: TopicConfig) -> None:
        async with Admin(self._config) as admin:
            try:
                await admin.create_topic(config)
            except SummitError as error:
                if error.code != "topic.exists":
                    raise


def _base64(data: bytes | None) -> str | None:
    return None if data is None else b64encode(data).decode()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else b64decode(text, validate=True)


def _headers(given: Any) -> Headers:
    if isinstance(given, dict):  # of a collector: texts
        return Headers((name, text.encode()) for name, text in given.items())
    return Headers((name, _bytes(text)) for name, text in given)
