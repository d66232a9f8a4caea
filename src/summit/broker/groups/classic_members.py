"""Members that speak the classic protocol in a group whose partitions the broker assigns.

While a group changes from one protocol to the other, both kinds are in it. A classic member's
generation is its epoch; it joins to be told of a new one, gives back partitions by joining without
them, and learns what it has by its sync. Nobody of them leads.

Source: KIP-848, "Migration".
"""

from __future__ import annotations

from summit.broker.groups.assignment import Places, by_topic
from summit.broker.groups.consumer_group import ConsumerGroup
from summit.broker.groups.consumer_member import ClassicPart, ConsumerMember, MemberState
from summit.broker.groups.member import JoinAsk, JoinReply, SyncAsk, SyncReply, join_error
from summit.broker.groups.subscription import (
    PROTOCOL_TYPE,
    NamedPartitions,
    Subscription,
    decode_subscription,
    encode_assignment,
    version_of,
)
from summit.broker.topics import TopicTable
from summit.protocol import codes


def join(group: ConsumerGroup, topics: TopicTable, ask: JoinAsk, now_ms: float) -> JoinReply:
    """Take a JoinGroup request; it is answered at once."""
    member_id = ask.member_id or ask.fresh_member_id
    if (
        member_id not in group.members
        and ask.instance_id not in group.static_ids
        and len(group.members) >= group.limits.members_max
    ):
        return join_error(codes.GROUP_MAX_SIZE_REACHED, ask.member_id)
    subscription = _subscription_of(ask)
    if subscription is None or not _fits(group, ask):
        return join_error(codes.INCONSISTENT_GROUP_PROTOCOL, ask.member_id)
    if not ask.member_id and ask.instance_id is None and ask.must_know_id:
        return join_error(codes.MEMBER_ID_REQUIRED, member_id)
    member, error = _member_of(group, ask, member_id)
    if member is None:
        return join_error(error, ask.member_id)
    old = (member.names, member.pattern)
    is_new = member.member_id not in group.members
    member.names, member.pattern, member.matched = sorted(set(subscription.topics)), None, NO_NAMES
    member.rack_id = subscription.rack_id
    member.client_id, member.client_host = ask.client_id, ask.client_host
    member.rebalance_timeout_ms = ask.rebalance_timeout_ms
    member.classic = ClassicPart(session_timeout_ms=ask.session_timeout_ms, protocols=ask.protocols)
    group.put(member)
    owned = places_of(subscription.owned_partitions, topics)
    group.settle(member, owned, now_ms, changed=is_new or old != (member.names, None))
    member.deadline_ms = now_ms + ask.session_timeout_ms
    member.act_by_ms = now_ms + ask.rebalance_timeout_ms  # to sync
    return JoinReply(
        error=codes.NONE,
        member_id=member.member_id,
        generation=member.epoch,
        protocol_type=PROTOCOL_TYPE,
        protocol=ask.protocols[0][0],
    )


def sync(group: ConsumerGroup, topics: TopicTable, ask: SyncAsk, now_ms: float) -> SyncReply:
    """Take a SyncGroup request; it is answered at once."""
    member, error = _speaker(group, ask.member_id, ask.instance_id, ask.generation)
    if member is None or member.classic is None:
        return SyncReply(error=error)
    if ask.protocol_type not in (None, PROTOCOL_TYPE) or ask.protocol not in (
        None, member.classic.protocols[0][0]
    ):  # fmt: skip
        return SyncReply(error=codes.INCONSISTENT_GROUP_PROTOCOL)
    if group.epoch > member.epoch and member.state is not MemberState.UNREVOKED:
        _expect_join(member, now_ms)
        return SyncReply(error=codes.REBALANCE_IN_PROGRESS)
    member.act_by_ms = None
    member.deadline_ms = now_ms + member.classic.session_timeout_ms
    return SyncReply(
        error=codes.NONE,
        protocol_type=ask.protocol_type,
        protocol=ask.protocol,
        assignment=assignment_of(member, member.assigned, topics),
    )


def heartbeat(
    group: ConsumerGroup, member_id: str, instance_id: str | None, generation: int, now_ms: float
) -> int:
    """Take a Heartbeat request; its error code."""
    member, error = _speaker(group, member_id, instance_id, generation)
    if member is None or member.classic is None:
        return error
    member.deadline_ms = now_ms + member.classic.session_timeout_ms
    if (
        member.epoch < group.epoch
        or member.state is MemberState.UNREVOKED
        or (member.state is MemberState.UNRELEASED and not group.is_waiting(member))
    ):
        _expect_join(member, now_ms)
        return codes.REBALANCE_IN_PROGRESS
    return codes.NONE


def assignment_of(member: ConsumerMember, places: Places, topics: TopicTable) -> bytes:
    """Places as a classic member's assignment, in the version that it subscribed in."""
    named = []
    for topic_id, indexes in by_topic(places).items():
        topic = topics.with_id(topic_id)
        if topic is not None:
            named.append(NamedPartitions(topic=topic.name, partitions=indexes))
    protocols = member.classic.protocols if member.classic is not None else []
    return encode_assignment(named, version_of(protocols[0][1]) if protocols else 0)


def places_of(named: list[NamedPartitions], topics: TopicTable) -> Places:
    """Partitions by name as places; topics that are gone are left out."""
    found = []
    for each in named:
        topic = topics.named(each.topic)
        if topic is not None:
            found += [(topic.topic_id, index) for index in each.partitions]
    return frozenset(found)


NO_NAMES: frozenset[str] = frozenset()


def _subscription_of(ask: JoinAsk) -> Subscription | None:
    if ask.protocol_type != PROTOCOL_TYPE or not ask.protocols:
        return None
    return decode_subscription(ask.protocols[0][1])


def _fits(group: ConsumerGroup, ask: JoinAsk) -> bool:
    """Whether a protocol is known to all classic members."""
    names = {name for name, _ in ask.protocols}
    for member in group.members.values():
        if member.classic is not None and member.member_id != ask.member_id:
            names &= {name for name, _ in member.classic.protocols}
    return bool(names)


def _member_of(
    group: ConsumerGroup, ask: JoinAsk, member_id: str
) -> tuple[ConsumerMember | None, int]:
    if ask.instance_id is not None:
        current = group.members.get(group.static_ids.get(ask.instance_id, ""))
        if ask.member_id:
            if current is None:
                return None, codes.UNKNOWN_MEMBER_ID
            if current.member_id != ask.member_id:
                return None, codes.FENCED_INSTANCE_ID
            return current, codes.NONE
        if current is not None:
            group.replace(current, member_id)
            return current, codes.NONE
        return ConsumerMember(member_id=member_id, instance_id=ask.instance_id), codes.NONE
    return group.members.get(member_id) or ConsumerMember(member_id=member_id), codes.NONE


def _speaker(
    group: ConsumerGroup, member_id: str, instance_id: str | None, generation: int
) -> tuple[ConsumerMember | None, int]:
    """The classic member that speaks for its present generation; or the error."""
    if instance_id is not None:
        current = group.static_ids.get(instance_id)
        if current is None:
            return None, codes.UNKNOWN_MEMBER_ID
        if current != member_id:
            return None, codes.FENCED_INSTANCE_ID
    member = group.members.get(member_id)
    if member is None or member.classic is None:
        return None, codes.UNKNOWN_MEMBER_ID
    if member.epoch != generation:
        return None, codes.ILLEGAL_GENERATION
    return member, codes.NONE


def _expect_join(member: ConsumerMember, now_ms: float) -> None:
    if member.act_by_ms is None:
        member.act_by_ms = now_ms + member.rebalance_timeout_ms
