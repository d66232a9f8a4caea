"""What goes into the matcher: records in columns, one chunk per stretch of one partition."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

Headers = Any  # an iterable of (name, value bytes or None), or a mapping of the same, or None

SOURCE_HEADER = "summit.src"


class Chunk(NamedTuple):
    """Consecutive records of one partition, in log order; all columns have the same length.

    Attributes:
        values: Record values; None is a record without value.
        timestamps_ms: Record times, milliseconds since 1970 UTC; 0 or less = none.
        headers: Record headers, read only for events that a rule takes; None = none at all.
        keys: Record keys; None = none at all.
    """

    topic: str
    partition: int
    offsets: Sequence[int]
    timestamps_ms: Sequence[int]
    values: Sequence[bytes | None]
    headers: Sequence[Headers] | None = None
    keys: Sequence[bytes | None] | None = None


class Record(Protocol):
    """What `chunk_records` reads of a record; a `ConsumerRecord` is one."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> Any: ...
    @property
    def value(self) -> Any: ...
    @property
    def headers(self) -> Any: ...


def chunk_records(records: Iterable[Record]) -> list[Chunk]:
    """Put records into chunks; their order stays as it is."""
    chunks: list[Chunk] = []
    topic: str | None = None
    partition = -1
    columns: tuple[list[int], list[int], list[bytes | None], list[Headers], list[bytes | None]]
    for record in records:
        if record.partition != partition or record.topic != topic:
            topic, partition = record.topic, record.partition
            columns = ([], [], [], [], [])
            chunks.append(Chunk(topic, partition, *columns))
        columns[0].append(record.offset)
        columns[1].append(record.timestamp)
        columns[2].append(record.value)
        columns[3].append(record.headers)
        columns[4].append(record.key)
    return chunks


def source_of(headers: Headers) -> str | None:
    """The text of the header `summit.src` (the last one), or None."""
    return header_of(headers, SOURCE_HEADER)


def header_of(headers: Headers, wanted: str) -> str | None:
    """The text of a header (the last one of that name), or None."""
    found: bytes | str | None = None
    for name, value in _pairs(headers):
        if name == wanted:
            found = value
    return found.decode(errors="replace") if isinstance(found, bytes) else found


def header_texts(headers: Headers) -> dict[str, str]:
    """The last value of each header, as text."""
    return {
        name: value.decode(errors="replace") if isinstance(value, bytes) else value
        for name, value in _pairs(headers)
        if value is not None
    }


def _pairs(headers: Headers) -> Iterable[tuple[str, Any]]:
    if not headers:
        return ()
    pairs: Iterable[tuple[str, Any]] = headers.items() if hasattr(headers, "items") else headers
    return pairs
