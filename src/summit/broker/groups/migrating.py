"""Groups that change their protocol while members are in: classic to consumer, and back.

Up: the first member that lets the broker assign takes the whole group with it; the classic ones
stay in it as they are. Down: when the last of them goes, the rest is a classic group again.

Source: KIP-848, "Migration".
"""

from __future__ import annotations

from summit.broker.groups.classic_members import assignment_of, places_of
from summit.broker.groups.consumer_group import ConsumerGroup
from summit.broker.groups.consumer_member import ClassicPart, ConsumerMember
from summit.broker.groups.group import Group
from summit.broker.groups.member import JoinAsk, Member
from summit.broker.groups.protocol_choice import select_protocol
from summit.broker.groups.states import GroupLimits
from summit.broker.groups.subscription import (
    PROTOCOL_TYPE,
    decode_assignment,
    decode_subscription,
)
from summit.broker.topics import TopicTable


def can_go_up(group: Group) -> bool:
    """Whether the members of a classic group are consumers whose subscriptions can be read."""
    protocols = [member.protocols for member in group.members.values()]
    return group.protocol_type == PROTOCOL_TYPE and all(
        each and all(decode_subscription(data) is not None for _, data in each)
        for each in protocols
    )


def go_up(group: Group, above: ConsumerGroup, topics: TopicTable, now_ms: float) -> None:
    """Bring a new group, whose partitions the broker assigns, to where a classic one is."""
    above.epoch = above.assignment_epoch = group.generation
    protocol = group.protocol or (select_protocol(group.members.values()) if group.members else "")
    for each in group.members.values():
        subscription = decode_subscription(each.metadata(protocol) or each.protocols[0][1])
        assert subscription is not None
        member = ConsumerMember(
            member_id=each.member_id,
            epoch=group.generation,
            previous_epoch=group.generation,
            instance_id=each.instance_id,
            rack_id=subscription.rack_id,
            client_id=each.client_id,
            client_host=each.client_host,
            names=sorted(set(subscription.topics)),
            rebalance_timeout_ms=each.rebalance_timeout_ms,
            deadline_ms=now_ms + each.session_timeout_ms,
            classic=ClassicPart(
                session_timeout_ms=each.session_timeout_ms, protocols=each.protocols
            ),
        )
        places = places_of(decode_assignment(each.assignment), topics)
        free = frozenset(place for place in places if place not in above.owners)
        above.put(member)
        above.hold(member, free)
        above.set_target(member.member_id, free)
    above.mark_epochs()


def go_down(group: ConsumerGroup, limits: GroupLimits, topics: TopicTable, now_ms: float) -> Group:
    """The same group with members that assign among themselves, in the generation they are in."""
    below = Group(group.group_id, limits)
    members = []
    for each in group.members.values():
        assert each.classic is not None
        ask = JoinAsk(
            member_id=each.member_id,
            fresh_member_id=each.member_id,
            instance_id=each.instance_id,
            client_id=each.client_id,
            client_host=each.client_host,
            protocols=each.classic.protocols,
            session_timeout_ms=each.classic.session_timeout_ms,
            rebalance_timeout_ms=each.rebalance_timeout_ms,
        )
        member = Member(ask, each.member_id, now_ms)
        target = group.targets.get(each.member_id, each.assigned)
        member.assignment = assignment_of(each, target, topics)
        members.append(member)
    below.restore(
        # The member that went made the last epoch, which nobody has been told of.
        generation=max(group.epoch - 1, *(each.epoch for each in group.members.values())),
        protocol_type=PROTOCOL_TYPE,
        protocol=select_protocol(members),
        leader_id=members[0].member_id,
        members=members,
    )
    return below
