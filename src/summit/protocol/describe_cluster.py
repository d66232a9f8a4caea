"""DescribeCluster: key 60, versions 0-2, flexible from 0.

Behaviour: `endpoint_type` 1 asks for brokers, 2 for controllers.

Versions: 1 endpoint type · 2 fenced brokers.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, BOOL, INT8, INT16, INT32, STRING, Message, field
from summit.protocol.metadata import OPERATIONS_NOT_ASKED


class DescribeClusterRequest(Message):
    include_cluster_authorized_operations: bool = field(BOOL, "0+", default=False)
    endpoint_type: int = field(INT8, "1+", default=1)
    include_fenced_brokers: bool = field(BOOL, "2+", default=False)


class DescribeClusterBroker(Message):
    broker_id: int = field(INT32, "0+")
    host: str = field(STRING, "0+")
    port: int = field(INT32, "0+")
    rack: str | None = field(STRING, "0+", nullable="0+", default=None)
    is_fenced: bool = field(BOOL, "2+", default=False)


class DescribeClusterResponse(Message):
    throttle_time_ms: int = field(INT32, "0+", default=0)
    error_code: int = field(INT16, "0+")
    error_message: str | None = field(STRING, "0+", nullable="0+", default=None)
    endpoint_type: int = field(INT8, "1+", default=1)
    cluster_id: str = field(STRING, "0+")
    controller_id: int = field(INT32, "0+", default=-1)
    brokers: list[DescribeClusterBroker] = field(ARRAY(DescribeClusterBroker), "0+")
    cluster_authorized_operations: int = field(INT32, "0+", default=OPERATIONS_NOT_ASKED)


DESCRIBE_CLUSTER = Api(
    key=60,
    name="DescribeCluster",
    versions="0-2",
    flexible="0+",
    request=DescribeClusterRequest,
    response=DescribeClusterResponse,
)
