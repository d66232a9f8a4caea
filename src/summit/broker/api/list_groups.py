"""ListGroups: key 16, versions 0-5.

Behaviour: every group with members or committed offsets. Filters by state (v4+) and by type (v5+)
ignore case; all groups here are of type classic.
"""

from __future__ import annotations

from typing import Final

from summit.broker.groups.states import State
from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.protocol import codes
from summit.protocol.list_groups import ListedGroup, ListGroupsRequest, ListGroupsResponse

_CLASSIC: Final = "classic"


def handle(state: BrokerState, request: Request, message: ListGroupsRequest) -> None:
    """List what the filters let through."""
    coordinator = state.coordinator
    states = {name.lower() for name in message.states_filter}
    types = {name.lower() for name in message.types_filter}
    listed: list[ListedGroup] = []
    if not types or _CLASSIC in types:
        for group_id in coordinator.group_ids():
            group = coordinator.group(group_id)
            group_state = State.EMPTY.value if group is None else group.state.value
            if states and group_state.lower() not in states:
                continue
            listed.append(
                ListedGroup(
                    group_id=group_id,
                    protocol_type="consumer" if group is None else group.protocol_type or "",
                    group_state=group_state,
                    group_type=_CLASSIC,
                )
            )
    request.reply(ListGroupsResponse(error_code=codes.NONE, groups=listed))
