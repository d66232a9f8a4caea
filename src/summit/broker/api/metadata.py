"""Metadata: key 3, versions 0-13.

Behaviour: one broker, which leads everything and is the controller. Topics are asked for by name
or (v10+) by id; null, or empty in v0, means all. A topic that does not exist is made when the
setting and (v4+) the request allow it, and the answer waits for it. A topic that is named twice is
answered once.
Versions: 10 topic ids · 12 topics by id · 13 top-level error.
The leader epoch (v7+) grows with every start after a crash, so that clients look whether what they
read is still there.
Deviations: `__cluster_metadata` is never shown.
"""

from __future__ import annotations

from summit.base.errors import Invalid, SummitError
from summit.broker.operations import ON_CLUSTER, ON_TOPIC
from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.broker.topics import Topic, check_topic_name
from summit.protocol import codes
from summit.protocol.metadata import (
    OPERATIONS_NOT_ASKED,
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from summit.protocol.primitives import ZERO_UUID


def handle(state: BrokerState, request: Request, message: MetadataRequest) -> None:
    """Answer with the cluster and the topics, after making those that may be made."""
    asked = message.topics
    if asked is None or (request.version == 0 and not asked):
        _reply(state, request, message, [_describe(state, topic) for topic in state.topics])
        return
    asked = list({(each.name, each.topic_id): each for each in asked}.values())
    may_create = state.settings.auto_create_topics and message.allow_auto_topic_creation
    answer = _Answer(state, request, message, asked)
    for index, wanted in enumerate(asked):
        topic = _find(state, wanted)
        if topic is not None:
            answer.fill(index, _describe(state, topic))
        elif wanted.name is None or _is_by_id(wanted):
            # Before version 12 the answer has no null for a name.
            wanted.name = None if request.version >= 12 else ""
            answer.fill(index, _absent(wanted, codes.UNKNOWN_TOPIC_ID))
        elif may_create:
            answer.create(index, wanted.name)
        else:
            answer.fill(index, _absent(wanted, _error_of_absence(wanted.name)))
    answer.send_if_complete()


class _Answer:
    """An answer in the making: topics come in any order, some after they were created."""

    def __init__(
        self,
        state: BrokerState,
        request: Request,
        message: MetadataRequest,
        asked: list[MetadataRequestTopic],
    ) -> None:
        self._state = state
        self._request = request
        self._message = message
        self._topics: list[MetadataResponseTopic | None] = [None] * len(asked)
        self._is_open = True

    def fill(self, index: int, topic: MetadataResponseTopic) -> None:
        self._topics[index] = topic

    def create(self, index: int, name: str) -> None:
        wanted = MetadataRequestTopic(name=name)

        def done(topic: Topic | None, error: SummitError | None) -> None:
            if topic is not None:
                self.fill(index, _describe(self._state, topic))
            else:
                code = codes.UNKNOWN_SERVER_ERROR if error is None else codes.code_of(error)
                self.fill(index, _absent(wanted, code))
            self.send_if_complete()

        try:
            self._state.catalogue.ensure(name, done)
        except SummitError as error:
            self.fill(index, _absent(wanted, codes.code_of(error)))

    def send_if_complete(self) -> None:
        topics = [topic for topic in self._topics if topic is not None]
        if self._is_open and len(topics) == len(self._topics):
            self._is_open = False
            _reply(self._state, self._request, self._message, topics)


def _is_by_id(wanted: MetadataRequestTopic) -> bool:
    """An id goes before a name: the Java client sends an empty name beside it."""
    return wanted.topic_id != ZERO_UUID


def _find(state: BrokerState, wanted: MetadataRequestTopic) -> Topic | None:
    if wanted.name is None or _is_by_id(wanted):
        return state.topics.with_id(wanted.topic_id)
    return state.topics.named(wanted.name)


def _error_of_absence(name: str) -> int:
    try:
        check_topic_name(name)
    except Invalid as error:
        return codes.code_of(error)
    return codes.UNKNOWN_TOPIC_OR_PARTITION


def _absent(wanted: MetadataRequestTopic, error: int) -> MetadataResponseTopic:
    return MetadataResponseTopic(
        error_code=error, name=wanted.name, topic_id=wanted.topic_id, partitions=[]
    )


def _describe(state: BrokerState, topic: Topic) -> MetadataResponseTopic:
    node = state.broker_id
    return MetadataResponseTopic(
        error_code=codes.NONE,
        name=topic.name,
        topic_id=topic.topic_id,
        is_internal=topic.is_internal,
        partitions=[
            MetadataResponsePartition(
                error_code=codes.NONE,
                partition_index=partition.index,
                leader_id=node,
                leader_epoch=partition.log.leader_epoch,
                replica_nodes=[node],
                isr_nodes=[node],
            )
            for partition in topic.partitions
        ],
    )


def _reply(
    state: BrokerState,
    request: Request,
    message: MetadataRequest,
    topics: list[MetadataResponseTopic],
) -> None:
    if message.include_topic_authorized_operations:
        for topic in topics:
            if topic.error_code == codes.NONE:
                topic.topic_authorized_operations = ON_TOPIC
    asks = message.include_cluster_authorized_operations
    host, port = state.endpoint(request.connection)
    broker = MetadataResponseBroker(node_id=state.broker_id, host=host, port=port)
    request.reply(
        MetadataResponse(
            brokers=[broker],
            cluster_id=state.cluster_id,
            controller_id=state.broker_id,
            topics=topics,
            cluster_authorized_operations=ON_CLUSTER if asks else OPERATIONS_NOT_ASKED,
        )
    )
