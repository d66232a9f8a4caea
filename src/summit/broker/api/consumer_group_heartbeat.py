"""ConsumerGroupHeartbeat: key 68, versions 0-1.

Behaviour: the one request by which a member of a KIP-848 group joins (epoch 0), stays, learns its
partitions, says what it holds, and leaves (-1, or -2 for a static member that will be back). What
it changes is durable before it is answered. A classic group of consumers is taken over with its
members.
Versions: 0 the broker makes the member's id · 1 the member brings it; topics by regular expression
(RE2), which matches whole names, and only those that the client may describe.
"""

from __future__ import annotations

from collections.abc import Callable

from summit.broker.groups.assignment import from_wire, to_wire
from summit.broker.groups.assignors import ASSIGNORS
from summit.broker.groups.consumer_group import Beat, BeatReply
from summit.broker.groups.consumer_member import JOINING, LEAVING_FOR_A_WHILE
from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.protocol import acls, codes
from summit.protocol.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    HeartbeatAssignment,
)

_MESSAGES = {
    codes.GROUP_ID_NOT_FOUND: "there is no such consumer group",
    codes.UNKNOWN_MEMBER_ID: "the group has no such member",
    codes.FENCED_MEMBER_EPOCH: "the member's epoch is not the group's: join again",
    codes.FENCED_INSTANCE_ID: "another member has this instance id",
    codes.UNRELEASED_INSTANCE_ID: "a member with this instance id has not left",
    codes.GROUP_MAX_SIZE_REACHED: "the group has as many members as it may have",
    codes.INVALID_REGULAR_EXPRESSION: "the topics' pattern is no RE2 expression",
    codes.COORDINATOR_NOT_AVAILABLE: "the change could not be written",
}


def handle(state: BrokerState, request: Request, message: ConsumerGroupHeartbeatRequest) -> None:
    """Hand the heartbeat to its group."""
    fault = _fault(message, request.version)
    if fault:
        _refuse(request, codes.INVALID_REQUEST, fault)
        return
    if message.server_assignor is not None and message.server_assignor not in ASSIGNORS:
        _refuse(request, codes.UNSUPPORTED_ASSIGNOR, f"known are {', '.join(ASSIGNORS)}")
        return
    coordinator = state.coordinator
    if message.member_epoch < JOINING:
        coordinator.leave_consumers(
            message.group_id,
            message.member_id,
            message.instance_id,
            lambda code: _left(request, message, code),
            for_a_while=message.member_epoch == LEAVING_FOR_A_WHILE,
        )
        return
    beat = Beat(
        member_id=message.member_id or coordinator.fresh_member_id(request.client_id or ""),
        epoch=message.member_epoch,
        instance_id=message.instance_id,
        rack_id=message.rack_id,
        client_id=request.client_id or "",
        client_host=f"/{request.connection.peer_host}",
        rebalance_timeout_ms=None
        if message.rebalance_timeout_ms == -1
        else message.rebalance_timeout_ms,
        names=message.subscribed_topic_names,
        pattern=message.subscribed_topic_regex,
        assignor=message.server_assignor,
        owned=None if message.topic_partitions is None else from_wire(message.topic_partitions),
        may_see=_may_see(state, request),
    )
    interval_ms = state.settings.group_consumer_heartbeat_interval_ms
    coordinator.beat(message.group_id, beat, lambda reply: _answer(request, reply, interval_ms))


def _answer(request: Request, reply: BeatReply, interval_ms: int) -> None:
    if reply.error != codes.NONE:
        _refuse(request, reply.error, _MESSAGES.get(reply.error, codes.name_of(reply.error)))
        return
    places = reply.assignment
    request.reply(
        ConsumerGroupHeartbeatResponse(
            error_code=codes.NONE,
            member_id=reply.member_id,
            member_epoch=reply.epoch,
            heartbeat_interval_ms=interval_ms,
            assignment=None
            if places is None
            else HeartbeatAssignment(topic_partitions=to_wire(places)),
        )
    )


def _left(request: Request, message: ConsumerGroupHeartbeatRequest, code: int) -> None:
    if code != codes.NONE:
        _refuse(request, code, _MESSAGES.get(code, codes.name_of(code)))
        return
    request.reply(
        ConsumerGroupHeartbeatResponse(
            error_code=codes.NONE,
            member_id=message.member_id,
            member_epoch=message.member_epoch,
        )
    )


def _refuse(request: Request, code: int, text: str) -> None:
    request.reply(ConsumerGroupHeartbeatResponse(error_code=code, error_message=text))


def _may_see(state: BrokerState, request: Request) -> Callable[[str], bool] | None:
    access = None if state.guard is None else state.security.access(request.connection)
    return None if access is None else lambda name: access.topic(acls.DESCRIBE, name)


def _fault(message: ConsumerGroupHeartbeatRequest, version: int) -> str:
    """What is wrong with the request whatever the group is; empty when nothing is."""
    epoch = message.member_epoch
    if not message.group_id:
        return "the group id must not be empty"
    if message.instance_id == "":
        return "the instance id must not be empty"
    if message.rack_id == "":
        return "the rack id must not be empty"
    if not message.member_id and (epoch != JOINING or version >= 1):
        return "the member id must not be empty"
    if epoch < LEAVING_FOR_A_WHILE:
        return "the member epoch is below -2"
    if epoch == LEAVING_FOR_A_WHILE and message.instance_id is None:
        return "only a member with an instance id may leave for a while"
    if epoch == JOINING:
        if message.rebalance_timeout_ms == -1:
            return "who joins must say its rebalance time-out"
        if message.topic_partitions is None or message.topic_partitions:
            return "who joins must hold no partitions"
        if message.subscribed_topic_names is None and message.subscribed_topic_regex is None:
            return "who joins must say which topics it reads"
    return ""
