"""What makes bytes of a value and a value of bytes: the two protocols, and how errors are told.

A null key or value never comes here: it stays null (a tombstone). Either method may return an
awaitable instead of its result, where it has to ask somebody first; the clients wait for it. The
bytes must follow from topic and value alone: a batch is serialized whole before any of it is sent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Literal, Protocol, Self, runtime_checkable

from summit.base.errors import Corrupt, Invalid

Part = Literal["key", "value"]
HeaderMap = Mapping[str, bytes | None]


@runtime_checkable
class Serializer(Protocol):
    """Makes bytes of values."""

    def serialize(self, topic: str, value: Any, headers: HeaderMap) -> bytes | Awaitable[bytes]:
        """The bytes of a key or a value. Raises Invalid, or whatever it likes."""
        ...


@runtime_checkable
class Deserializer(Protocol):
    """Makes values of bytes."""

    def deserialize(self, topic: str, data: bytes, headers: HeaderMap) -> Any:
        """The key or value, or an awaitable of it. Raises Corrupt, or whatever it likes."""
        ...


@runtime_checkable
class Placed(Protocol):
    """A serializer that does not treat keys and values alike."""

    def for_part(self, part: Part) -> Self:
        """The one for keys, or the one for values."""
        ...


SerializeFunction = Callable[[Any], bytes]
DeserializeFunction = Callable[[bytes], Any]

PARTS: Final[tuple[Part, Part]] = ("key", "value")


def unserializable(topic: str, value: object, reason: str, *, path: str = "") -> Invalid:
    """The error for a value that has no bytes. The producer puts in whether it was the key.

    Args:
        path: Where in the value, as a JSON pointer.
    """
    return Invalid(
        "record.unserializable",
        topic=topic,
        part="value",
        type=type(value).__name__,
        path=path,
        reason=f"{reason} (at {path})" if path else reason,
    )


def undeserializable(topic: str, reason: str) -> Corrupt:
    """The error for bytes that are no value. The consumer puts in the record's place."""
    return Corrupt(
        "record.undeserializable", topic=topic, part="value", partition="?", offset="?",
        reason=reason,
    )  # fmt: skip
