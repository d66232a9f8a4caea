"""IncrementalAlterConfigs: key 44, versions 0-1, flexible from 1.

Behaviour: changes only what is named; `config_operation` is 0 set, 1 delete, 2 append, 3 subtract
(the last two for lists).

Versions: 1 flexible.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, BOOL, INT8, INT16, INT32, STRING, Message, field


class AlterableConfig(Message):
    name: str = field(STRING, "0+")
    config_operation: int = field(INT8, "0+")
    value: str | None = field(STRING, "0+", nullable="0+")


class AlterConfigsResource(Message):
    resource_type: int = field(INT8, "0+")
    resource_name: str = field(STRING, "0+")
    configs: list[AlterableConfig] = field(ARRAY(AlterableConfig), "0+")


class IncrementalAlterConfigsRequest(Message):
    resources: list[AlterConfigsResource] = field(ARRAY(AlterConfigsResource), "0+")
    validate_only: bool = field(BOOL, "0+", default=False)


class AlterConfigsResourceResponse(Message):
    error_code: int = field(INT16, "0+")
    error_message: str | None = field(STRING, "0+", nullable="0+", default=None)
    resource_type: int = field(INT8, "0+")
    resource_name: str = field(STRING, "0+")


class IncrementalAlterConfigsResponse(Message):
    throttle_time_ms: int = field(INT32, "0+", default=0)
    responses: list[AlterConfigsResourceResponse] = field(ARRAY(AlterConfigsResourceResponse), "0+")


INCREMENTAL_ALTER_CONFIGS = Api(
    key=44,
    name="IncrementalAlterConfigs",
    versions="0-1",
    flexible="1+",
    request=IncrementalAlterConfigsRequest,
    response=IncrementalAlterConfigsResponse,
)
