"""The table of all APIs whose messages we can read and write, by key.

What a broker serves is its own choice among these; `served` checks a key and a version.
"""

from __future__ import annotations

from typing import Any, Final

from summit.base.errors import Invalid
from summit.protocol.api import Api
from summit.protocol.api_versions import API_VERSIONS
from summit.protocol.create_topics import CREATE_TOPICS
from summit.protocol.delete_topics import DELETE_TOPICS
from summit.protocol.describe_cluster import DESCRIBE_CLUSTER
from summit.protocol.describe_configs import DESCRIBE_CONFIGS
from summit.protocol.describe_groups import DESCRIBE_GROUPS
from summit.protocol.fetch import FETCH
from summit.protocol.find_coordinator import FIND_COORDINATOR
from summit.protocol.heartbeat import HEARTBEAT
from summit.protocol.init_producer_id import INIT_PRODUCER_ID
from summit.protocol.join_group import JOIN_GROUP
from summit.protocol.leave_group import LEAVE_GROUP
from summit.protocol.list_groups import LIST_GROUPS
from summit.protocol.list_offsets import LIST_OFFSETS
from summit.protocol.metadata import METADATA
from summit.protocol.offset_commit import OFFSET_COMMIT
from summit.protocol.offset_fetch import OFFSET_FETCH
from summit.protocol.produce import PRODUCE
from summit.protocol.sync_group import SYNC_GROUP

_ALL: tuple[Api[Any, Any], ...] = (
    PRODUCE,
    FETCH,
    LIST_OFFSETS,
    METADATA,
    OFFSET_COMMIT,
    OFFSET_FETCH,
    FIND_COORDINATOR,
    JOIN_GROUP,
    HEARTBEAT,
    LEAVE_GROUP,
    SYNC_GROUP,
    DESCRIBE_GROUPS,
    LIST_GROUPS,
    API_VERSIONS,
    CREATE_TOPICS,
    DELETE_TOPICS,
    INIT_PRODUCER_ID,
    DESCRIBE_CONFIGS,
    DESCRIBE_CLUSTER,
)

APIS: Final[dict[int, Api[Any, Any]]] = {api.key: api for api in _ALL}


def served(key: int, version: int) -> Api[Any, Any]:
    """The API of a key, when we know the key and the version.

    Raises: Invalid("protocol.unknown_api" | "protocol.unsupported_version"). For ApiVersions
        the caller answers the latter with `frames.unsupported_api_versions`, for all others it
        closes the connection.
    """
    api = APIS.get(key)
    if api is None:
        raise Invalid("protocol.unknown_api", key=key)
    if version not in api.versions:
        raise Invalid("protocol.unsupported_version", api=api.name, version=version)
    return api
