"""`ClusterAdmin`: topics, configs, offsets, groups, directories, transactions, users and the like.

One client for an embedded broker and for a cluster; a file for each noun. Over librdkafka's admin
client where that has a call, over `Wire` where it has none. What a broker cannot do is
`Invalid("client.unsupported")`.
"""

from __future__ import annotations

from summit.client.admin.access import AccessRule, Rules
from summit.client.admin.cluster import BrokerNode, ClusterDescription, Voter, Whole
from summit.client.admin.configs import Configs, ConfigValue
from summit.client.admin.connection import look_pauses_s
from summit.client.admin.groups import Commit, GroupDescription, GroupMember, Groups
from summit.client.admin.log_dirs import LogDir, LogDirs, Replica
from summit.client.admin.offsets import Offsets
from summit.client.admin.partitions import Partitions, PartitionState
from summit.client.admin.transactions import (
    ProducerState,
    TransactionDescription,
    TransactionListing,
    Transactions,
)
from summit.client.admin.users import BrokerUser, Users


class ClusterAdmin(
    Offsets, Partitions, Configs, Groups, Whole, LogDirs, Transactions, Users, Rules
):
    """Asks and changes a cluster; one loop's, from `connect` to `close`. Also `async with`.

    What it changes has reached every living broker when the call returns.

    Args:
        config: An `AdminConfig`, or a mapping with its names.
    """


Admin = ClusterAdmin  # the short name

__all__ = [
    "Admin",
    "AccessRule",
    "BrokerNode",
    "BrokerUser",
    "ClusterAdmin",
    "ClusterDescription",
    "Commit",
    "ConfigValue",
    "GroupDescription",
    "GroupMember",
    "LogDir",
    "PartitionState",
    "ProducerState",
    "Replica",
    "TransactionDescription",
    "TransactionListing",
    "Voter",
    "look_pauses_s",
]
