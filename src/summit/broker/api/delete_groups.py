"""DeleteGroups: key 42, versions 0-2.

Behaviour: each group succeeds or fails alone: NON_EMPTY_GROUP while it has members,
GROUP_ID_NOT_FOUND when it has neither members nor commits. With a group go its commits; the answer
waits until that is durable.
"""

from __future__ import annotations

import functools

from summit.base.errors import SummitError
from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.protocol import codes
from summit.protocol.delete_groups import (
    DeletableGroupResult,
    DeleteGroupsRequest,
    DeleteGroupsResponse,
)


def handle(state: BrokerState, request: Request, message: DeleteGroupsRequest) -> None:
    """Delete what can be deleted and answer once that is durable."""
    results = [
        DeletableGroupResult(group_id=group_id, error_code=codes.NONE)
        for group_id in message.groups_names
    ]
    waiting = len(results)

    def done(result: DeletableGroupResult, error: int) -> None:
        nonlocal waiting
        result.error_code = error
        waiting -= 1
        if waiting == 0:
            request.reply(DeleteGroupsResponse(results=results))

    if not results:
        request.reply(DeleteGroupsResponse(results=[]))
    for result in results:
        try:
            state.coordinator.delete(result.group_id, functools.partial(done, result))
        except SummitError as error:
            done(result, codes.code_of(error))
