"""Many records of one topic, given to librdkafka at once and without waiting.

As `send_nowait`, but one future and one lane of answers for all of them: what a caller needs who
keeps the order himself and must know of each record whether it was written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from summit.base.errors import SummitError
from summit.base.limits import RECORD_OVERHEAD_BYTES
from summit.client.batching import Batch, Load, refusals
from summit.client.delivery import Deliveries
from summit.client.faults import translate
from summit.client.types import ProducerResult

# Value, key, headers.
Message = tuple[bytes | None, bytes | None, list[tuple[str, bytes]] | None]

_ANY_PARTITION: Final = -1
_NOW: Final = 0


class Answers(NamedTuple):
    """What became of records that were given away together.

    Attributes:
        results: Where each was written, in their order; None for one that failed.
        failures: The error of each that failed, by its index.
    """

    results: list[ProducerResult | None]
    failures: dict[int, SummitError]


class Together(Batch):
    """The answers of records that are given away together.

    Attributes:
        future: What became of each, in order, when all have their answer.
        refused_bytes: Of records that librdkafka did not take.
    """

    __slots__ = ("future", "refused_bytes")

    def __init__(self, count: int) -> None:
        super().__init__()
        self.results = [None] * count
        self.refused_bytes = 0
        self.future: asyncio.Future[Answers] = asyncio.get_running_loop().create_future()

    def answered(self) -> None:
        """The lane has its answers."""
        self.waited_for = 0
        if not self.future.done():
            self.future.set_result(Answers(self.results, self.failures))


def message_bytes(messages: Sequence[Message]) -> int:
    """What records take of `bufferMemory`."""
    size_bytes = RECORD_OVERHEAD_BYTES * len(messages)
    for value, key, headers in messages:
        if value is not None:
            size_bytes += len(value)
        if key is not None:
            size_bytes += len(key)
        for name, text in headers or ():
            size_bytes += len(name) + len(text)
    return size_bytes


def give_together(
    outlet: tuple[Any, Deliveries],
    topic: str,
    messages: Sequence[Message],
    partition: int | None,
    size_bytes: int,
) -> Together:
    """Give records to librdkafka; the room for all of them, `size_bytes`, is taken already.

    What it refuses has its error among the answers; the others are on their way.
    """
    handle, deliveries = outlet
    place = _ANY_PARTITION if partition is None else partition
    produce, complaints = handle.produce, refusals()
    batch = Together(len(messages))
    lane = deliveries.open(len(messages), topic)
    for index, (value, key, headers) in enumerate(messages):
        callback = lane.callbacks[index]
        try:
            produce(topic, value, key, place, callback, None, _NOW, headers)
        except complaints as error:
            fault = error
            if not isinstance(error, SummitError):
                fault = translate(error, topic=topic, partition=partition)
            batch.failures[index] = fault
            batch.refused_bytes += message_bytes(messages[index : index + 1])
    refused = len(batch.failures)
    given = len(messages) - refused
    batch.waited_for = bool(given)
    load = Load(batch, range(len(messages)), size_bytes - batch.refused_bytes)
    deliveries.seal(lane, unused=refused, given=given, load=load)
    if not given:
        batch.answered()
    return batch
