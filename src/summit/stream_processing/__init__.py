"""The guide's stream processing package: the embedded broker, producer, consumer, their data.

Example (see the guide for more):

    broker = MessageBroker(port=0, data_dir="/tmp/stream-data")
    await broker.start()
    await broker.create_topic(TopicConfig(name="intelligence-events", partitions=6))
    producer = StreamProducer(ProducerConfig(client_id="intel-producer"))
    await producer.connect(broker)
    result = await producer.send({"topic": "intelligence-events", "key": "k", "value": "v"})
"""

from summit.client import (
    Admin,
    AdminConfig,
    ClientSecurity,
    ConsumerConfig,
    ConsumerRecord,
    GroupDescription,
    GroupMember,
    Headers,
    OffsetCommitRequest,
    Partition,
    PartitionMetadata,
    ProducerConfig,
    ProducerRecord,
    ProducerResult,
    StreamConsumer,
    StreamMessage,
    StreamProducer,
    TopicConfig,
    TopicCreated,
    TopicMetadata,
    TopicPartition,
)
from summit.operators.processes import Context, Process
from summit.operators.stream import KeyedStream, Stream, Table
from summit.operators.windows import Windowed, hopping, session, tumbling
from summit.serde import (
    AvroSerde,
    BytesSerde,
    Deserializer,
    JsonSchemaSerde,
    JsonSerde,
    MsgpackSerde,
    ProtobufSerde,
    Schema,
    SchemaReference,
    SchemaRegistry,
    SchemaRegistryConfig,
    SerializationFormat,
    Serializer,
    StringSerde,
)
from summit.stream_processing.back_end import BackupMade
from summit.stream_processing.broker import MessageBroker
from summit.stream_processing.embedded import EmbeddedBroker
from summit.stream_processing.followers import Follower
from summit.stream_processing.metrics import StreamMetrics
from summit.stream_processing.partitions import PartitionManager
from summit.stream_processing.replication import ReplicationManager
from summit.stream_processing.replication_settings import ReplicationConfig
from summit.stream_processing.settings import BrokerConfig
from summit.stream_processing.storage import StorageEngine
from summit.stream_processing.storage_settings import StorageConfig
from summit.stream_processing.topics import TopicManager
from summit.streams.app import StreamApp

__all__ = [
    "Admin",
    "AdminConfig",
    "AvroSerde",
    "BackupMade",
    "BrokerConfig",
    "BytesSerde",
    "ClientSecurity",
    "ConsumerConfig",
    "ConsumerRecord",
    "Deserializer",
    "Context",
    "EmbeddedBroker",
    "Follower",
    "GroupDescription",
    "GroupMember",
    "Headers",
    "JsonSchemaSerde",
    "JsonSerde",
    "KeyedStream",
    "MessageBroker",
    "MsgpackSerde",
    "OffsetCommitRequest",
    "Partition",
    "PartitionMetadata",
    "PartitionManager",
    "Process",
    "ProducerConfig",
    "ProducerRecord",
    "ProducerResult",
    "ProtobufSerde",
    "ReplicationConfig",
    "ReplicationManager",
    "Schema",
    "SchemaReference",
    "SchemaRegistry",
    "SchemaRegistryConfig",
    "SerializationFormat",
    "Serializer",
    "StorageConfig",
    "StorageEngine",
    "Stream",
    "StreamApp",
    "StreamConsumer",
    "StreamMessage",
    "StreamMetrics",
    "StreamProducer",
    "StringSerde",
    "Table",
    "TopicConfig",
    "TopicCreated",
    "TopicManager",
    "TopicMetadata",
    "TopicPartition",
    "Windowed",
    "hopping",
    "session",
    "tumbling",
]
