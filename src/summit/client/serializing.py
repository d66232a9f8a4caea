"""The serializers of one producer: records of any values in, records of bytes out.

A serializer may have to wait (for a schema registry). Then later records of the same topic wait
behind it, so that records keep the order in which they were sent.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Self

import msgspec

from summit.base.errors import Conflict, Invalid, SummitError
from summit.client.outgoing import plain_bytes
from summit.client.settings import ProducerConfig
from summit.client.types import NO_HEADERS, Headers, ProducerRecord, header_pairs
from summit.serde import Part, SchemaRegistry, Serializer, serializer_of, unserializable

_AT_ONCE: Final = 256  # records serialized before the loop may run


class Serializing:
    """Serializes keys and values; None for either means that it is bytes or text already.

    Args:
        registry: The registry that is this producer's own, closed with it.
    """

    def __init__(
        self,
        key: Serializer | None,
        value: Serializer | None,
        registry: SchemaRegistry | None = None,
    ) -> None:
        self._registry = registry
        self._serializers: dict[Part, Serializer | None] = {"key": key, "value": value}
        self._turns: dict[str, _Turns] = {}  # of topics whose records wait for a schema

    @classmethod
    def of(cls, config: ProducerConfig, key: Any, value: Any) -> Self | None:
        """What was given to the producer, else what its configuration names; None for neither."""
        key = config.key_serializer if key is None else key
        value = config.value_serializer if value is None else value
        if key is None and value is None:
            return None
        registry = None
        if config.schema_registry is not None:
            registry = SchemaRegistry(config.schema_registry)
        return cls(
            None if key is None else serializer_of(key, "key", registry),
            None if value is None else serializer_of(value, "value", registry),
            registry,
        )

    async def close(self) -> None:
        """Let go of the registry, if it is this producer's own."""
        if self._registry is not None:
            await self._registry.close()

    async def record(self, given: ProducerRecord | Mapping[str, Any]) -> ProducerRecord:
        """The record in bytes. Raises Invalid, or what a serializer that waits raises."""
        record = given if isinstance(given, ProducerRecord) else ProducerRecord.from_dict(given)
        headers = _headers(record)
        turns = self._turns.get(record.topic)
        if turns is None:
            key = self._start("key", record.topic, record.key, headers)
            value = self._start("value", record.topic, record.value, headers)
            if not (inspect.isawaitable(key) or inspect.isawaitable(value)):
                return msgspec.structs.replace(record, key=key, value=value)
            _discard(key, value)
            turns = self._turns[record.topic] = _Turns()
        async with turns:
            try:
                key = await self._finish("key", record.topic, record.key, headers)
                value = await self._finish("value", record.topic, record.value, headers)
            finally:
                if turns.is_last:
                    del self._turns[record.topic]
        return msgspec.structs.replace(record, key=key, value=value)

    async def batch(
        self, records: Iterable[ProducerRecord | Mapping[str, Any]]
    ) -> list[ProducerRecord]:
        """All of them in bytes, or the error of the first that cannot be; `details` has `index`."""
        done: list[ProducerRecord] = []
        for index, given in enumerate(records):
            try:
                done.append(await self.record(given))
            except SummitError as error:
                error.details["index"] = index
                raise
            if index % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0)
        return done

    def at_once(self, topic: str, key: Any, value: Any, headers: Any) -> tuple[Any, Any]:
        """Key and value in bytes, without waiting. Raises Conflict("serde.not_ready"); Invalid."""
        given = _headers(ProducerRecord(topic=topic, headers=headers)) if headers else NO_HEADERS
        plain_key = self._start("key", topic, key, given)
        plain_value = self._start("value", topic, value, given)
        is_key_late = inspect.isawaitable(plain_key)
        if is_key_late or inspect.isawaitable(plain_value) or topic in self._turns:
            _discard(plain_key, plain_value)
            raise Conflict("serde.not_ready", topic=topic, part="key" if is_key_late else "value")
        return plain_key, plain_value

    def _start(self, part: Part, topic: str, value: Any, headers: Headers) -> Any:
        """The bytes, or an awaitable of them."""
        serializer = self._serializers[part]
        if value is None:
            return None
        if serializer is None:
            return plain_bytes(value, part)
        try:
            data = serializer.serialize(topic, value, headers)
        except Exception as error:
            raise _told(error, part, topic, value) from error
        return data if inspect.isawaitable(data) else _checked(data, part, topic, value)

    async def _finish(self, part: Part, topic: str, value: Any, headers: Headers) -> bytes | None:
        data = self._start(part, topic, value, headers)
        if not inspect.isawaitable(data):
            found: bytes | None = data
            return found
        try:
            done = await data
        except Exception as error:
            raise _told(error, part, topic, value) from error
        return _checked(done, part, topic, value)


class _Turns(AbstractAsyncContextManager["_Turns", None]):
    """Whose turn it is among the records of one topic, first come, first served."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._count = 0

    @property
    def is_last(self) -> bool:
        """Whether nobody waits behind whoever asks."""
        return self._count == 1

    async def __aenter__(self) -> Self:
        self._count += 1
        try:
            await self._lock.acquire()
        except BaseException:
            self._count -= 1
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._count -= 1
        self._lock.release()


def _headers(record: ProducerRecord) -> Headers:
    pairs = header_pairs(record.headers) if record.headers else None
    if not pairs:
        return NO_HEADERS
    return Headers((name, text.encode() if isinstance(text, str) else text) for name, text in pairs)


def _checked(data: Any, part: Part, topic: str, value: Any) -> bytes | None:
    if data is None or isinstance(data, bytes):
        return data
    if isinstance(data, bytearray | memoryview):
        return bytes(data)
    fault = unserializable(
        topic, value, f"the serializer gave {type(data).__name__} instead of bytes"
    )
    fault.details["part"] = part
    raise fault


def _told(error: Exception, part: Part, topic: str, value: Any) -> SummitError:
    if not isinstance(error, SummitError):
        error = unserializable(topic, value, repr(error))
    if isinstance(error, Invalid):
        error.details |= {"part": part, "topic": topic}
    return error


def _discard(*started: Any) -> None:
    """Awaitables that nobody will wait for."""
    for each in started:
        if inspect.iscoroutine(each):
            each.close()
