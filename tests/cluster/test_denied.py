"""A topic that a worker may not write to: what is for it is lost, counted and told; nothing else.

make test-faults
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from tests.clusters import CONFIGS
from tests.flow.world import failure, five_failures, read_topic, until, world

from summit.client import ClusterAdmin, TopicConfig
from summit.cluster import KafkaCluster

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(600)]
AUTHORIZER = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "true",
}


def deny_writing(servers: str, topic: str) -> None:
    """Nobody may write to it; everybody may do the rest."""
    admin = AdminClient({"bootstrap.servers": servers})
    rules = [
        AclBinding(
            ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, "User:ANONYMOUS", "*", *rule
        )
        for rule in (
            (AclOperation.ALL, AclPermissionType.ALLOW),
            (AclOperation.WRITE, AclPermissionType.DENY),
        )
    ]
    for done in admin.create_acls(rules).values():
        done.result()


def test_what_is_for_a_denied_topic_takes_no_other_along(tmp_path: Path) -> None:
    async def run() -> None:
        async with KafkaCluster(tmp_path, brokers=1, configs={**CONFIGS, **AUTHORIZER}) as kafka:
            servers = kafka.bootstrap_servers
            async with ClusterAdmin({"bootstrapServers": servers}) as admin:
                await admin.create_topic(TopicConfig(name="denied", partitions=2))
            await asyncio.to_thread(deny_writing, servers, "denied")
            async with world([servers]) as w:
                worker = await w.start_worker()
                rules = [
                    five_failures(name, action={"type": "forward", "config": {"topic": name}})
                    for name in ("allowed", "denied")
                ]
                await w.apply(*rules, five_failures())
                place = await w.send(*(failure(n, ip) for ip in "abc" for n in range(5)))
                assert len(await w.settle(place)) == 3
                records = await read_topic(
                    [servers], "allowed", 15, isolationLevel="read_committed"
                )
                assert len(records) == 15
                await until(lambda: worker.metrics.undeliverable == {"denied": 15})
                assert worker.metrics.restarts == 0

    asyncio.run(run())
