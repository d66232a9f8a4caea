"""CreateAcls: key 30, versions 1-3, flexible from 2.

Behaviour: each entry is made or refused alone.
Versions: 1 pattern types · 2 flexible · 3 user resources.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, INT8, INT16, INT32, STRING, Message, field


class AclCreation(Message):
    resource_type: int = field(INT8, "0+")
    resource_name: str = field(STRING, "0+")
    resource_pattern_type: int = field(INT8, "1+", default=3)
    principal: str = field(STRING, "0+")
    host: str = field(STRING, "0+")
    operation: int = field(INT8, "0+")
    permission_type: int = field(INT8, "0+")


class CreateAclsRequest(Message):
    creations: list[AclCreation] = field(ARRAY(AclCreation), "0+")


class AclCreationResult(Message):
    error_code: int = field(INT16, "0+")
    error_message: str | None = field(STRING, "0+", nullable="0+", default=None)


class CreateAclsResponse(Message):
    throttle_time_ms: int = field(INT32, "0+", default=0)
    results: list[AclCreationResult] = field(ARRAY(AclCreationResult), "0+")


CREATE_ACLS = Api(
    key=30,
    name="CreateAcls",
    versions="1-3",
    flexible="2+",
    request=CreateAclsRequest,
    response=CreateAclsResponse,
)
