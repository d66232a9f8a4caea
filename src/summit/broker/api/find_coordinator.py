"""FindCoordinator: key 10, versions 0-6.

Behaviour: this broker coordinates every group and every transaction. Versions 0-3 ask for one key,
4+ for several.
Deviations: share groups are not served yet: they are refused with INVALID_REQUEST.
"""

from __future__ import annotations

from typing import Final

from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.protocol import codes
from summit.protocol.find_coordinator import (
    Coordinator,
    FindCoordinatorRequest,
    FindCoordinatorResponse,
)

_GROUP: Final = 0
_TRANSACTION: Final = 1
_NOT_BUILT: Final = "share groups are not available yet"


def handle(state: BrokerState, request: Request, message: FindCoordinatorRequest) -> None:
    """Name this broker for every group and transactional id."""
    node, host, port = -1, "", -1
    error, text = codes.NONE, None
    if message.key_type in (_GROUP, _TRANSACTION):
        node = state.broker_id
        host, port = state.endpoint(request.connection)
    else:
        text = _NOT_BUILT
        error = codes.INVALID_REQUEST
    if request.version < 4:
        answer = FindCoordinatorResponse(
            error_code=error, error_message=text, node_id=node, host=host, port=port
        )
    else:
        answer = FindCoordinatorResponse(
            coordinators=[
                Coordinator(
                    key=key,
                    node_id=node,
                    host=host,
                    port=port,
                    error_code=error,
                    error_message=text,
                )
                for key in message.coordinator_keys
            ]
        )
    request.reply(answer)
