"""Producer, consumer and admin over librdkafka: how every room reaches a Kafka-protocol broker."""

from summit.client.admin import Admin, ConfigValue, GroupDescription, GroupMember
from summit.client.consumer import StreamConsumer
from summit.client.group_resets import OffsetReset, plan_reset
from summit.client.log_reader import LogReader
from summit.client.producer import StreamProducer
from summit.client.settings import AdminConfig, ConsumerConfig, ProducerConfig
from summit.client.topics import TopicConfig, TopicCreated
from summit.client.types import (
    NO_HEADERS,
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
)

__all__ = [
    "NO_HEADERS",
    "Admin",
    "AdminConfig",
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
    "StreamMessage",
    "StreamProducer",
    "TopicConfig",
    "TopicCreated",
    "TopicMetadata",
    "TopicPartition",
    "plan_reset",
]
