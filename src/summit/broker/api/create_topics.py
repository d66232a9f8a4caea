"""CreateTopics: key 19, versions 2-7.

Behaviour: each topic succeeds or fails alone. -1 partitions means the setting, -1 replicas the
brokers that live; more replicas than that is INVALID_REPLICATION_FACTOR. Assignments must name
this broker and number the partitions from 0. Configs are checked; a key or value whose behaviour
is not built is INVALID_CONFIG with the reason. The answer waits until the topics are durable.
Versions: 4 defaults by -1 · 5 shape and configs in the answer · 7 topic id.
"""

from __future__ import annotations

from collections import Counter

from summit.base.errors import Invalid, SummitError
from summit.broker import topic_configs
from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.broker.topics import Topic
from summit.protocol import codes
from summit.protocol.create_topics import (
    CreatableTopic,
    CreatableTopicConfigs,
    CreatableTopicResult,
    CreateTopicsRequest,
    CreateTopicsResponse,
)

_SOURCE_DEFAULT = 5
_SOURCE_TOPIC = 1


def handle(state: BrokerState, request: Request, message: CreateTopicsRequest) -> None:
    """Create what can be created and answer once all of it is durable."""
    names = Counter(wanted.name for wanted in message.topics)
    results: list[CreatableTopicResult | None] = [None] * len(message.topics)
    begun = False

    def send_if_complete() -> None:
        ready = [result for result in results if result is not None]
        if begun and len(ready) == len(results):
            request.reply(CreateTopicsResponse(topics=ready))

    def create(index: int, wanted: CreatableTopic) -> None:
        def done(topic: Topic | None, error: SummitError | None) -> None:
            results[index] = (
                _success(state, topic) if topic is not None else _failure(wanted.name, error)
            )
            send_if_complete()

        try:
            if names[wanted.name] > 1:
                raise Invalid("request.duplicate", what=f"topic {wanted.name}")
            count = _partition_count(state, wanted)
            configs = {config.name: config.value for config in wanted.configs}
            if message.validate_only:
                checked = state.catalogue.check(wanted.name, count, configs)
                results[index] = _validated(state, wanted.name, count, checked)
            else:
                state.catalogue.create(wanted.name, count, configs, done)
        except SummitError as error:
            results[index] = _failure(wanted.name, error)

    for index, wanted in enumerate(message.topics):
        create(index, wanted)
    begun = True
    send_if_complete()


def _partition_count(state: BrokerState, wanted: CreatableTopic) -> int:
    if wanted.assignments:
        if wanted.num_partitions != -1 or wanted.replication_factor != -1:
            raise Invalid(
                "request.contradiction",
                reason="assignments exclude a partition count and a replication factor",
            )
        indexes = sorted(each.partition_index for each in wanted.assignments)
        if indexes != list(range(len(indexes))) or any(
            each.broker_ids != [state.broker_id] for each in wanted.assignments
        ):
            raise Invalid("topic.assignment_invalid", broker_id=state.broker_id)
        return len(indexes)
    if wanted.replication_factor not in (-1, 1):
        raise Invalid("topic.replication_invalid", replicas=wanted.replication_factor)
    return state.settings.num_partitions if wanted.num_partitions == -1 else wanted.num_partitions


def _failure(name: str, error: SummitError | None) -> CreatableTopicResult:
    if error is None:
        return CreatableTopicResult(name=name, error_code=codes.UNKNOWN_SERVER_ERROR)
    return CreatableTopicResult(
        name=name, error_code=codes.code_of(error), error_message=str(error)
    )


def _success(state: BrokerState, topic: Topic) -> CreatableTopicResult:
    result = _validated(state, topic.name, len(topic.partitions), topic.configs)
    result.topic_id = topic.topic_id
    return result


def _validated(
    state: BrokerState, name: str, count: int, configs: dict[str, str]
) -> CreatableTopicResult:
    return CreatableTopicResult(
        name=name,
        error_code=codes.NONE,
        num_partitions=count,
        replication_factor=1,
        configs=[
            CreatableTopicConfigs(
                name=key,
                value=value,
                read_only=False,
                config_source=_SOURCE_TOPIC if key in configs else _SOURCE_DEFAULT,
                is_sensitive=False,
            )
            for key, value in topic_configs.effective(configs, state.settings).items()
        ],
    )
