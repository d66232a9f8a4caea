"""Records of files on their way, one by one or many together.

Most lines become one plain record each: a `Block` holds many of those as columns, without an object
for each. What goes to the producer at once is a `Parcel`, made of either.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from summit.base.errors import SummitError, Unavailable
from summit.client.together import Answers, Message
from summit.ingest.files.coordinates import SOURCE_HEADER, Coordinate


class Outgoing(NamedTuple):
    """One record on its way.

    Attributes:
        end: Where the file goes on after this record's line; None when the line has more events.
    """

    topic: str
    value: bytes
    key: bytes | None
    place: Coordinate
    end: int | None
    headers: tuple[tuple[str, bytes], ...] = ()

    @property
    def message(self) -> Message:
        """What the producer takes."""
        source = (SOURCE_HEADER, self.place.text.encode())
        return self.value, self.key, [source, *self.headers]


class Block(NamedTuple):
    """Records of one file and topic, one of each line, without other headers than their place.

    Attributes:
        offsets: Where each one's line begins.
        end: Where the file goes on after the last line.
        size_bytes: Of all values.
    """

    topic: str
    identity: str
    values: list[bytes]
    keys: list[bytes | None]
    offsets: list[int]
    end: int
    size_bytes: int

    def records(self) -> list[Outgoing]:
        """The same one by one."""
        ends = [*self.offsets[1:], self.end]
        return [
            Outgoing(self.topic, value, key, Coordinate(self.identity, offset, 0), end)
            for value, key, offset, end in zip(
                self.values, self.keys, self.offsets, ends, strict=True
            )
        ]

    def messages(self) -> list[Message]:
        """What the producer takes."""
        start = f"file:{self.identity}:".encode()
        name = SOURCE_HEADER
        return [
            (value, key, [(name, b"%b%d:0" % (start, offset))])
            for value, key, offset in zip(self.values, self.keys, self.offsets, strict=True)
        ]


class Parcel:
    """Records of one file and topic that are handed over together, at least one.

    Attributes:
        end: Where the file goes on after them; None where the last line has more events.
        future: Set when they are handed over.
        counted: Whether they are in the window.
    """

    __slots__ = ("_source", "count", "counted", "end", "future", "last", "size_bytes", "topic")

    def __init__(self, source: Block | list[Outgoing]) -> None:
        self._source = source
        self.future: asyncio.Future[Answers]
        self.counted = False
        self.end: int | None
        if isinstance(source, Block):
            self.topic, self.end, self.size_bytes = source.topic, source.end, source.size_bytes
            self.count = len(source.values)
            self.last = Coordinate(source.identity, source.offsets[-1], 0)
        else:
            self.topic, self.last = source[0].topic, source[-1].place
            self.count = len(source)
            self.size_bytes = sum([len(one.value) for one in source])
            self.end = next((one.end for one in reversed(source) if one.end is not None), None)

    def records(self) -> list[Outgoing]:
        """The records, in order."""
        return self._source.records() if isinstance(self._source, Block) else self._source

    def messages(self) -> list[Message]:
        """What the producer takes."""
        if isinstance(self._source, Block):
            return self._source.messages()
        return [one.message for one in self._source]

    def answers(self) -> list[tuple[Outgoing, SummitError | None]]:
        """Each record with its error; the future is done."""
        future, records = self.future, self.records()
        fault: SummitError | None = None
        if future.cancelled():
            fault = Unavailable("ingest.broker_away", reason="given up")
        elif (error := future.exception()) is not None:
            if isinstance(error, SummitError):
                fault = error
            else:
                fault = Unavailable("ingest.broker_away", reason=repr(error))
        if fault is not None:
            return [(record, fault) for record in records]
        failures = future.result().failures
        return [(record, failures.get(index)) for index, record in enumerate(records)]


def has_failed(future: asyncio.Future[Answers]) -> bool:
    """Whether a record of a parcel was not acknowledged; its future is done."""
    if future.cancelled() or future.exception() is not None:
        return True
    return bool(future.result().failures)
