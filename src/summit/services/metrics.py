"""The figures of the streaming service: the guide's StreamMetrics, the worker's lag, Prometheus."""

from __future__ import annotations

import asyncio
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from summit.journal.progress_record import partition_name, split_partition_name
from summit.services.metrics_feed import MetricsReader
from summit.services.node import Node

MEDIA = "text/plain; version=0.0.4; charset=utf-8"
_RATES = {
    "messagesInPerSec": "messages_in_per_s",
    "messagesOutPerSec": "messages_out_per_s",
    "bytesInPerSec": "bytes_in_per_s",
    "bytesOutPerSec": "bytes_out_per_s",
    "producerRequestRate": "produce_requests_per_s",
    "consumerRequestRate": "fetch_requests_per_s",
}


class ServiceMetrics:
    """Reads figures when they are asked for.

    Args:
        node: For offsets, topics and the worker's progress.
        broker: The broker's own figures.
    """

    def __init__(self, node: Node, broker: MetricsReader) -> None:
        self._node = node
        self._broker = broker

    async def read(self) -> dict[str, Any]:
        """StreamMetrics with more members. What nobody can tell is null."""
        figures = self._broker.figures() or {}
        rates = {name: figures.get(source) for name, source in _RATES.items()}
        partitions = await self._partitions()
        return {
            **rates,
            # One node copies nothing and elects nobody: these are facts, not gaps.
            "replicationBytesInPerSec": 0.0,
            "replicationBytesOutPerSec": 0.0,
            "underReplicatedPartitions": sum(len(p.isr) < len(p.replicas) for p in partitions),
            "offlinePartitionsCount": sum(p.leader < 0 for p in partitions),
            "activeControllerCount": 1,
            "leaderElectionRate": 0.0,
            "uncleanLeaderElectionsPerSec": 0.0,
            "worker": await self._worker(),
            "collectors": {
                status.name: {
                    "state": status.state, "accepted": status.accepted,
                    "rejected": status.rejected, "bytes": status.bytes,
                }
                for status in (c.status() for c in self._node.collectors.list())
            },
            "groups": figures.get("groups"),
        }  # fmt: skip

    async def prometheus(self) -> tuple[str, str]:
        """The same as Prometheus text, and its media type."""
        figures = await self.read()
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Families(figures))
        return generate_latest(registry).decode(), MEDIA

    async def _partitions(self) -> list[Any]:
        topics = await self._node.admin.describe_topics()
        return [partition for topic in topics for partition in topic.partitions]

    async def _worker(self) -> dict[str, Any]:
        last = self._node.alerts.progress.last
        if last is None:
            return {"active": False, "lagRecords": None, "topics": {}}
        names = {split_partition_name(name)[0] for name in last.positions}
        known = set(await self._node.admin.list_topics())
        topics = sorted(names & known)
        offsets = await asyncio.gather(*(self._node.admin.offsets(topic) for topic in topics))
        lags: dict[str, int] = {}
        for topic, partitions in zip(topics, offsets, strict=True):
            lags[topic] = sum(
                max(0, end - max(last.positions.get(partition_name(topic, p), 0), start))
                for p, (start, end) in partitions.items()
            )
        return {
            "active": True, "id": last.worker, "lagRecords": sum(lags.values()), "topics": lags,
        }  # fmt: skip


class _Families:
    """One reading as Prometheus families."""

    def __init__(self, figures: dict[str, Any]) -> None:
        self._figures = figures

    def collect(self) -> Any:
        for name in _RATES:
            if self._figures[name] is not None:
                gauge = GaugeMetricFamily(f"summit_{_snake(name)}", f"{name} over 10 seconds")
                gauge.add_metric([], self._figures[name])
                yield gauge
        under = GaugeMetricFamily(
            "kafka_server_replicamanager_underreplicatedpartitions", "Partitions short of replicas"
        )
        under.add_metric([], self._figures["underReplicatedPartitions"])
        yield under
        lag = GaugeMetricFamily(
            "kafka_consumergroup_lag", "Records not yet read", labels=["consumergroup", "topic"]
        )
        for topic, records in self._figures["worker"]["topics"].items():
            lag.add_metric(["summit-workers", topic], records)
        yield lag
        for member in ("accepted", "rejected", "bytes"):
            counter = CounterMetricFamily(
                f"summit_collector_{member}", f"{member} by collectors", labels=["collector"]
            )
            for name, status in self._figures["collectors"].items():
                counter.add_metric([name], status[member])
            yield counter


def _snake(name: str) -> str:
    """`messagesInPerSec` as `messages_in_per_second`."""
    text = "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
    return text.removesuffix("_sec") + "_second" if text.endswith("_sec") else text
