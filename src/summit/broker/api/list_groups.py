"""ListGroups: key 16, versions 0-5.

Behaviour: every group with members or committed offsets. Filters by state (v4+) and by type (v5+)
ignore case; a group is of type consumer where the broker assigns its partitions, else classic.
"""

from __future__ import annotations

from typing import Final

from summit.broker.groups.coordinator import Coordinator
from summit.broker.groups.states import State
from summit.broker.groups.subscription import PROTOCOL_TYPE
from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.protocol import codes
from summit.protocol.list_groups import ListedGroup, ListGroupsRequest, ListGroupsResponse

_CLASSIC: Final = "classic"
_CONSUMER: Final = "consumer"


def handle(state: BrokerState, request: Request, message: ListGroupsRequest) -> None:
    """List what the filters let through."""
    states = {name.lower() for name in message.states_filter}
    types = {name.lower() for name in message.types_filter}
    listed = [_listed(state.coordinator, name) for name in state.coordinator.group_ids()]
    groups = [
        group
        for group in listed
        if (not types or group.group_type in types)
        and (not states or group.group_state.lower() in states)
    ]
    request.reply(ListGroupsResponse(error_code=codes.NONE, groups=groups))


def _listed(coordinator: Coordinator, group_id: str) -> ListedGroup:
    newer = coordinator.consumers.groups.get(group_id)
    if newer is not None:
        return ListedGroup(
            group_id=group_id,
            protocol_type=PROTOCOL_TYPE,
            group_state=newer.state,
            group_type=_CONSUMER,
        )
    group = coordinator.group(group_id)
    return ListedGroup(
        group_id=group_id,
        protocol_type=PROTOCOL_TYPE if group is None else group.protocol_type or "",
        group_state=State.EMPTY.value if group is None else group.state.value,
        group_type=_CLASSIC,
    )
