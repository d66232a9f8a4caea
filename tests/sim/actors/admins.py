"""Programs that make, change, trim and delete topics, and ones that only ask around."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tests.protocol.random_messages import random_message
from tests.sim.actors.actor import AGAIN, Actor, Stage
from tests.sim.actors.client import Lost
from tests.sim.actors.history import Topic
from tests.sim.actors.producers import IdempotentProducer
from tests.sim.actors.readers import Reader

from summit.protocol import codes
from summit.protocol.apis import APIS
from summit.protocol.create_partitions import (
    CREATE_PARTITIONS,
    CreatePartitionsRequest,
    CreatePartitionsTopic,
)
from summit.protocol.create_topics import (
    CREATE_TOPICS,
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from summit.protocol.delete_records import (
    DELETE_RECORDS,
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
)
from summit.protocol.delete_topics import (
    DELETE_TOPICS,
    DeleteTopicsRequest,
    DeleteTopicState,
)
from summit.protocol.incremental_alter_configs import (
    INCREMENTAL_ALTER_CONFIGS,
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from summit.protocol.metadata import METADATA, MetadataRequest, MetadataRequestTopic

# What is asked with random contents: it reads and changes nothing.
_HARMLESS = (2, 3, 10, 12, 15, 16, 18, 23, 32, 35, 60, 61, 65, 66, 74, 75)
_TOPIC = 2  # config resource


class Admin(Actor):
    """Makes topics and finds them again."""

    async def create(self, name: str, partitions: int, configs: dict[str, str]) -> Topic:
        """Make a topic; also if it was made by an attempt that was not answered."""
        topic = CreatableTopic(
            name=name,
            num_partitions=partitions,
            replication_factor=1,
            configs=[CreatableTopicConfig(name=key, value=configs[key]) for key in configs],
        )
        version = self.version(CREATE_TOPICS, 5)
        answer, error = await self.insist(
            CREATE_TOPICS,
            version,
            lambda: CreateTopicsRequest(topics=[topic]),
            lambda answer: int(answer.topics[0].error_code),
        )
        if error not in (codes.NONE, codes.TOPIC_ALREADY_EXISTS):
            raise self.wrong(f"CreateTopics was answered {codes.name_of(error)}")
        topic_id = answer.topics[0].topic_id if error == codes.NONE and version >= 7 else None
        while topic_id is None:
            topic_id = await self.find(name)
        return Topic(name, topic_id, partitions)

    async def find(self, name: str) -> UUID | None:
        """The id of a topic, None when there is none (or when nobody answers)."""
        request = MetadataRequest(
            topics=[MetadataRequestTopic(name=name)], allow_auto_topic_creation=False
        )
        self.doing = f"looking for {name}"
        try:
            answer = await self.client.ask(METADATA, self.version(METADATA, 10), request)
        except Lost:
            await self.sleep_ms(20, 300)
            return None
        found = answer.topics[0]
        return found.topic_id if found.error_code == codes.NONE else None

    async def listed(self) -> dict[UUID, tuple[str, int]]:
        """Every topic there is: id → name, partition count. Raises Lost."""
        self.doing = "listing topics"
        answer = await self.client.ask(
            METADATA, self.version(METADATA, 10), MetadataRequest(topics=None)
        )
        return {
            each.topic_id: (str(each.name), len(each.partitions))
            for each in answer.topics
            if each.error_code == codes.NONE
        }


class TopicMaker(Admin):
    """Makes a topic, writes to it, reads it, deletes it, makes it again under the same name."""

    def __init__(self, stage: Stage, name: str, gone: set[UUID]) -> None:
        super().__init__(stage, name)
        self.gone = gone  # ids of which the deletion was answered
        self._life = 0

    async def run(self) -> None:
        while not self.stage.is_closing:
            self._life += 1
            topic = await self.create(
                f"fleeting-{self.name}", self.chance.randint(1, 3), {"segment.bytes": "1024"}
            )
            if topic.topic_id in self.gone:
                raise self.wrong("a topic made anew has the id of one that was deleted")
            self.history.add_topic(topic)
            writer = FleetingWriter(self.stage, f"{self.name}w{self._life}", [topic])
            await writer.write(self.chance.randint(0, 6))
            await self._check(topic)
            await self.sleep_ms(0, 2_000)
            await self._delete(topic)
            await self.sleep_ms(0, 2_000)

    async def _check(self, topic: Topic) -> None:
        """All that was acknowledged can be read."""
        reader = Reader(self.stage, f"{self.name}r{self._life}", [topic], is_committed=False)
        while True:
            self.doing = f"reading {topic.name}"
            await reader.look()
            missing = [
                cursor
                for cursor in reader.cursors
                if cursor.offset <= max(cursor.place.known, default=-1)
            ]
            if not missing:
                break
        reader.client.close()

    async def _delete(self, topic: Topic) -> None:
        by_id = self.chance.random() < 0.5
        self.doing = f"deleting {topic.name}"
        while True:
            version = self.version(DELETE_TOPICS, 6 if by_id else 1)
            state = DeleteTopicState(
                name=None if by_id else topic.name,
                topic_id=topic.topic_id if by_id else UUID(int=0),
            )
            request = DeleteTopicsRequest(
                topics=[state] if version >= 6 else [],
                topic_names=[topic.name] if version < 6 else [],
                timeout_ms=5_000,
            )
            try:
                answer = await self.client.ask(DELETE_TOPICS, version, request)
                error = answer.responses[0].error_code
                if error == codes.NONE:
                    break
                if error not in AGAIN:
                    raise self.wrong(f"DeleteTopics was answered {codes.name_of(error)}")
                if topic.topic_id not in await self.listed():
                    break
            except Lost:
                self.history.count("lost answers")
            await self.sleep_ms(20, 300)
        self.gone.add(topic.topic_id)
        self.history.count("topics deleted")


class FleetingWriter(IdempotentProducer):
    """Writes to a topic by its id, so that nothing late can reach the next of that name."""

    first_version = 13

    async def write(self, rounds: int) -> None:
        await self._init()
        for _ in range(rounds):
            self._queue(*self.a_place())
            await self._flush()
        self.client.close()


class Trimmer(Actor):
    """Deletes records from the start of partitions."""

    def __init__(self, stage: Stage, name: str, topic: Topic) -> None:
        super().__init__(stage, name)
        self.topic = topic

    async def run(self) -> None:
        while not self.stage.is_closing:
            await self.sleep_ms(100, 3_000)
            place = self.history.place(
                self.topic, self.chance.randrange(self.topic.partition_count)
            )
            offset = self.chance.choice([-1, self.chance.randint(0, place.high)])
            least = place.high if offset == -1 else offset
            part = DeleteRecordsPartition(partition_index=place.index, offset=offset)
            request = DeleteRecordsRequest(
                topics=[DeleteRecordsTopic(name=self.topic.name, partitions=[part])],
                timeout_ms=5_000,
            )
            self.doing = "deleting records"
            try:
                answer = await self.client.ask(
                    DELETE_RECORDS, self.version(DELETE_RECORDS), request
                )
            except Lost:
                continue
            found = answer.topics[0].partitions[0]
            if found.error_code == codes.NONE:
                if found.low_watermark < least:
                    raise self.wrong(f"{found.low_watermark} is left, {least} was asked for")
                place.deleted_to = max(place.deleted_to, least)
                self.history.count("records deleted")
            elif found.error_code not in AGAIN:
                raise self.wrong(f"DeleteRecords: {codes.name_of(found.error_code)}")


class Changer(Actor):
    """Changes configs of topics and adds partitions."""

    def __init__(self, stage: Stage, name: str, topics: list[Topic], grown: Topic) -> None:
        super().__init__(stage, name)
        self.topics = topics
        self.grown = grown

    async def run(self) -> None:
        while not self.stage.is_closing:
            await self.sleep_ms(200, 4_000)
            try:
                if self.chance.random() < 0.3 and self.grown.partition_count < 5:
                    await self._grow()
                else:
                    await self._change()
            except Lost:
                continue

    async def _grow(self) -> None:
        count = self.grown.partition_count + 1
        request = CreatePartitionsRequest(
            topics=[CreatePartitionsTopic(name=self.grown.name, count=count)], timeout_ms=5_000
        )
        self.doing = "adding partitions"
        answer = await self.client.ask(CREATE_PARTITIONS, self.version(CREATE_PARTITIONS), request)
        error = answer.results[0].error_code
        # An attempt that was not answered may have been carried out.
        if error in (codes.NONE, codes.INVALID_PARTITIONS):
            self.grown.partition_count = count
            self.history.add_topic(self.grown)
            self.history.count("partitions added")
        elif error not in AGAIN:
            raise self.wrong(f"CreatePartitions was answered {codes.name_of(error)}")

    async def _change(self) -> None:
        topic = self.chance.choice(self.topics)
        config = AlterableConfig(
            name=self.chance.choice(["segment.bytes", "index.interval.bytes"]),
            config_operation=self.chance.choice([0, 0, 1]),
            value=str(self.chance.choice([1024, 2048, 8192, 100_000])),
        )
        if config.config_operation == 1:
            config.value = None
        resource = AlterConfigsResource(
            resource_type=_TOPIC, resource_name=topic.name, configs=[config]
        )
        self.doing = "changing configs"
        answer = await self.client.ask(
            INCREMENTAL_ALTER_CONFIGS,
            self.version(INCREMENTAL_ALTER_CONFIGS),
            IncrementalAlterConfigsRequest(resources=[resource]),
        )
        error = answer.responses[0].error_code
        if error != codes.NONE and error not in AGAIN:
            raise self.wrong(f"IncrementalAlterConfigs: {codes.name_of(error)}")


class Stranger(Actor):
    """Asks for anything, with any contents; whatever comes, it must not hurt others."""

    async def run(self) -> None:
        while not self.stage.is_closing:
            await self.sleep_ms(10, 1_500)
            api: Any = APIS[self.chance.choice(_HARMLESS)]
            version = self.version(api)
            self.doing = f"asking {api.name}"
            try:
                await self.client.ask(
                    api, version, random_message(api.request, version, self.chance)
                )
            except Lost:
                self.client.close()
            if self.chance.random() < 0.05:
                self.client.close()
