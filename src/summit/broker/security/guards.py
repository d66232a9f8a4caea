"""Which rights each API asks for, and what becomes of a request that lacks some.

A guard takes out of a request what is denied, and puts it into the answer with the error that
Kafka gives; the handler sees the rest only. An API without a guard is for super users. Produce and
Fetch look for themselves, where they find their topics.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from summit.broker.request import Request
from summit.broker.resources import BROKER, GROUP, TOPIC
from summit.broker.security.access import DENIED, Access, refusal, refusal_of
from summit.broker.state import BrokerState
from summit.protocol import acls, codes
from summit.protocol.message import Message

Amend = Callable[[Any], None]


class GuardedRequest(Request):
    """A request whose answer is completed with what was denied."""

    __slots__ = ("amends", "has_denied")

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.amends: list[Amend] = []
        self.has_denied = False

    def reply(self, message: Message) -> None:
        for amend in self.amends:
            amend(message)
        super().reply(message)


class DeniedError(Exception):
    """The request is denied as a whole, with a Kafka error code."""

    def __init__(self, code: int) -> None:
        super().__init__(codes.name_of(code))
        self.code = code


class AnsweredError(DeniedError):
    """Denied with an answer of its own."""

    def __init__(self, response: Message) -> None:
        super().__init__(codes.TOPIC_AUTHORIZATION_FAILED)
        self.response = response


class Guarded(NamedTuple):
    """One request, and who asks."""

    state: BrokerState
    access: Access
    request: GuardedRequest
    message: Any

    def need(self, operation: int, resource: int, name: str) -> None:
        """Raise DeniedError unless this is allowed."""
        if not self.access.may(operation, resource, name):
            raise DeniedError(DENIED[resource])

    def name_of(self, part: Any) -> str | None:
        """The name of what a part is about; None of a topic whose id is unknown."""
        if isinstance(part, str):
            return part
        topic_id = getattr(part, "topic_id", None)
        if topic_id is not None and topic_id.int:
            topic = self.state.topics.with_id(topic_id)
            return None if topic is None else topic.name
        for field in ("name", "topic", "group_id", "transactional_id"):
            if hasattr(part, field):
                return str(getattr(part, field) or "")
        return None

    def split(
        self, asked: str, answered: str, code: int, is_allowed: Callable[[Any], bool]
    ) -> None:
        """Take what is denied out of a list of the request; it comes back in the answer's."""
        parts = getattr(self.message, asked)
        allowed: list[Any] = []
        denied: list[Any] = []
        for part in parts or ():
            (allowed if is_allowed(part) else denied).append(part)
        if denied:
            setattr(self.message, asked, allowed)
            table = next(row for row in self.request.api.response.FIELDS if row.name == answered)
            inner = table.type.item.message

            def amend(response: Any) -> None:
                version = self.request.version
                getattr(response, answered).extend(
                    refusal_of(inner, part, code, version) for part in denied
                )

            self.request.amends.append(amend)
            self.request.has_denied = True


Guard = Callable[[Guarded], None]


def check(state: BrokerState, access: Access, request: GuardedRequest, message: Any) -> bool:
    """Whether the request goes on to its handler; else it is answered, or its connection ended."""
    guard = _GUARDS.get(request.api.key)
    if guard is None:
        request.connection.close()
        _tell(state, access, request, "")
        return False
    try:
        guard(Guarded(state, access, request, message))
    except DeniedError as error:
        _tell(state, access, request, str(error))
        answer = (
            error.response
            if isinstance(error, AnsweredError)
            else refusal(request.api.response, message, error.code, request.version)
        )
        Request.reply(request, answer)
        return False
    if request.has_denied:
        _tell(state, access, request, "in parts")
    return True


def _tell(state: BrokerState, access: Access, request: Request, reason: str) -> None:
    state.metrics.denied_requests += 1
    state.security.report(
        "request.denied", request.connection,
        principal=access.principal, api=request.api.name, reason=reason,
    )  # fmt: skip


# ---- kinds of guards ----


def _open(_: Guarded) -> None:
    """Nothing is asked for."""


def _cluster(operation: int) -> Guard:
    return lambda each: each.need(operation, acls.CLUSTER, acls.CLUSTER_NAME)


def _whole(operation: int, resource: int, field: str) -> Guard:
    return lambda each: each.need(operation, resource, getattr(each.message, field) or "")


def _parts(operation: int, resource: int, asked: str, answered: str) -> Guard:
    def guard(each: Guarded) -> None:
        def is_allowed(part: Any) -> bool:
            name = each.name_of(part)
            return name is None or each.access.may(operation, resource, name)

        each.split(asked, answered, DENIED[resource], is_allowed)

    return guard


def _filtered(operation: int, resource: int, answered: str) -> Guard:
    """The answer leaves out what is not to be seen."""

    def guard(each: Guarded) -> None:
        def amend(response: Any) -> None:
            seen = [
                part
                for part in getattr(response, answered)
                if each.access.may(operation, resource, each.name_of(part) or "")
            ]
            setattr(response, answered, seen)

        each.request.amends.append(amend)

    return guard


def _all(*guards: Guard) -> Guard:
    def guard(each: Guarded) -> None:
        for inner in guards:
            inner(each)

    return guard


# ---- guards of one API ----


def _topics_seen(each: Guarded) -> None:
    """Metadata and DescribeTopicPartitions: topics that may be described."""
    asked = {part.name for part in each.message.topics or () if part.name}
    access = each.access
    if getattr(each.message, "allow_auto_topic_creation", False) and not all(
        each.state.topics.named(name) is not None or _may_create(access, name) for name in asked
    ):
        each.message.allow_auto_topic_creation = False

    def amend(response: Any) -> None:
        seen = []
        for topic in response.topics:
            if topic.name and not access.topic(acls.DESCRIBE, topic.name):
                if topic.name in asked:
                    code = codes.TOPIC_AUTHORIZATION_FAILED
                    seen.append(type(topic)(name=topic.name, error_code=code, partitions=[]))
                elif each.message.topics:  # asked for by its id: nobody learns its name
                    code = codes.UNKNOWN_TOPIC_ID
                    name = None if each.request.version >= 12 else ""
                    seen.append(
                        type(topic)(
                            name=name, topic_id=topic.topic_id, error_code=code, partitions=[]
                        )
                    )
                continue
            if topic.topic_authorized_operations > 0:
                topic.topic_authorized_operations = access.operations(acls.TOPIC, topic.name)
            seen.append(topic)
        response.topics = seen
        if getattr(response, "cluster_authorized_operations", 0) > 0:
            response.cluster_authorized_operations = _on_cluster(access)

    each.request.amends.append(amend)


def _describe_cluster(each: Guarded) -> None:
    def amend(response: Any) -> None:
        if response.cluster_authorized_operations > 0:
            response.cluster_authorized_operations = _on_cluster(each.access)

    each.request.amends.append(amend)


def _describe_groups(each: Guarded) -> None:
    _parts(acls.DESCRIBE, acls.GROUP, "groups", "groups")(each)

    def amend(response: Any) -> None:
        for group in response.groups:
            if group.authorized_operations > 0:
                group.authorized_operations = each.access.operations(acls.GROUP, group.group_id)

    each.request.amends.insert(0, amend)


def _consumer_heartbeat(each: Guarded) -> None:
    _READ_GROUP(each)
    for name in each.message.subscribed_topic_names or ():
        each.need(acls.DESCRIBE, acls.TOPIC, name)


def _consumer_describe(each: Guarded) -> None:
    _parts(acls.DESCRIBE, acls.GROUP, "group_ids", "groups")(each)

    def amend(response: Any) -> None:
        for group in response.groups:
            if group.authorized_operations > 0:
                group.authorized_operations = each.access.operations(acls.GROUP, group.group_id)
            topics = {
                topic.topic_name
                for member in group.members
                for assignment in (member.assignment, member.target_assignment)
                for topic in assignment.topic_partitions
            }.union(name for member in group.members for name in member.subscribed_topic_names)
            if not all(each.access.topic(acls.DESCRIBE, name) for name in topics):
                group.error_code = codes.TOPIC_AUTHORIZATION_FAILED
                group.error_message = "the group reads topics that the client may not describe"
                group.members = []

    each.request.amends.insert(0, amend)


def _list_groups(each: Guarded) -> None:
    if not each.access.cluster(acls.DESCRIBE):
        _filtered(acls.DESCRIBE, acls.GROUP, "groups")(each)


def _offset_fetch(each: Guarded) -> None:
    if each.request.version >= 8:
        _parts(acls.DESCRIBE, acls.GROUP, "groups", "groups")(each)
        asked = {group.group_id: group.topics is not None for group in each.message.groups}
    else:
        _whole(acls.DESCRIBE, acls.GROUP, "group_id")(each)
        asked = {"": each.message.topics is not None}

    def amend(response: Any) -> None:
        for group in response.groups or [response]:
            is_asked = asked.get(getattr(group, "group_id", ""), True)
            for topic in list(group.topics):
                if not topic.name or each.access.topic(acls.DESCRIBE, topic.name):
                    continue
                if not is_asked:
                    group.topics.remove(topic)
                for part in topic.partitions:
                    part.committed_offset, part.metadata = -1, ""
                    part.error_code = codes.TOPIC_AUTHORIZATION_FAILED

    each.request.amends.append(amend)


def _find_coordinator(each: Guarded) -> None:
    resource = acls.GROUP if each.message.key_type == 0 else acls.TRANSACTIONAL_ID
    if each.request.version >= 4:
        _parts(acls.DESCRIBE, resource, "coordinator_keys", "coordinators")(each)
    else:
        each.need(acls.DESCRIBE, resource, each.message.key)


def _create_topics(each: Guarded) -> None:
    each.split(
        "topics", "topics", codes.TOPIC_AUTHORIZATION_FAILED,
        lambda part: _may_create(each.access, part.name),
    )  # fmt: skip


def _delete_topics(each: Guarded) -> None:
    asked = "topics" if each.request.version >= 6 else "topic_names"
    _parts(acls.DELETE, acls.TOPIC, asked, "responses")(each)


def _init_producer_id(each: Guarded) -> None:
    if each.message.transactional_id is not None:
        each.need(acls.WRITE, acls.TRANSACTIONAL_ID, each.message.transactional_id)
    elif not each.access.anywhere(acls.WRITE, acls.TOPIC):
        each.need(acls.IDEMPOTENT_WRITE, acls.CLUSTER, acls.CLUSTER_NAME)


def _add_partitions(each: Guarded) -> None:
    message = each.message
    if each.request.version >= 4:  # between brokers
        each.need(acls.CLUSTER_ACTION, acls.CLUSTER, acls.CLUSTER_NAME)
        return
    each.need(acls.WRITE, acls.TRANSACTIONAL_ID, message.v3_and_below_transactional_id)
    topics = message.v3_and_below_topics
    denied = {topic.name for topic in topics if not each.access.topic(acls.WRITE, topic.name)}
    if not denied:
        return
    table = each.request.api.response
    response: Any = refusal(table, message, codes.OPERATION_NOT_ATTEMPTED, each.request.version)
    for topic in response.results_by_topic_v3_and_below:
        if topic.name in denied:
            for part in topic.results_by_partition:
                part.partition_error_code = codes.TOPIC_AUTHORIZATION_FAILED
    raise AnsweredError(response)


def _configs(operation: int, answered: str) -> Guard:
    kinds = {TOPIC: acls.TOPIC, BROKER: acls.CLUSTER, GROUP: acls.GROUP}

    def guard(each: Guarded) -> None:
        for kind in sorted({part.resource_type for part in each.message.resources}):
            resource = kinds.get(kind, acls.CLUSTER)

            def is_allowed(part: Any, kind: int = kind, resource: int = resource) -> bool:
                name = acls.CLUSTER_NAME if resource == acls.CLUSTER else part.resource_name
                return part.resource_type != kind or each.access.may(operation, resource, name)

            each.split("resources", answered, DENIED[resource], is_allowed)

    return guard


def _scram(each: Guarded) -> None:
    if each.access.cluster(acls.ALTER):
        return
    table = each.request.api.response
    inner = next(row for row in table.FIELDS if row.name == "results").type.item.message
    names = {row.name for row in (*each.message.deletions, *each.message.upsertions)}
    code = codes.CLUSTER_AUTHORIZATION_FAILED
    raise AnsweredError(table(results=[refusal_of(inner, name, code, 0) for name in sorted(names)]))


def _may_create(access: Access, name: str) -> bool:
    return access.cluster(acls.CREATE) or access.topic(acls.CREATE, name)


def _on_cluster(access: Access) -> int:
    return access.operations(acls.CLUSTER, acls.CLUSTER_NAME)


_READ_GROUP: Final = _whole(acls.READ, acls.GROUP, "group_id")
_WRITE_ID: Final = _whole(acls.WRITE, acls.TRANSACTIONAL_ID, "transactional_id")

_GUARDS: Final[dict[int, Guard]] = {
    2: _parts(acls.DESCRIBE, acls.TOPIC, "topics", "topics"),
    1: _open,
    3: _topics_seen,
    8: _all(_READ_GROUP, _parts(acls.READ, acls.TOPIC, "topics", "topics")),
    9: _offset_fetch,
    10: _find_coordinator,
    11: _READ_GROUP,
    12: _READ_GROUP,
    13: _READ_GROUP,
    14: _READ_GROUP,
    15: _describe_groups,
    16: _list_groups,
    17: _open,
    18: _open,
    19: _create_topics,
    20: _delete_topics,
    21: _parts(acls.DELETE, acls.TOPIC, "topics", "topics"),
    22: _init_producer_id,
    23: _parts(acls.DESCRIBE, acls.TOPIC, "topics", "topics"),
    24: _add_partitions,
    25: _all(_WRITE_ID, _READ_GROUP),
    26: _WRITE_ID,
    28: _all(_WRITE_ID, _READ_GROUP, _parts(acls.READ, acls.TOPIC, "topics", "topics")),
    29: _cluster(acls.DESCRIBE),
    30: _cluster(acls.ALTER),
    31: _cluster(acls.ALTER),
    32: _configs(acls.DESCRIBE_CONFIGS, "results"),
    33: _configs(acls.ALTER_CONFIGS, "responses"),
    35: _cluster(acls.DESCRIBE),
    36: _open,
    37: _parts(acls.ALTER, acls.TOPIC, "topics", "results"),
    42: _parts(acls.DELETE, acls.GROUP, "groups_names", "results"),
    44: _configs(acls.ALTER_CONFIGS, "responses"),
    47: _all(
        _whole(acls.DELETE, acls.GROUP, "group_id"),
        _parts(acls.READ, acls.TOPIC, "topics", "topics"),
    ),
    50: _cluster(acls.DESCRIBE),
    51: _scram,
    60: _describe_cluster,
    61: _parts(acls.READ, acls.TOPIC, "topics", "topics"),
    65: _parts(acls.DESCRIBE, acls.TRANSACTIONAL_ID, "transactional_ids", "transaction_states"),
    68: _consumer_heartbeat,
    69: _consumer_describe,
    66: _filtered(acls.DESCRIBE, acls.TRANSACTIONAL_ID, "transaction_states"),
    74: _cluster(acls.DESCRIBE_CONFIGS),
    75: _topics_seen,
}
