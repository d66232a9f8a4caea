"""DeleteAcls: key 31, versions 1-3, flexible from 2.

Behaviour: deletes the entries that any of the filters matches, and names them.
Versions: 1 pattern types · 2 flexible · 3 user resources.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, INT8, INT16, INT32, STRING, Message, field


class DeleteAclsFilter(Message):
    resource_type_filter: int = field(INT8, "0+")
    resource_name_filter: str | None = field(STRING, "0+", nullable="0+")
    pattern_type_filter: int = field(INT8, "1+", default=3)
    principal_filter: str | None = field(STRING, "0+", nullable="0+")
    host_filter: str | None = field(STRING, "0+", nullable="0+")
    operation: int = field(INT8, "0+")
    permission_type: int = field(INT8, "0+")


class DeleteAclsRequest(Message):
    filters: list[DeleteAclsFilter] = field(ARRAY(DeleteAclsFilter), "0+")


class DeleteAclsMatchingAcl(Message):
    error_code: int = field(INT16, "0+")
    error_message: str | None = field(STRING, "0+", nullable="0+", default=None)
    resource_type: int = field(INT8, "0+")
    resource_name: str = field(STRING, "0+")
    pattern_type: int = field(INT8, "1+", default=3)
    principal: str = field(STRING, "0+")
    host: str = field(STRING, "0+")
    operation: int = field(INT8, "0+")
    permission_type: int = field(INT8, "0+")


class DeleteAclsFilterResult(Message):
    error_code: int = field(INT16, "0+")
    error_message: str | None = field(STRING, "0+", nullable="0+", default=None)
    matching_acls: list[DeleteAclsMatchingAcl] = field(ARRAY(DeleteAclsMatchingAcl), "0+")


class DeleteAclsResponse(Message):
    throttle_time_ms: int = field(INT32, "0+", default=0)
    filter_results: list[DeleteAclsFilterResult] = field(ARRAY(DeleteAclsFilterResult), "0+")


DELETE_ACLS = Api(
    key=31,
    name="DeleteAcls",
    versions="1-3",
    flexible="2+",
    request=DeleteAclsRequest,
    response=DeleteAclsResponse,
)
