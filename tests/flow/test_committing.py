"""What the group is told with a commit: offsets as of the cut, and of what is held alone."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from summit.base.clock import ManualClock
from summit.base.errors import Conflict, Unavailable
from summit.base.limits import RECOMMIT_MS
from summit.client.transactor import Outgoing, Written
from summit.client.types import TopicPartition
from summit.flow.committing import Commits
from summit.flow.metrics import WorkerMetrics
from summit.flow.outputs import Outputs
from summit.flow.placement import carrier
from summit.flow.runtime import Cut
from summit.flow.settings import WorkerSettings
from summit.journal.progress_record import Positions, split_partition_name
from summit.journal.state_log import state_record
from summit.journal.topics import EXCHANGE_TOPIC
from summit.keyed.keygroups import KEY_GROUPS
from summit.keyed.outputs import StateKey

ALL = frozenset(range(KEY_GROUPS))


class Told:
    """Stands where the transactor and the inputs do: keeps what it is given, and wakes nobody."""

    metadata = None

    def __init__(self) -> None:
        self.offsets: list[dict[TopicPartition, int]] = []

    async def write(
        self,
        watched: Sequence[Outgoing],
        others: Sequence[Outgoing],
        offsets: Mapping[TopicPartition, int],
        *_: Any,
    ) -> list[Written]:
        self.offsets.append(dict(offsets))
        return []

    def wake(self) -> None:
        """Nobody polls."""


def commits(clock: ManualClock, told: Any) -> Commits:
    made = Commits(
        WorkerSettings(), clock, told, told, WorkerMetrics(clock), set
    )  # fmt: skip
    made._transactor = told
    return made


def cut(positions: Positions, exchange: dict[int, int]) -> Cut:
    return Cut([], [], {}, {}, {}, positions, exchange, {}, 0, {})


def test_frames_taken_after_the_cut_are_not_committed_with_it() -> None:
    """They are processed in the next transaction: told now, a crash would lose what they led to."""

    async def run() -> None:
        clock, told = ManualClock(), Told()
        made = commits(clock, told)
        exchange = dict.fromkeys(ALL, 5)
        made.holds(exchange, {})
        clock.advance(RECOMMIT_MS + 1)  # everything is told again
        one = cut({"auth/0": 7}, {})
        await made.begin(Outputs(one, ALL, []), one, None)
        exchange[3] = 9  # before the transaction has done anything
        await made.settle()
        assert told.offsets[0][TopicPartition(EXCHANGE_TOPIC, 3)] == 5
        assert told.offsets[0][TopicPartition("auth", 0)] == 7

    asyncio.run(run())


def test_what_was_given_back_is_not_told_again() -> None:
    """Its new reader is further: the group would be put back behind what it has processed."""

    async def run() -> None:
        clock, told = ManualClock(), Told()
        made = commits(clock, told)
        exchange = dict.fromkeys(ALL, 0)
        made.holds(exchange, {})
        one = cut({"auth/0": 7, "web/1": 3}, {})
        await made.begin(Outputs(one, ALL, []), one, None)
        await made.settle()
        gone = carrier(*split_partition_name("auth/0"))
        assert carrier(*split_partition_name("web/1")) != gone
        del exchange[gone]
        clock.advance(RECOMMIT_MS + 1)
        two = cut({}, {})
        await made.begin(Outputs(two, ALL - {gone}, []), two, None)
        await made.settle()
        again = told.offsets[1]
        assert TopicPartition("auth", 0) not in again
        assert TopicPartition(EXCHANGE_TOPIC, gone) not in again
        assert again[TopicPartition("web", 1)] == 3

    asyncio.run(run())


def test_a_state_that_no_broker_takes_is_named() -> None:
    class Full(Told):
        async def write(self, *_: Any) -> list[Written]:
            raise Conflict(
                "producer.must_abort", reason="too large", kafka_error="MSG_SIZE_TOO_LARGE"
            )

    async def run() -> None:
        made = commits(ManualClock(), Full())
        state = {5: [state_record(StateKey("two/0f", ("b",)), 1, b"x" * 99)]}
        one = cut({"auth/0": 7}, {})._replace(state=state)
        await made.begin(Outputs(one, ALL, []), one, None)
        with pytest.raises(Unavailable) as caught:
            await made.settle()
        assert "rule 'two' in key group 5" in str(caught.value)

    asyncio.run(run())
