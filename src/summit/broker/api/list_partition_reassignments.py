"""ListPartitionReassignments: key 46, version 0.

Behaviour: none is ever under way.
"""

from __future__ import annotations

from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.protocol import codes
from summit.protocol.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
)


def handle(
    state: BrokerState, request: Request, message: ListPartitionReassignmentsRequest
) -> None:
    """List nothing."""
    request.reply(ListPartitionReassignmentsResponse(error_code=codes.NONE, topics=[]))
