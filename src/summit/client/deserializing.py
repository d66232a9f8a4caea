"""The deserializers of one consumer: records of bytes in, records of values out.

Bytes that are no value are the record's fault: it is given up as `onHandlerFailure` says, with its
bytes. Other errors are not: a schema registry that does not answer or does not allow it, a package
that is missing. Then the record stays where it is, whatever `onHandlerFailure` says.
"""

from __future__ import annotations

import inspect
from typing import Any, Final, Self

import msgspec

from summit.base.errors import SummitError
from summit.client.giving_up import GivingUp
from summit.client.settings import ConsumerConfig
from summit.client.types import ConsumerRecord
from summit.serde import Deserializer, Part, SchemaRegistry, deserializer_of, undeserializable

STAGE: Final = "deserialize"
_UNDESERIALIZABLE: Final = "record.undeserializable"


class Deserializing:
    """Deserializes keys and values; None for either means that it stays bytes.

    Args:
        giving_up: Takes what cannot be deserialized.
        registry: The registry that is this consumer's own, closed with it.
    """

    def __init__(
        self,
        key: Deserializer | None,
        value: Deserializer | None,
        giving_up: GivingUp,
        registry: SchemaRegistry | None = None,
    ) -> None:
        self._registry = registry
        self._key = key
        self._value = value
        self._giving_up = giving_up

    @classmethod
    def of(cls, config: ConsumerConfig, key: Any, value: Any, giving_up: GivingUp) -> Self | None:
        """What was given to the consumer, else what its configuration names; None for neither."""
        key = config.key_deserializer if key is None else key
        value = config.value_deserializer if value is None else value
        if key is None and value is None:
            return None
        registry = None
        if config.schema_registry is not None:
            registry = SchemaRegistry(config.schema_registry)
        return cls(
            None if key is None else deserializer_of(key, "key", registry),
            None if value is None else deserializer_of(value, "value", registry),
            giving_up,
            registry,
        )

    async def close(self) -> None:
        """Let go of the registry, if it is this consumer's own."""
        if self._registry is not None:
            await self._registry.close()

    async def record(self, record: ConsumerRecord) -> ConsumerRecord:
        """The record with its values.

        Raises: Corrupt("record.undeserializable"); another SummitError where the record is not to
            blame.
        """
        key, value = record.key, record.value
        if key is not None and self._key is not None:
            key = await _value_of(self._key, "key", key, record)
        if value is not None and self._value is not None:
            value = await _value_of(self._value, "value", value, record)
        return msgspec.structs.replace(record, key=key, value=value)

    async def give_up(self, record: ConsumerRecord, failure: SummitError) -> None:
        """Put aside what could not be deserialized. Raises `failure` when it has to stay."""
        if failure.code != _UNDESERIALIZABLE:
            raise failure
        message = str(failure.details.get("reason", failure))
        await self._giving_up.record(record, failure, message=message, stage=STAGE)


async def _value_of(
    deserializer: Deserializer, part: Part, data: bytes, record: ConsumerRecord
) -> Any:
    try:
        found = deserializer.deserialize(record.topic, data, record.headers)
        return await found if inspect.isawaitable(found) else found
    except Exception as error:
        if not isinstance(error, SummitError):
            reason = repr(error)
        elif error.code == _UNDESERIALIZABLE:
            reason = error.details["reason"]
        else:
            raise
        fault = undeserializable(record.topic, reason)
        fault.details |= {"part": part, "partition": record.partition, "offset": record.offset}
        raise fault from error
