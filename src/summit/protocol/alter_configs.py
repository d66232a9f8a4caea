"""AlterConfigs: key 33, versions 0-2, flexible from 2.

Behaviour: replaces all configs of a resource by those given; what is not named goes back to its
default.

Versions: 2 flexible.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, BOOL, INT8, INT16, INT32, STRING, Message, field


class AlterableConfig(Message):
    name: str = field(STRING, "0+")
    value: str | None = field(STRING, "0+", nullable="0+")


class AlterConfigsResource(Message):
    resource_type: int = field(INT8, "0+")
    resource_name: str = field(STRING, "0+")
    configs: list[AlterableConfig] = field(ARRAY(AlterableConfig), "0+")


class AlterConfigsRequest(Message):
    resources: list[AlterConfigsResource] = field(ARRAY(AlterConfigsResource), "0+")
    validate_only: bool = field(BOOL, "0+", default=False)


class AlterConfigsResourceResponse(Message):
    error_code: int = field(INT16, "0+")
    error_message: str | None = field(STRING, "0+", nullable="0+", default=None)
    resource_type: int = field(INT8, "0+")
    resource_name: str = field(STRING, "0+")


class AlterConfigsResponse(Message):
    throttle_time_ms: int = field(INT32, "0+", default=0)
    responses: list[AlterConfigsResourceResponse] = field(ARRAY(AlterConfigsResourceResponse), "0+")


ALTER_CONFIGS = Api(
    key=33,
    name="AlterConfigs",
    versions="0-2",
    flexible="2+",
    request=AlterConfigsRequest,
    response=AlterConfigsResponse,
)
