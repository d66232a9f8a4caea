"""The admin clients of confluent-kafka, kafka-python and aiokafka, unmodified, and our broker."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)
from tests.interop.processes import BrokerProcess
from tests.interop.test_confluent import consumer, produce, take

with warnings.catch_warnings():  # it reads its schemas in a way that Python 3.11 deprecates
    warnings.simplefilter("ignore", DeprecationWarning)
    import kafka
    from kafka import admin as kafka_admin

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def admin(broker: BrokerProcess) -> AdminClient:
    return AdminClient({"bootstrap.servers": broker.address})


def done(futures: dict[Any, Any]) -> Any:
    (future,) = futures.values()
    return future.result(10)


def values(admin: AdminClient, kind: ResourceType, name: str) -> dict[str, ConfigEntry]:
    found: dict[str, ConfigEntry] = done(admin.describe_configs([ConfigResource(kind, name)]))
    return found


class TestConfluent:
    def test_partitions(self, broker: BrokerProcess, admin: AdminClient, topic: str) -> None:
        done(admin.create_topics([NewTopic(topic, 1)]))
        produce(broker, topic, 10)
        done(admin.create_partitions([NewPartitions(topic, 3)]))
        metadata = admin.list_topics(topic, timeout=5)
        assert sorted(metadata.topics[topic].partitions) == [0, 1, 2]
        produce(broker, topic, 100)
        latest = {TopicPartition(topic, index): OffsetSpec.latest() for index in range(3)}
        ends = [each.result(5).offset for each in admin.list_offsets(latest).values()]
        assert sum(ends) == 110
        assert all(ends), "every partition got records"

    def test_configs(self, admin: AdminClient, topic: str) -> None:
        done(admin.create_topics([NewTopic(topic, 1, config={"segment.ms": "7000"})]))
        entry = ConfigEntry("retention.ms", "5000", incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
        done(admin.incremental_alter_configs([resource]))
        found = values(admin, ResourceType.TOPIC, topic)
        assert (found["retention.ms"].value, found["segment.ms"].value) == ("5000", "7000")
        assert not found["retention.ms"].is_default
        assert "log.retention.ms" in found["retention.ms"].synonyms
        legacy = ConfigResource(ResourceType.TOPIC, topic, set_config={"retention.ms": "6000"})
        with pytest.deprecated_call():
            done(admin.alter_configs([legacy]))
        found = values(admin, ResourceType.TOPIC, topic)
        assert (found["retention.ms"].value, found["segment.ms"].is_default) == ("6000", True)
        assert values(admin, ResourceType.BROKER, "1")["num.partitions"].value == "4"

    def test_records(self, broker: BrokerProcess, admin: AdminClient, topic: str) -> None:
        done(admin.create_topics([NewTopic(topic, 1)]))
        produce(broker, topic, 10)
        deleted = done(admin.delete_records([TopicPartition(topic, 0, 4)]))
        assert deleted.low_watermark == 4
        one = consumer(broker, f"{topic}-group")
        one.subscribe([topic])
        assert [message.offset() for message in take(one, 6)] == [4, 5, 6, 7, 8, 9]
        one.close()

    def test_groups(
        self, broker: BrokerProcess, admin: AdminClient, topic: str, group: str
    ) -> None:
        done(admin.create_topics([NewTopic(topic, 1)]))
        produce(broker, topic, 10)
        one = consumer(broker, group)
        one.subscribe([topic])
        assert len(take(one, 10)) == 10
        one.commit(asynchronous=False)
        with pytest.raises(Exception, match="NON_EMPTY_GROUP"):
            done(admin.delete_consumer_groups([group]))
        one.close()
        moved = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, 3)])
        done(admin.alter_consumer_group_offsets([moved]))
        listed = done(admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)]))
        assert [part.offset for part in listed.topic_partitions] == [3]
        done(admin.delete_consumer_groups([group]))
        with pytest.raises(Exception, match="GROUP_ID_NOT_FOUND"):
            done(admin.delete_consumer_groups([group]))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
class TestKafkaPython:
    @pytest.fixture
    def client(self, broker: BrokerProcess) -> Iterator[Any]:
        client = kafka_admin.KafkaAdminClient(bootstrap_servers=broker.address)
        yield client
        client.close()
        gc.collect()  # it leaves socket pairs to the collector

    def test_topics_and_records(self, broker: BrokerProcess, client: Any, topic: str) -> None:
        client.create_topics([kafka_admin.NewTopic(topic, 1, 1)])
        produce(broker, topic, 10)
        client.create_partitions({topic: kafka_admin.NewPartitions(3)})
        (described,) = client.describe_topics([topic])
        assert len(described["partitions"]) == 3
        where = kafka.TopicPartition(topic, 0)
        assert client.delete_records({where: 5})[where]["low_watermark"] == 5
        dirs = client.describe_log_dirs()
        assert topic in str(dirs)

    def test_groups(self, broker: BrokerProcess, client: Any, topic: str, group: str) -> None:
        produce(broker, topic, 5)
        one = consumer(broker, group)
        one.subscribe([topic])
        take(one, 5)
        one.commit(asynchronous=False)
        one.close()
        assert group in str(client.list_groups())
        assert "Empty" in str(client.describe_groups([group]))
        assert client.delete_groups([group])
        assert group not in str(client.list_groups())


class TestAiokafka:
    def test_admin(self, broker: BrokerProcess, topic: str) -> None:
        from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
        from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
        from aiokafka.structs import TopicPartition

        async def go() -> None:
            client = AIOKafkaAdminClient(bootstrap_servers=broker.address)
            await client.start()
            try:
                await client.create_topics([NewTopic(topic, 1, 1)])
                await client.create_partitions({topic: NewPartitions(2)})
                (described,) = await client.describe_topics([topic])
                assert len(described["partitions"]) == 2
                resource = ConfigResource(
                    ConfigResourceType.TOPIC, topic, configs={"retention.ms": "5000"}
                )
                await client.alter_configs([resource])
                asked = ConfigResource(ConfigResourceType.TOPIC, topic)
                assert "5000" in str(await client.describe_configs([asked]))
                await asyncio.to_thread(produce, broker, topic, 10)
                await client.delete_records({TopicPartition(topic, 0): _to(1)})
            finally:
                await client.close()

        asyncio.run(go())


def _to(offset: int) -> Any:
    from aiokafka.admin import RecordsToDelete

    return RecordsToDelete(before_offset=offset)
