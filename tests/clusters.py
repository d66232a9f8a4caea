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
from pathlib import Path

import pytest

from summit.base.errors import Invalid
from summit.cluster import KafkaCluster

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


def stop_shared_cluster(run_directory: Path) -> None:
    """Stop the run's cluster, if one was started."""
    directory = run_directory / "cluster"
    if (directory / "cluster.json").exists():
        asyncio.run(KafkaCluster(directory).down())
        shutil.rmtree(directory)
