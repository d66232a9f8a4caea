"""DeleteTopics: key 20, versions 1-6.

Behaviour: by name, or (v6) by name or id. The answer waits until the deletion is durable; a
topic of the same name made later has another id and starts at offset 0. Internal topics are
refused, and so is whatever is named twice.
Versions: 5 error message · 6 ids.
"""

from __future__ import annotations

from collections import Counter

from summit.base.errors import Invalid, SummitError
from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.broker.topics import Topic
from summit.protocol import codes
from summit.protocol.delete_topics import (
    DeletableTopicResult,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
    DeleteTopicState,
)
from summit.protocol.primitives import ZERO_UUID


def handle(state: BrokerState, request: Request, message: DeleteTopicsRequest) -> None:
    """Delete what can be deleted and answer once that is durable."""
    wanted = message.topics or [DeleteTopicState(name=name) for name in message.topic_names]
    results: list[DeletableTopicResult | None] = [None] * len(wanted)
    given = Counter((which.name, which.topic_id) for which in wanted)
    begun = False

    def send_if_complete() -> None:
        ready = [result for result in results if result is not None]
        if begun and len(ready) == len(results):
            request.reply(DeleteTopicsResponse(responses=ready))

    def delete(index: int, which: DeleteTopicState) -> None:
        topic = _find(state, which)

        def done(error: SummitError | None) -> None:
            results[index] = _result(which, topic, error)
            send_if_complete()

        try:
            if which.name is not None and which.topic_id != ZERO_UUID:
                raise Invalid("request.contradiction", reason="a topic by name and by id")
            if given[which.name, which.topic_id] > 1:
                raise Invalid("request.duplicate", what=f"topic {which.name or which.topic_id}")
            if topic is None and which.name is None:
                raise Invalid("topic.id_unknown", topic_id=str(which.topic_id))
            if topic is None:
                raise Invalid("topic.unknown", topic=which.name)
            if topic.is_internal:
                raise Invalid("topic.internal", topic=topic.name)
            state.catalogue.delete(topic, done)
        except SummitError as error:
            results[index] = _result(which, topic, error)

    for index, which in enumerate(wanted):
        delete(index, which)
    begun = True
    send_if_complete()


def _find(state: BrokerState, which: DeleteTopicState) -> Topic | None:
    if which.name is not None:
        return state.topics.named(which.name)
    return state.topics.with_id(which.topic_id)


def _result(
    which: DeleteTopicState, topic: Topic | None, error: SummitError | None
) -> DeletableTopicResult:
    return DeletableTopicResult(
        name=which.name if topic is None else topic.name,
        topic_id=which.topic_id if topic is None else topic.topic_id,
        error_code=codes.NONE if error is None else codes.code_of(error),
        error_message=None if error is None else str(error),
    )
