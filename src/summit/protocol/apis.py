"""The table of all APIs whose messages we can read and write, by key.

What a broker serves is its own choice among these; `served` checks a key and a version.
"""

from __future__ import annotations

from typing import Any, Final

from summit.base.errors import Invalid
from summit.protocol.add_offsets_to_txn import ADD_OFFSETS_TO_TXN
from summit.protocol.add_partitions_to_txn import ADD_PARTITIONS_TO_TXN
from summit.protocol.alter_configs import ALTER_CONFIGS
from summit.protocol.alter_user_scram_credentials import ALTER_USER_SCRAM_CREDENTIALS
from summit.protocol.api import Api
from summit.protocol.api_versions import API_VERSIONS
from summit.protocol.consumer_group_describe import CONSUMER_GROUP_DESCRIBE
from summit.protocol.consumer_group_heartbeat import CONSUMER_GROUP_HEARTBEAT
from summit.protocol.create_acls import CREATE_ACLS
from summit.protocol.create_partitions import CREATE_PARTITIONS
from summit.protocol.create_topics import CREATE_TOPICS
from summit.protocol.delete_acls import DELETE_ACLS
from summit.protocol.delete_groups import DELETE_GROUPS
from summit.protocol.delete_records import DELETE_RECORDS
from summit.protocol.delete_topics import DELETE_TOPICS
from summit.protocol.describe_acls import DESCRIBE_ACLS
from summit.protocol.describe_cluster import DESCRIBE_CLUSTER
from summit.protocol.describe_configs import DESCRIBE_CONFIGS
from summit.protocol.describe_groups import DESCRIBE_GROUPS
from summit.protocol.describe_log_dirs import DESCRIBE_LOG_DIRS
from summit.protocol.describe_producers import DESCRIBE_PRODUCERS
from summit.protocol.describe_quorum import DESCRIBE_QUORUM
from summit.protocol.describe_topic_partitions import DESCRIBE_TOPIC_PARTITIONS
from summit.protocol.describe_transactions import DESCRIBE_TRANSACTIONS
from summit.protocol.describe_user_scram_credentials import DESCRIBE_USER_SCRAM_CREDENTIALS
from summit.protocol.elect_leaders import ELECT_LEADERS
from summit.protocol.end_txn import END_TXN
from summit.protocol.fetch import FETCH
from summit.protocol.find_coordinator import FIND_COORDINATOR
from summit.protocol.heartbeat import HEARTBEAT
from summit.protocol.incremental_alter_configs import INCREMENTAL_ALTER_CONFIGS
from summit.protocol.init_producer_id import INIT_PRODUCER_ID
from summit.protocol.join_group import JOIN_GROUP
from summit.protocol.leave_group import LEAVE_GROUP
from summit.protocol.list_config_resources import LIST_CONFIG_RESOURCES
from summit.protocol.list_groups import LIST_GROUPS
from summit.protocol.list_offsets import LIST_OFFSETS
from summit.protocol.list_transactions import LIST_TRANSACTIONS
from summit.protocol.metadata import METADATA
from summit.protocol.offset_commit import OFFSET_COMMIT
from summit.protocol.offset_delete import OFFSET_DELETE
from summit.protocol.offset_fetch import OFFSET_FETCH
from summit.protocol.offset_for_leader_epoch import OFFSET_FOR_LEADER_EPOCH
from summit.protocol.produce import PRODUCE
from summit.protocol.sasl_authenticate import SASL_AUTHENTICATE
from summit.protocol.sasl_handshake import SASL_HANDSHAKE
from summit.protocol.sync_group import SYNC_GROUP
from summit.protocol.txn_offset_commit import TXN_OFFSET_COMMIT
from summit.protocol.write_txn_markers import WRITE_TXN_MARKERS

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
    SASL_HANDSHAKE,
    API_VERSIONS,
    CREATE_TOPICS,
    DELETE_TOPICS,
    DELETE_RECORDS,
    INIT_PRODUCER_ID,
    OFFSET_FOR_LEADER_EPOCH,
    ADD_PARTITIONS_TO_TXN,
    ADD_OFFSETS_TO_TXN,
    END_TXN,
    WRITE_TXN_MARKERS,
    TXN_OFFSET_COMMIT,
    DESCRIBE_PRODUCERS,
    DESCRIBE_TRANSACTIONS,
    LIST_TRANSACTIONS,
    DESCRIBE_ACLS,
    CREATE_ACLS,
    DELETE_ACLS,
    DESCRIBE_CONFIGS,
    ALTER_CONFIGS,
    DESCRIBE_LOG_DIRS,
    SASL_AUTHENTICATE,
    CREATE_PARTITIONS,
    DELETE_GROUPS,
    ELECT_LEADERS,
    INCREMENTAL_ALTER_CONFIGS,
    OFFSET_DELETE,
    DESCRIBE_USER_SCRAM_CREDENTIALS,
    ALTER_USER_SCRAM_CREDENTIALS,
    DESCRIBE_QUORUM,
    DESCRIBE_CLUSTER,
    CONSUMER_GROUP_HEARTBEAT,
    CONSUMER_GROUP_DESCRIBE,
    LIST_CONFIG_RESOURCES,
    DESCRIBE_TOPIC_PARTITIONS,
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
