"""The deserializers of one consumer: records of bytes in, records of values out.

Bytes that are no value are the record's fault: it is given up as `onHandlerFailure` says, with its
bytes. A schema registry that does not answer is not: then the record stays where it is, whatever
`onHandlerFailure` says.
"""

from __future__ import annotations

import inspect
from typing import Any, Final, Self

import msgspec

from summit.base.errors import SummitError, Unavailable
from summit.client.giving_up import GivingUp
from summit.client.settings import ConsumerConfig
from summit.client.types import ConsumerRecord
from summit.serde import Deserializer, Part, deserializer_of, undeserializable

STAGE: Final = "deserialize"


class Deserializing:
    """Deserializes keys and values; None for either means that it stays bytes.

    Args:
        giving_up: Takes what cannot be deserialized.
    """

    def __init__(
        self, key: Deserializer | None, value: Deserializer | None, giving_up: GivingUp
    ) -> None:
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
        return cls(
            None if key is None else deserializer_of(key, "key"),
            None if value is None else deserializer_of(value, "value"),
            giving_up,
        )

    async def record(self, record: ConsumerRecord) -> ConsumerRecord:
        """The record with its values.

        Raises: Corrupt("record.undeserializable"); Unavailable when it can be tried again.
        """
        key, value = record.key, record.value
        if key is not None and self._key is not None:
            key = await _value_of(self._key, "key", key, record)
        if value is not None and self._value is not None:
            value = await _value_of(self._value, "value", value, record)
        return msgspec.structs.replace(record, key=key, value=value)

    async def give_up(self, record: ConsumerRecord, failure: SummitError) -> None:
        """Put aside what could not be deserialized. Raises `failure` when it has to stay."""
        if isinstance(failure, Unavailable):
            raise failure
        message = str(failure.details.get("reason", failure))
        await self._giving_up.record(record, failure, message=message, stage=STAGE)


async def _value_of(
    deserializer: Deserializer, part: Part, data: bytes, record: ConsumerRecord
) -> Any:
    try:
        found = deserializer.deserialize(record.topic, data, record.headers)
        return await found if inspect.isawaitable(found) else found
    except Unavailable:
        raise
    except Exception as error:
        reason = str(error) if isinstance(error, SummitError) else repr(error)
        if isinstance(error, SummitError) and error.code == "record.undeserializable":
            reason = error.details["reason"]
        fault = undeserializable(record.topic, reason)
        place = {"part": part, "partition": record.partition, "offset": record.offset}
        fault.details |= place
        raise fault from error
