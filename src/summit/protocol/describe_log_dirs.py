"""DescribeLogDirs: key 35, versions 1-5, flexible from 2.

Behaviour: `topics` None asks for every partition.

Versions: 2 flexible · 3 top-level error code · 4 size of the volume · 5 cordoned directories.
"""

from __future__ import annotations

from summit.protocol.api import Api
from summit.protocol.message import ARRAY, BOOL, INT16, INT32, INT64, STRING, Message, field


class DescribableLogDirTopic(Message):
    topic: str = field(STRING, "0+")
    partitions: list[int] = field(ARRAY(INT32), "0+")


class DescribeLogDirsRequest(Message):
    topics: list[DescribableLogDirTopic] | None = field(
        ARRAY(DescribableLogDirTopic), "0+", nullable="0+"
    )


class DescribeLogDirsPartition(Message):
    partition_index: int = field(INT32, "0+")
    partition_size: int = field(INT64, "0+")
    offset_lag: int = field(INT64, "0+")
    is_future_key: bool = field(BOOL, "0+", default=False)


class DescribeLogDirsTopic(Message):
    name: str = field(STRING, "0+")
    partitions: list[DescribeLogDirsPartition] = field(ARRAY(DescribeLogDirsPartition), "0+")


class DescribeLogDirsResult(Message):
    error_code: int = field(INT16, "0+")
    log_dir: str = field(STRING, "0+")
    topics: list[DescribeLogDirsTopic] = field(ARRAY(DescribeLogDirsTopic), "0+")
    total_bytes: int = field(INT64, "4+", default=-1)
    usable_bytes: int = field(INT64, "4+", default=-1)
    is_cordoned: bool = field(BOOL, "5+", default=False)


class DescribeLogDirsResponse(Message):
    throttle_time_ms: int = field(INT32, "0+", default=0)
    error_code: int = field(INT16, "3+", default=0)
    results: list[DescribeLogDirsResult] = field(ARRAY(DescribeLogDirsResult), "0+")


DESCRIBE_LOG_DIRS = Api(
    key=35,
    name="DescribeLogDirs",
    versions="1-5",
    flexible="2+",
    request=DescribeLogDirsRequest,
    response=DescribeLogDirsResponse,
)
