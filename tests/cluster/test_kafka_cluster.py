"""A local cluster's life, by its commands: up, status, down; small, and on its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from summit.base.errors import Conflict, Invalid
from summit.cli.main import root
from summit.client import ClusterAdmin, StreamProducer
from summit.cluster import KafkaCluster
from summit.cluster.layout import ClusterPlan, NodePlace, properties


def run(*arguments: str) -> Any:
    result = CliRunner().invoke(root, ["cluster", *arguments, "-o", "json"])
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.stdout)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that waits to be buried by its parent does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


@pytest.mark.slow
@pytest.mark.cluster
def test_the_commands(tmp_path: Path) -> None:
    place = ("--data-dir", str(tmp_path / "kafka"))
    status = run("up", "--brokers", "1", "-c", "num.partitions=4", *place)
    (node,) = status["nodes"]
    try:
        assert (status["liveBrokers"], status["controller"]) == ([1], 1)
        assert run("status", *place)["nodes"] == [node]
        assert run("up", *place)["nodes"] == [node], "it runs already"

        async def write() -> None:
            async with ClusterAdmin({"bootstrapServers": status["bootstrapServers"]}) as admin:
                assert (await admin.create_topic({"name": "kept"})).partitions == 4
            async with StreamProducer({"bootstrapServers": status["bootstrapServers"]}) as writer:
                await writer.send({"topic": "kept", "partition": 0, "value": "x"})

        asyncio.run(write())
        with pytest.raises(Conflict) as caught:
            asyncio.run(KafkaCluster(tmp_path / "kafka", brokers=3).up())
        assert caught.value.code == "cluster.other_size"

        os.kill(node["pid"], signal.SIGKILL)
        while run("status", *place)["nodes"][0]["pid"] is not None:
            time.sleep(0.05)
        again = run("up", *place)
        assert again["clusterId"] == status["clusterId"]

        async def read() -> int:
            async with ClusterAdmin({"bootstrapServers": again["bootstrapServers"]}) as admin:
                return (await admin.offsets("kept"))[0][1]

        assert asyncio.run(read()) == 1
    finally:
        pids = [each["pid"] for each in run("status", *place)["nodes"] if each["pid"]]
        assert run("down", *place)["killed"] == []
    assert not any(is_alive(pid) for pid in pids)
    assert run("status", *place)["liveBrokers"] is None
    assert run("down", "--delete", *place)["deleted"] is True
    assert not (tmp_path / "kafka").exists()


def test_where_there_is_none(tmp_path: Path) -> None:
    for call in (KafkaCluster(tmp_path).status(), KafkaCluster(tmp_path).down()):
        with pytest.raises(Invalid) as caught:
            asyncio.run(call)
        assert caught.value.code == "cluster.none"


def test_what_cannot_be_asked_for(tmp_path: Path) -> None:
    with pytest.raises(Invalid):
        KafkaCluster(tmp_path, brokers=0)
    with pytest.raises(Invalid) as caught:
        KafkaCluster(tmp_path, configs={"node.id": "7"})
    assert caught.value.code == "cluster.config_reserved"


@pytest.mark.parametrize(
    ("brokers", "copies", "least"), [(1, 1, 1), (2, 2, 1), (3, 3, 2), (5, 3, 2)]
)
def test_copies_survive_one_broker_where_that_can_be(brokers: int, copies: int, least: int) -> None:
    plan = ClusterPlan(
        cluster_id="c", host="127.0.0.1", configs={"num.partitions": "9"},
        nodes=[NodePlace(id=n + 1, port=n, controller_port=90 + n) for n in range(brokers)],
    )  # fmt: skip
    values = properties(plan, plan.nodes[0], Path("data"))
    assert values["default.replication.factor"] == str(copies)
    assert values["min.insync.replicas"] == str(least)
    assert values["transaction.state.log.min.isr"] == str(least)
    assert values["num.partitions"] == "9"
    assert values["controller.quorum.voters"].count("@") == brokers
