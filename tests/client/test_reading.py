"""One wait of the reader: what comes together, and what happens in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from summit.base.clock import SystemClock
from summit.client.reading import Reader, Told
from summit.client.settings import ConsumerConfig
from summit.client.types import TopicPartition


class Handle:
    """librdkafka's consumer with a queue of messages, and of what happens before one is given."""

    def __init__(self, queue: list[Any]) -> None:
        self.queue = queue
        self.asked: list[tuple[int, float]] = []

    def consume(self, count: int, timeout_s: float) -> list[Any]:
        self.asked.append((count, timeout_s))
        found: list[Any] = []
        while self.queue and len(found) < count:
            item = self.queue.pop(0)
            if callable(item):
                found = []  # librdkafka drops what it has not given out yet; here: all of it
                item()
            else:
                found.append(item)
        return found

    def unassign(self) -> None:
        pass


def reader_of(queue: list[Any]) -> tuple[Reader, Handle, list[Told]]:
    told: list[Told] = []
    config = ConsumerConfig(group_id="g", bootstrap_servers=["localhost:1"])
    reader = Reader(config, SystemClock(), due=dict, tell=told.append)
    handle = Handle(queue)
    reader._handle = handle
    return reader, handle, told


def message(partition: int, offset: int) -> Any:
    from confluent_kafka import Message

    return Message(topic="t", partition=partition, offset=offset, value=b"v", timestamp=(1, 5))


def test_only_the_first_record_is_waited_for() -> None:
    reader, handle, _ = reader_of([message(0, n) for n in range(1_000)])
    fetched = reader.fetch(700, 10)
    assert [record.offset for record in fetched.records] == list(range(700))
    assert fetched.next_offsets == {TopicPartition("t", 0): 700}
    assert sum(count for count, _ in handle.asked) == 700
    assert all(timeout_s == 0 for _, timeout_s in handle.asked[1:])
    assert [record.offset for record in reader.fetch(1, 10).records] == [700]
    rest = reader.fetch(10_000, 10)
    assert [record.offset for record in rest.records] == list(range(701, 1_000))
    assert reader.fetch(5, 0).records == []


def test_what_was_taken_away_in_the_middle_of_a_wait_is_not_brought() -> None:
    """A rebalance may come between two answers of librdkafka to one wait."""

    def taken(how: Callable[[Any, list[Any]], None]) -> Callable[[], None]:
        from confluent_kafka import TopicPartition as Part

        return lambda: how(handle, [Part("t", 0)])

    for name in ("_revoked", "_lost"):
        reader, handle, told = reader_of([])
        # The first is waited for alone, then 250 at a time.
        before = [message(n % 2, n) for n in range(501)]
        after = [message(1, n) for n in range(501, 700)]
        handle.queue = [*before, taken(getattr(reader, name)), *after]
        fetched = reader.fetch(1_000, 10)
        assert {record.partition for record in fetched.records} == {1}
        assert len(fetched.records) == 250 + 199
        assert fetched.next_offsets == {TopicPartition("t", 1): 700}
        assert [(t.what, t.partitions) for t in told] == [(name[1:], [TopicPartition("t", 0)])]
        # Brought again later, it is there: what was taken away is not kept in mind.
        handle.queue = [message(0, 800)]
        assert [record.offset for record in reader.fetch(10, 10).records] == [800]
