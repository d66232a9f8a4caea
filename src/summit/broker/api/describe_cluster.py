"""DescribeCluster: key 60, versions 0-2.

Behaviour: this one broker, which is the controller as well.
"""

from __future__ import annotations

from typing import Final

from summit.broker.operations import ON_CLUSTER
from summit.broker.request import Request
from summit.broker.state import BrokerState
from summit.protocol import codes
from summit.protocol.describe_cluster import (
    DescribeClusterBroker,
    DescribeClusterRequest,
    DescribeClusterResponse,
)
from summit.protocol.metadata import OPERATIONS_NOT_ASKED

_BROKERS: Final = 1
_CONTROLLERS: Final = 2


def handle(state: BrokerState, request: Request, message: DescribeClusterRequest) -> None:
    """Describe the cluster of one."""
    if message.endpoint_type != _BROKERS:
        # A client that asks a broker's listener for controllers has the wrong address.
        is_known = message.endpoint_type == _CONTROLLERS
        request.reply(
            DescribeClusterResponse(
                error_code=(
                    codes.MISMATCHED_ENDPOINT_TYPE if is_known else codes.UNSUPPORTED_ENDPOINT_TYPE
                ),
                error_message="this is a broker's address" if is_known else "no such type",
                cluster_id="",
                brokers=[],
            )
        )
        return
    host, port = state.endpoint(request.connection)
    request.reply(
        DescribeClusterResponse(
            error_code=codes.NONE,
            endpoint_type=message.endpoint_type,
            cluster_id=state.cluster_id,
            controller_id=state.broker_id,
            brokers=[DescribeClusterBroker(broker_id=state.broker_id, host=host, port=port)],
            cluster_authorized_operations=(
                ON_CLUSTER
                if message.include_cluster_authorized_operations
                else OPERATIONS_NOT_ASKED
            ),
        )
    )
