"""DescribeConfigs: key 32, versions 1-4, flexible from 4.

Behaviour: `configuration_keys` None asks for every config; each comes with where its value is
from and, when asked, with its synonyms.

Versions: 3 documentation and config type · 4 flexible.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, BOOL, INT8, INT16, INT32, STRING, Message, field


class DescribeConfigsResource(Message):
    resource_type: int = field(INT8, "0+")
    resource_name: str = field(STRING, "0+")
    configuration_keys: list[str] | None = field(ARRAY(STRING), "0+", nullable="0+")


class DescribeConfigsRequest(Message):
    resources: list[DescribeConfigsResource] = field(ARRAY(DescribeConfigsResource), "0+")
    include_synonyms: bool = field(BOOL, "1+", default=False)
    include_documentation: bool = field(BOOL, "3+", default=False)


class DescribeConfigsSynonym(Message):
    name: str = field(STRING, "1+")
    value: str | None = field(STRING, "1+", nullable="1+")
    source: int = field(INT8, "1+")


class DescribeConfigsResourceResult(Message):
    name: str = field(STRING, "0+")
    value: str | None = field(STRING, "0+", nullable="0+")
    read_only: bool = field(BOOL, "0+")
    config_source: int = field(INT8, "1+", default=-1)
    is_sensitive: bool = field(BOOL, "0+")
    synonyms: list[DescribeConfigsSynonym] = field(
        ARRAY(DescribeConfigsSynonym), "1+", default_factory=list
    )
    config_type: int = field(INT8, "3+", default=0)
    documentation: str | None = field(STRING, "3+", nullable="3+", default=None)


class DescribeConfigsResult(Message):
    error_code: int = field(INT16, "0+")
    error_message: str | None = field(STRING, "0+", nullable="0+", default=None)
    resource_type: int = field(INT8, "0+")
    resource_name: str = field(STRING, "0+")
    configs: list[DescribeConfigsResourceResult] = field(ARRAY(DescribeConfigsResourceResult), "0+")


class DescribeConfigsResponse(Message):
    throttle_time_ms: int = field(INT32, "0+", default=0)
    results: list[DescribeConfigsResult] = field(ARRAY(DescribeConfigsResult), "0+")


DESCRIBE_CONFIGS = Api(
    key=32,
    name="DescribeConfigs",
    versions="1-4",
    flexible="4+",
    request=DescribeConfigsRequest,
    response=DescribeConfigsResponse,
)
