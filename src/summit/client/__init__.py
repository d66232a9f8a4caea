"""Producer, consumer and admin over librdkafka: how every room reaches a Kafka-protocol broker."""

from summit.client.addresses import format_address, parse_addresses
from summit.client.admin import (
    Admin,
    BrokerNode,
    ClusterAdmin,
    ClusterDescription,
    Commit,
    ConfigValue,
    GroupDescription,
    GroupMember,
    LogDir,
    PartitionState,
    ProducerState,
    Replica,
    TransactionDescription,
    TransactionListing,
    Voter,
    look_pauses_s,
)
from summit.client.asking import ask_each
from summit.client.consumer import StreamConsumer
from summit.client.dead_letters import DeadLetter, DeadLetterError, dead_letter_topic
from summit.client.group_resets import OffsetReset, plan_reset
from summit.client.log_reader import LogReader
from summit.client.observing import ClusterFigures, ClusterObserver
from summit.client.placement import StickyPartitions, keyed_partition
from summit.client.producer import StreamProducer
from summit.client.replaying import Replayed, replay_dead_letters
from summit.client.security import ClientSecurity
from summit.client.settings import AdminConfig, ConsumerConfig, ProducerConfig
from summit.client.topics import TopicConfig, TopicCreated
from summit.client.types import (
    NO_HEADERS,
    Cluster,
    ConsumerRecord,
    Headers,
    OffsetCommitRequest,
    Partition,
    PartitionMetadata,
    ProducerRecord,
    ProducerResult,
    StreamMessage,
    TopicMetadata,
    TopicPartition,
    header_pairs,
)

__all__ = [
    "Cluster",
    "Voter",
    "TransactionListing",
    "TransactionDescription",
    "Replica",
    "ProducerState",
    "PartitionState",
    "LogDir",
    "ClusterDescription",
    "ClientSecurity",
    "ClusterFigures",
    "ClusterObserver",
    "ClusterAdmin",
    "BrokerNode",
    "NO_HEADERS",
    "Admin",
    "AdminConfig",
    "Commit",
    "ConfigValue",
    "ConsumerConfig",
    "ConsumerRecord",
    "GroupDescription",
    "GroupMember",
    "Headers",
    "LogReader",
    "OffsetCommitRequest",
    "OffsetReset",
    "Partition",
    "PartitionMetadata",
    "ProducerConfig",
    "ProducerRecord",
    "ProducerResult",
    "StreamConsumer",
    "StickyPartitions",
    "StreamMessage",
    "StreamProducer",
    "TopicConfig",
    "TopicCreated",
    "TopicMetadata",
    "TopicPartition",
    "ask_each",
    "format_address",
    "dead_letter_topic",
    "replay_dead_letters",
    "DeadLetter",
    "DeadLetterError",
    "Replayed",
    "header_pairs",
    "keyed_partition",
    "look_pauses_s",
    "parse_addresses",
    "plan_reset",
]
