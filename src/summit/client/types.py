"""What goes into and comes out of a topic: records, results, coordinates.

Only data: immutable, no connection, no clock. Times are milliseconds since 1970 UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Self

import msgspec

from summit.base.config import field_names, suggestion
from summit.base.errors import Invalid

Text = str | bytes
HeaderPairs = Iterable[tuple[str, Text | None]]


class TopicPartition(NamedTuple):
    """One partition of one topic. Never joined into a text: topic names hold dashes."""

    topic: str
    partition: int


class Headers(Mapping[str, bytes | None]):
    """Headers of a record: a mapping of name to value that keeps order and repeated names.

    `headers[name]` is the last value of that name; `pairs` has them all.

    >>> headers = Headers([("a", b"1"), ("a", b"2")])
    >>> headers["a"], headers.get_all("a"), len(headers)
    (b'2', [b'1', b'2'], 1)
    """

    __slots__ = ("pairs",)

    def __init__(self, pairs: Iterable[tuple[str, bytes | None]] = ()) -> None:
        self.pairs: tuple[tuple[str, bytes | None], ...] = tuple(pairs)

    def __getitem__(self, name: str) -> bytes | None:
        for known, value in reversed(self.pairs):
            if known == name:
                return value
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self.pairs))

    def __len__(self) -> int:
        return len(dict(self.pairs))

    def __repr__(self) -> str:
        return f"Headers({list(self.pairs)!r})"

    def get_all(self, name: str) -> list[bytes | None]:
        """Every value of one name, in order."""
        return [value for known, value in self.pairs if known == name]

    def text(self, name: str) -> str | None:
        """The last value of one name as text, or None."""
        value = self.get(name)
        return None if value is None else value.decode("utf-8", "replace")


NO_HEADERS = Headers()


class StreamMessage(msgspec.Struct, frozen=True, gc=False):
    """One record as it stands in the log. A `value` of None is a tombstone.

    `key` and `value` are bytes, or what the deserializers of a consumer made of them.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: Any = None
    value: Any = None
    headers: Headers = NO_HEADERS

    def text(self) -> str:
        """The value as UTF-8 text; empty for a tombstone. Raises UnicodeDecodeError."""
        value: bytes | str | None = self.value
        return value.decode() if isinstance(value, bytes) else value or ""

    def json(self) -> Any:
        """The value parsed as JSON; None for a tombstone. Raises msgspec.DecodeError."""
        return None if self.value is None else msgspec.json.decode(self.value)


class ConsumerRecord(StreamMessage, frozen=True, gc=False):
    """A record that was read.

    `checksum` is the CRC-32C of the record's batch where the reader sees the batch (the embedded
    broker's `consume`); None behind a Kafka client, which checks it but does not tell it.
    """

    checksum: int | None = None


class Columns(NamedTuple):
    """Records of one partition that were read, in log order; all columns have the same length.

    Attributes:
        headers: By record, pairs of name and value, or None; None = no record has any.
    """

    topic: str
    partition: int
    offsets: list[int]
    timestamps: list[int]
    keys: list[bytes | None]
    values: list[bytes | None]
    headers: list[list[tuple[str, bytes | None]] | None] | None = None


class ProducerRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A record to be written. Texts are written as UTF-8; no `value` is a tombstone.

    Args:
        value: What the producer's value serializer takes; without one text, bytes or None.
        key: The same for the key serializer.
        partition: None = chosen by the key (Kafka's murmur2 rule), or sticky without a key.
        timestamp: Milliseconds since 1970 UTC, more than 0; None = now.
    """

    topic: str
    value: Any = None
    key: Any = None
    headers: Mapping[str, Text | None] | list[tuple[str, Text | None]] | None = None
    partition: int | None = None
    timestamp: int | None = None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make one from a mapping. Raises Invalid for an unknown or a missing key."""
        fields = _known_fields(cls, values)
        if "topic" not in fields:
            raise Invalid("record.invalid", reason="a record needs a topic", pointer="/topic")
        return cls(**fields)


class Outgoing(NamedTuple):
    """One record to write; `partition` -1 lets the key decide, `timestamp_ms` 0 is now."""

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int = -1
    headers: list[tuple[str, bytes | None]] | None = None
    timestamp_ms: int = 0


class Written(NamedTuple):
    """Where a record stands; readable once the transaction is committed."""

    partition: int
    offset: int


class ProducerResult(msgspec.Struct, frozen=True, gc=False):
    """Where a record came to stand. With `acks=0` nobody knows: `offset` is -1."""

    topic: str
    partition: int
    offset: int
    timestamp: int

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


class Partition(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Who serves one partition; ids are broker ids."""

    topic: str
    partition: int
    leader: int
    replicas: list[int]
    isr: list[int]
    offline_replicas: list[int] = []


class PartitionMetadata(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One partition with its offsets: first kept, next readable, next written."""

    partition: int
    leader: int
    replicas: list[int]
    isr: list[int]
    high_water_mark: int
    log_start_offset: int
    log_end_offset: int


class TopicMetadata(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One topic as the cluster describes it.

    `topic_id` is written as Kafka's tools write it (base64, URL alphabet, no padding); None on
    brokers without topic ids.
    """

    name: str
    topic_id: str | None
    partitions: list[Partition]
    is_internal: bool = False


class Cluster(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A cluster at one moment: its brokers (id to `host:port`), and who serves which partition."""

    brokers: dict[int, str]
    topics: dict[str, list[Partition]]


class OffsetCommitRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The next offset that a group will read in one partition."""

    topic: str
    partition: int
    offset: int
    group_id: str | None = None
    metadata: str | None = None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make one from a mapping. Raises Invalid for an unknown or a missing key."""
        fields = _known_fields(cls, values)
        for name in ("topic", "partition", "offset"):
            if name not in fields:
                raise Invalid("client.refused", reason=f"a commit needs {name}")
        return cls(**fields)


def _known_fields(cls: type[msgspec.Struct], values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by field name; keys may be camelCase. Raises Invalid for an unknown one."""
    names = field_names(cls)
    fields: dict[str, Any] = {}
    for key, value in values.items():
        if (name := names.get(key)) is None:
            raise Invalid(
                "config.unknown_key", key=key, where=cls.__name__,
                hint=suggestion(key, names), pointer=f"/{key}",
            )  # fmt: skip
        fields[name] = value
    return fields


def header_pairs(headers: object) -> list[tuple[str, Text | None]] | None:
    """Headers of any accepted form as the pairs that go on the wire.

    Raises: Invalid("record.invalid") for a name that is no text or a value that is no bytes.
    """
    if not headers:
        return None
    if type(headers) is list:  # as collectors give them, record after record
        for pair in headers:
            if type(pair) is not tuple or len(pair) != 2:
                break
            if type(pair[0]) is not str or type(pair[1]) is not bytes:
                break
        else:
            return headers[:]
    if isinstance(headers, Headers):
        return list(headers.pairs)
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    if not isinstance(pairs, Iterable):
        raise Invalid("record.invalid", reason="headers are a mapping", pointer="/headers")
    checked: list[tuple[str, Text | None]] = []
    for pair in pairs:
        name, value = pair
        if not isinstance(name, str) or not (value is None or isinstance(value, str | bytes)):
            raise Invalid(
                "record.invalid",
                reason=f"header {name!r}: a name is text, a value text, bytes or None",
                pointer="/headers",
            )
        checked.append((name, value))
    return checked
