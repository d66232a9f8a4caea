"""The directory of a cluster: what it is made of, and each node's properties.

<directory>/cluster.json          cluster id, brokers, ports
<directory>/node-<id>/            server.properties, pid, kafka.log
<directory>/node-<id>/data/       what Apache Kafka keeps
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from summit.base.errors import Corrupt, Invalid

_STATE: Final = "cluster.json"
_COPIES_MAX: Final = 3
# Ours to set: a cluster with another value of these would not be this one.
_RESERVED: Final = (
    "process.roles", "node.id", "controller.quorum.voters", "listeners", "advertised.listeners",
    "controller.listener.names", "listener.security.protocol.map", "log.dirs", "log.dir",
)  # fmt: skip


class NodePlace(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One node and its two ports."""

    id: int
    port: int
    controller_port: int


class ClusterPlan(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a cluster is made of; `configs` are properties that every node gets."""

    cluster_id: str
    host: str
    nodes: list[NodePlace]
    configs: dict[str, str] = {}

    @property
    def bootstrap_servers(self) -> str:
        """Every broker's address, by commas."""
        return ",".join(f"{self.host}:{node.port}" for node in self.nodes)

    @property
    def voters(self) -> str:
        """Kafka's list of the controllers."""
        return ",".join(f"{n.id}@{self.host}:{n.controller_port}" for n in self.nodes)


def load_plan(directory: Path) -> ClusterPlan | None:
    """The cluster of a directory, or None. Raises Corrupt for a file that is none of ours."""
    file = directory / _STATE
    if not file.exists():
        return None
    try:
        return msgspec.json.decode(file.read_bytes(), type=ClusterPlan)
    except msgspec.DecodeError as error:
        raise Corrupt("cluster.state_unreadable", path=str(file), reason=str(error)) from error


def save_plan(directory: Path, plan: ClusterPlan) -> None:
    """Keep a plan; a reader sees the old one or the new one."""
    fresh = directory / (_STATE + ".new")
    fresh.write_bytes(msgspec.json.encode(plan))
    fresh.replace(directory / _STATE)


def check_configs(configs: Mapping[str, str]) -> None:
    """Refuse properties that only the plan may set. Raises Invalid."""
    for name in configs:
        if name in _RESERVED:
            raise Invalid("cluster.config_reserved", name=name)


def free_ports(host: str, count: int) -> list[int]:
    """Ports that nobody has now; all at once, so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((host, 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def is_free(host: str, port: int) -> bool:
    """Whether a port can be listened on."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError:
            return False
        return True


def properties(plan: ClusterPlan, node: NodePlace, data: Path) -> dict[str, str]:
    """The `server.properties` of one node: controller and broker in one, as small as it can be.

    Copies and the least number in sync are those that lose nothing when one broker dies: three
    and two, where there are three brokers.
    """
    copies = min(_COPIES_MAX, len(plan.nodes))
    least = max(1, copies - 1)
    return {
        "process.roles": "broker,controller",
        "node.id": str(node.id),
        "controller.quorum.voters": plan.voters,
        "controller.listener.names": "CONTROLLER",
        "listeners": (
            f"PLAINTEXT://{plan.host}:{node.port},CONTROLLER://{plan.host}:{node.controller_port}"
        ),
        "advertised.listeners": f"PLAINTEXT://{plan.host}:{node.port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(data),
        "num.partitions": "6",
        "default.replication.factor": str(copies),
        "min.insync.replicas": str(least),
        "offsets.topic.replication.factor": str(copies),
        "offsets.topic.num.partitions": "6",
        "transaction.state.log.replication.factor": str(copies),
        "transaction.state.log.min.isr": str(least),
        "transaction.state.log.num.partitions": "6",
        "share.coordinator.state.topic.replication.factor": str(copies),
        "share.coordinator.state.topic.min.isr": str(least),
        "share.coordinator.state.topic.num.partitions": "6",
        "group.initial.rebalance.delay.ms": "0",
        # Its default is half of a small heap.
        "log.cleaner.dedupe.buffer.size": str(4 << 20),
        "num.network.threads": "2",
        "num.io.threads": "4",
        **plan.configs,
    }


def properties_text(values: Mapping[str, str]) -> str:
    """Properties as a file."""
    return "".join(f"{name}={value}\n" for name, value in values.items())
