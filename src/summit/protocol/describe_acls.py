"""DescribeAcls: key 29, versions 1-3, flexible from 2.

Behaviour: the entries that a filter matches, by resource; null and ANY match everything.
Versions: 1 pattern types · 2 flexible · 3 user resources.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, INT8, INT16, INT32, STRING, Message, field


class DescribeAclsRequest(Message):
    resource_type_filter: int = field(INT8, "0+")
    resource_name_filter: str | None = field(STRING, "0+", nullable="0+")
    pattern_type_filter: int = field(INT8, "1+", default=3)
    principal_filter: str | None = field(STRING, "0+", nullable="0+")
    host_filter: str | None = field(STRING, "0+", nullable="0+")
    operation: int = field(INT8, "0+")
    permission_type: int = field(INT8, "0+")


class AclDescription(Message):
    principal: str = field(STRING, "0+")
    host: str = field(STRING, "0+")
    operation: int = field(INT8, "0+")
    permission_type: int = field(INT8, "0+")


class DescribeAclsResource(Message):
    resource_type: int = field(INT8, "0+")
    resource_name: str = field(STRING, "0+")
    pattern_type: int = field(INT8, "1+", default=3)
    acls: list[AclDescription] = field(ARRAY(AclDescription), "0+")


class DescribeAclsResponse(Message):
    throttle_time_ms: int = field(INT32, "0+", default=0)
    error_code: int = field(INT16, "0+")
    error_message: str | None = field(STRING, "0+", nullable="0+", default=None)
    resources: list[DescribeAclsResource] = field(ARRAY(DescribeAclsResource), "0+")


DESCRIBE_ACLS = Api(
    key=29,
    name="DescribeAcls",
    versions="1-3",
    flexible="2+",
    request=DescribeAclsRequest,
    response=DescribeAclsResponse,
)
