"""`KafkaCluster`: several nodes of Apache Kafka in one directory, started and stopped together."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from summit.base.errors import Conflict, Invalid, SummitError, Unavailable
from summit.base.rand import Rand
from summit.client.admin import ClusterAdmin
from summit.cluster.distribution import Distribution, find_distribution
from summit.cluster.layout import (
    ClusterPlan,
    NodePlace,
    check_configs,
    free_ports,
    is_free,
    load_plan,
    properties,
    properties_text,
    save_plan,
)
from summit.cluster.node import Node, NodeStatus

START_TIMEOUT_S: Final = 180.0
STOP_TIMEOUT_S: Final = 60.0
ASK_TIMEOUT_MS: Final = 5_000
HEAP_MIB: Final = 256
BROKERS: Final = 3
BROKERS_MAX: Final = 9

_PAUSE_S: Final = 0.1
_HOST: Final = "127.0.0.1"
# Few and small processes that start quickly: what they would win in hours matters little here.
_JVM: Final = (
    "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
)  # fmt: skip


class ClusterStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A local cluster at this moment. What the cluster itself does not tell now is None."""

    directory: str
    bootstrap_servers: str
    cluster_id: str
    nodes: list[NodeStatus]
    controller: int | None = None
    live_brokers: list[int] | None = None
    under_replicated_partitions: int | None = None
    offline_partitions: int | None = None


class KafkaCluster:
    """A cluster of combined controllers and brokers, on loopback. Also `async with`.

    Its processes outlive this object; whoever names the same directory has the same cluster.

    Args:
        directory: Its data, settings and logs; made when it is missing.
        brokers: How many nodes; None = as many as the directory has, or three.
        heap_mib: The largest heap of each.
        configs: Kafka's properties for every node, in addition to ours.
    """

    def __init__(
        self,
        directory: Path,
        *,
        brokers: int | None = None,
        heap_mib: int = HEAP_MIB,
        configs: Mapping[str, str] | None = None,
        distribution: Distribution | None = None,
        rand: Rand | None = None,
    ) -> None:
        if brokers is not None and not 1 <= brokers <= BROKERS_MAX:
            raise Invalid(
                "config.invalid", reason=f"brokers: 1 to {BROKERS_MAX}", pointer="/brokers"
            )
        check_configs(configs or {})
        self.directory = directory.resolve()
        self._brokers = brokers
        self._heap_mib = heap_mib
        self._configs = dict(configs or {})
        self._distribution = distribution
        self._rand = rand or Rand()

    # ---- all of it ----

    async def up(self) -> ClusterStatus:
        """Start every node that does not run; return when all of them serve.

        Raises: Invalid (no Java, no Maven); Conflict("cluster.other_size") for a directory with
            another number of brokers; Unavailable("cluster.not_up").
        """
        if self._distribution is None:
            self._distribution = await asyncio.to_thread(find_distribution)
        plan = self._prepare()
        nodes = self._nodes(plan)
        await asyncio.gather(
            *(self._format(plan, node) for node in nodes if not node.data.exists())
        )
        begun = [node for node in nodes if node.pid is None]
        for node in begun:
            self._spawn(node)
        try:
            await self._wait_up(plan, nodes)
        except BaseException:
            await self._end(begun)
            raise
        return await self.status()

    async def down(self) -> list[int]:
        """Stop every node; the ids of those that had to be killed."""
        return await self._end(self._nodes(self._plan()))

    async def status(self) -> ClusterStatus:
        """What runs, and what the cluster says of itself. Raises Invalid("cluster.none")."""
        plan = self._plan()
        nodes = [node.status() for node in self._nodes(plan)]
        told: dict[str, Any] = {}
        if any(node.pid is not None for node in nodes):
            with contextlib.suppress(SummitError):
                told = await _ask(plan.bootstrap_servers)
        return ClusterStatus(
            directory=str(self.directory),
            bootstrap_servers=plan.bootstrap_servers,
            cluster_id=plan.cluster_id,
            nodes=nodes,
            **told,
        )

    @property
    def bootstrap_servers(self) -> str:
        """Every broker's address, by commas. Raises Invalid("cluster.none")."""
        return self._plan().bootstrap_servers

    async def __aenter__(self) -> Self:
        await self.up()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.down()

    # ---- one node ----

    def kill_node(self, node_id: int) -> None:
        """End a node without a goodbye (SIGKILL)."""
        self._node(node_id).signal(signal.SIGKILL)

    async def stop_node(self, node_id: int) -> None:
        """End a node in order: its partitions go to others first."""
        await self._end([self._node(node_id)])

    async def start_node(self, node_id: int, *, wait: bool = True) -> None:
        """Start a node that does not run; return when the cluster counts it in."""
        if self._distribution is None:
            self._distribution = await asyncio.to_thread(find_distribution)
        node = self._node(node_id)
        await _gone(node, STOP_TIMEOUT_S)
        self._spawn(node)
        if wait:
            await self._wait_up(self._plan(), [node])

    # ---- small parts ----

    def _prepare(self) -> ClusterPlan:
        """The plan of the directory, made or adapted to the ports that are free."""
        self.directory.mkdir(parents=True, exist_ok=True)
        plan = load_plan(self.directory)
        if plan is None:
            plan = ClusterPlan(
                cluster_id=_cluster_id(self._rand), host=_HOST,
                nodes=_places(_HOST, self._brokers or BROKERS), configs=self._configs,
            )  # fmt: skip
        elif self._brokers not in (None, len(plan.nodes)):
            raise Conflict(
                "cluster.other_size", path=str(self.directory), brokers=len(plan.nodes),
                wanted=self._brokers,
            )  # fmt: skip
        running = [node for node in self._nodes(plan) if node.pid is not None]
        if not running:
            taken = [
                port
                for node in plan.nodes
                for port in (node.port, node.controller_port)
                if not is_free(plan.host, port)
            ]
            places = _places(plan.host, len(plan.nodes)) if taken else plan.nodes
            plan = msgspec.structs.replace(
                plan, nodes=places, configs={**plan.configs, **self._configs}
            )
            save_plan(self.directory, plan)
            for place, node in zip(plan.nodes, self._nodes(plan), strict=True):
                node.write_properties(properties_text(properties(plan, place, node.data)))
        return plan

    def _plan(self) -> ClusterPlan:
        plan = load_plan(self.directory)
        if plan is None:
            raise Invalid("cluster.none", path=str(self.directory))
        return plan

    def _nodes(self, plan: ClusterPlan) -> list[Node]:
        return [
            Node(place.id, f"{plan.host}:{place.port}", self.directory / f"node-{place.id}")
            for place in plan.nodes
        ]

    def _node(self, node_id: int) -> Node:
        for node in self._nodes(self._plan()):
            if node.id == node_id:
                return node
        raise Invalid("cluster.node_unknown", node=node_id, path=str(self.directory))

    def _spawn(self, node: Node) -> None:
        assert self._distribution is not None
        heap = ("-Xms64m", f"-Xmx{self._heap_mib}m")
        node.spawn(self._distribution, (*heap, *_JVM))

    async def _format(self, plan: ClusterPlan, node: Node) -> None:
        """Make a node's data directory one of this cluster."""
        assert self._distribution is not None
        command = self._distribution.command(
            "kafka.tools.StorageTool", "format", "--ignore-formatted",
            "--cluster-id", plan.cluster_id, "--config", str(node.properties), options=_JVM,
        )  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await process.communicate()
        if process.returncode != 0:
            lines = output.decode("utf-8", "replace").strip().splitlines() or ["no reason given"]
            raise Unavailable("cluster.not_up", reason=f"formatting node {node.id}: {lines[-1]}")

    async def _wait_up(self, plan: ClusterPlan, nodes: Sequence[Node]) -> None:
        wanted = {node.id for node in nodes}
        live: set[int] = set()
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while not wanted <= live:
                    for node in nodes:
                        if node.pid is None:
                            reason = f"node {node.id} ended: {node.last_words()}"
                            raise Unavailable("cluster.not_up", reason=reason)
                    await asyncio.sleep(_PAUSE_S)
                    with contextlib.suppress(SummitError):
                        told = await _ask(plan.bootstrap_servers)
                        live = set(told["live_brokers"])
        except TimeoutError as error:
            missing = ", ".join(map(str, sorted(wanted - live)))
            reason = f"node {missing} does not serve after {START_TIMEOUT_S:.0f} s"
            raise Unavailable("cluster.not_up", reason=reason) from error

    async def _end(self, nodes: Sequence[Node]) -> list[int]:
        """All at once: the last of them could not say goodbye to a quorum that is gone."""
        for node in nodes:
            node.signal(signal.SIGTERM)
        killed = []
        for node in nodes:
            if not await _gone(node, STOP_TIMEOUT_S):
                node.signal(signal.SIGKILL)
                killed.append(node.id)
                await _gone(node, STOP_TIMEOUT_S)
        return killed


async def _gone(node: Node, timeout_s: float) -> bool:
    """Wait until a node does not run; False when it still does."""
    try:
        async with asyncio.timeout(timeout_s):
            while node.pid is not None:
                await asyncio.sleep(_PAUSE_S)
    except TimeoutError:
        return False
    return True


async def _ask(servers: str) -> dict[str, Any]:
    """What a cluster says of itself. Raises Unavailable."""
    config = {
        "clientId": "summit-cluster", "bootstrapServers": servers,
        "connectTimeoutMs": ASK_TIMEOUT_MS, "requestTimeoutMs": ASK_TIMEOUT_MS,
    }  # fmt: skip
    async with ClusterAdmin(config) as admin:
        described = await admin.describe_cluster()
        states = await admin.partition_states()
    return {
        "controller": described.controller_id,
        "live_brokers": [broker.id for broker in described.live],
        "under_replicated_partitions": sum(state.is_under_replicated for state in states),
        "offline_partitions": sum(state.is_offline for state in states),
    }


def _places(host: str, count: int) -> list[NodePlace]:
    ports = free_ports(host, 2 * count)
    return [
        NodePlace(id=n + 1, port=ports[2 * n], controller_port=ports[2 * n + 1])
        for n in range(count)
    ]


def _cluster_id(rand: Rand) -> str:
    """An id as Kafka writes them; one that begins with a dash would be taken for an option."""
    return "S" + base64.urlsafe_b64encode(rand.bytes(16)).decode()[1:22]
