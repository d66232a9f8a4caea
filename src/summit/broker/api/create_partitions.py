"""CreatePartitions: key 37, versions 0-3.

Behaviour: each topic succeeds or fails alone. `count` is what the topic shall have; the same or
fewer is INVALID_PARTITIONS. Assignments, when given, must name this broker once per new partition.
The answer waits until the partitions are durable and can be written to; `validate_only` answers at
once. Records that are already there stay where they are.
"""

from __future__ import annotations

from collections import Counter

from summit.base.errors import Invalid, SummitError
from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.protocol import codes
from summit.protocol.create_partitions import (
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreatePartitionsTopic,
    CreatePartitionsTopicResult,
)


def handle(state: BrokerState, request: Request, message: CreatePartitionsRequest) -> None:
    """Add what can be added and answer once all of it is there."""
    names = Counter(wanted.name for wanted in message.topics)
    results = [
        CreatePartitionsTopicResult(name=wanted.name, error_code=codes.NONE)
        for wanted in message.topics
    ]
    waiting = len(results)

    def add(wanted: CreatePartitionsTopic, result: CreatePartitionsTopicResult) -> None:
        def done(error: SummitError | None) -> None:
            nonlocal waiting
            if error is not None:
                result.error_code = codes.code_of(error)
                result.error_message = str(error)
            waiting -= 1
            if waiting == 0:
                request.reply(CreatePartitionsResponse(results=results))

        try:
            if names[wanted.name] > 1:
                raise Invalid("request.duplicate", what=f"topic {wanted.name}")
            topic = state.topics.named(wanted.name)
            if topic is None:
                raise Invalid("topic.unknown", topic=wanted.name)
            state.altering.check_growth(topic, wanted.count)
            _check_assignments(state, wanted, wanted.count - len(topic.partitions))
            if message.validate_only:
                done(None)
            else:
                state.altering.grow(topic, wanted.count, done)
        except SummitError as error:
            done(error)

    if not results:
        request.reply(CreatePartitionsResponse(results=[]))
    for wanted, result in zip(message.topics, results, strict=True):
        add(wanted, result)


def _check_assignments(state: BrokerState, wanted: CreatePartitionsTopic, added: int) -> None:
    if wanted.assignments is not None and (
        len(wanted.assignments) != added
        or any(each.broker_ids != [state.broker_id] for each in wanted.assignments)
    ):
        raise Invalid("topic.assignment_invalid", broker_id=state.broker_id)
