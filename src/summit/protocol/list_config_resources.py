"""ListConfigResources: key 74, versions 0-1, flexible.

Behaviour: version 0 lists client metrics only; from 1 `resource_types` filters, empty means all
types.

Versions: 1 resource types.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, INT8, INT16, INT32, STRING, Message, field


class ListConfigResourcesRequest(Message):
    resource_types: list[int] = field(ARRAY(INT8), "1+", default_factory=list)


class ConfigResource(Message):
    resource_name: str = field(STRING, "0+")
    resource_type: int = field(INT8, "1+", default=16)


class ListConfigResourcesResponse(Message):
    throttle_time_ms: int = field(INT32, "0+", default=0)
    error_code: int = field(INT16, "0+")
    config_resources: list[ConfigResource] = field(ARRAY(ConfigResource), "0+")


LIST_CONFIG_RESOURCES = Api(
    key=74,
    name="ListConfigResources",
    versions="0-1",
    flexible="0+",
    request=ListConfigResourcesRequest,
    response=ListConfigResourcesResponse,
)
