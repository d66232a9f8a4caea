"""A real Apache Kafka cluster of three brokers that all tests of a run share.

Whoever needs it first starts it, under a lock, also where several processes run the tests; the
process that began the run stops it. With SUMMIT_TEST_CLUSTER=host:port,… a cluster is used that
is there already.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from summit.base.errors import Conflict, Invalid
from summit.client import ClusterAdmin
from summit.cluster import KafkaCluster

UNTOUCHED = "_client-"  # how the names of tests begin that share the cluster with others

# What makes tests quick: short sessions, a rebalance at once, a dead broker noticed soon.
CONFIGS = {
    "group.min.session.timeout.ms": "100",
    "broker.heartbeat.interval.ms": "500",
    "broker.session.timeout.ms": "3000",
    "offsets.topic.num.partitions": "3",
    "transaction.state.log.num.partitions": "3",
    "num.partitions": "2",
    "auto.create.topics.enable": "false",
}


def shared_cluster(run_directory: Path) -> str:
    """The addresses of the run's cluster, started when it does not run.

    Args:
        run_directory: A directory that all processes of this test run share.
    """
    given = os.environ.get("SUMMIT_TEST_CLUSTER")
    if given:
        return given
    with (run_directory / "cluster.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        cluster = KafkaCluster(run_directory / "cluster", brokers=3, configs=CONFIGS)
        try:
            return asyncio.run(cluster.up()).bootstrap_servers
        except Invalid as error:
            pytest.skip(f"{error}; {error.advice}")  # no Java, or no Maven


@contextmanager
def empty_cluster(addresses: str, run_directory: Path) -> Iterator[list[str]]:
    """The cluster without topics and groups, for one test at a time of those who ask for that.

    Tests that only use names of their own may run meanwhile; what they made stays.
    """
    with (run_directory / "empty.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        asyncio.run(_empty(addresses))
        yield addresses.split(",")


async def _empty(addresses: str) -> None:
    async with ClusterAdmin({"bootstrapServers": addresses}) as admin:
        for name in await admin.list_topics():
            if not name.startswith(("__", UNTOUCHED)):
                await admin.delete_topic(name)
        async with asyncio.timeout(90):
            for group in await admin.list_groups():
                while group.startswith("summit"):
                    try:
                        await admin.delete_group(group)
                    except Conflict:
                        await asyncio.sleep(0.1)  # a member of the test before has not left yet
                    except Invalid:
                        break
                    else:
                        break


def stop_shared_cluster(run_directory: Path) -> None:
    """Stop the run's cluster, if one was started."""
    directory = run_directory / "cluster"
    if (directory / "cluster.json").exists():
        asyncio.run(KafkaCluster(directory).down())
        shutil.rmtree(directory)
