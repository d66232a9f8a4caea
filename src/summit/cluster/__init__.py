"""A real Apache Kafka cluster on this machine, for development and tests; nothing is imitated.

Start at `KafkaCluster` (a few combined controllers and brokers in one directory) and
`find_distribution` (where Apache Kafka's jars are, or how they come here). For production, run
Apache Kafka as its own documentation says; Summit needs only its address.
"""

from summit.cluster.cluster import ClusterStatus, KafkaCluster
from summit.cluster.distribution import KAFKA_VERSION, Distribution, find_distribution
from summit.cluster.node import NodeStatus

__all__ = [
    "KAFKA_VERSION",
    "ClusterStatus",
    "Distribution",
    "KafkaCluster",
    "NodeStatus",
    "find_distribution",
]
