"""The figures of the streaming service: the guide's StreamMetrics, the worker's lag, Prometheus."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from summit.base.errors import Invalid, SummitError
from summit.client import TopicPartition
from summit.flow.placement import carrier
from summit.flow.settings import WORKERS_GROUP
from summit.journal.inputs import TopicFilter
from summit.journal.progress_record import partition_name
from summit.journal.topics import EXCHANGE_TOPIC
from summit.services import kafka_names
from summit.services.cluster_watch import ClusterWatch
from summit.services.kafka_figures import KafkaFigures, KafkaLooker
from summit.services.metrics_feed import MetricsReader
from summit.services.node import Node
from summit.services.prometheus_text import Families, prometheus_response
from summit.services.service_families import LogFamilies
from summit.services.worker_families import WorkerSample, of_workers
from summit.web import Response

_RATES = {
    "messagesInPerSec": "messages_in_per_s",
    "messagesOutPerSec": "messages_out_per_s",
    "bytesInPerSec": "bytes_in_per_s",
    "bytesOutPerSec": "bytes_out_per_s",
    "producerRequestRate": "produce_requests_per_s",
    "consumerRequestRate": "fetch_requests_per_s",
}
_BEHIND = {
    "lagBytes": "Bytes of the source's log that are not written yet",
    "retainedBytes": "Bytes of log that the source keeps for the collector",
    "warnings": "Warnings in the collector's status",
}
# Under the names that Kafka's own exporters use, so that dashboards for Kafka show them.
_KAFKA_GAUGES = {
    "underReplicatedPartitions": (
        "kafka_server_replicamanager_underreplicatedpartitions", "Partitions short of replicas",
    ),
    "offlinePartitionsCount": (
        "kafka_controller_kafkacontroller_offlinepartitionscount", "Partitions without a leader",
    ),
    "activeControllerCount": (
        "kafka_controller_kafkacontroller_activecontrollercount", "Elected controllers",
    ),
}  # fmt: skip


class ServiceMetrics:
    """Reads figures when they are asked for.

    Args:
        node: For offsets, topics and the worker's progress.
        broker: The broker's own figures.
    """

    def __init__(self, node: Node, broker: MetricsReader) -> None:
        self._node = node
        self._broker = broker
        self._watch = ClusterWatch(node.admin, node.clock)
        self._looker = KafkaLooker(node.admin, node.clock)

    async def stop(self) -> None:
        """Look at nothing any more."""
        await self._watch.stop()

    async def read(self) -> dict[str, Any]:
        """StreamMetrics with more members. What nobody can tell is null."""
        figures = self._broker.figures()
        return {
            **(await self._of_cluster() if figures is None else await self._of_broker(figures)),
            "worker": await self._worker(),
            "collectors": {
                status.name: {
                    "state": status.state, "accepted": status.accepted,
                    "rejected": status.rejected, "bytes": status.bytes,
                    "deadLetters": status.dead_letters, "sampled": status.sampled,
                    **status.rates, **_behind(status.details),
                }
                for status in (c.status() for c in self._node.collectors.list())
            },
            "groups": None if figures is None else figures.get("groups"),
        }  # fmt: skip

    async def prometheus(self, *more: Families) -> Response:
        """The same as Prometheus text, with more families."""
        figures = await self.read()
        seen = await self._looker.figures()
        of_log = [] if seen is None else [LogFamilies(seen)]
        return prometheus_response(
            StreamingFamilies(figures, self._broker.figures(), seen, await self._workers(seen)),
            *of_log, *more,
        )  # fmt: skip

    async def _of_broker(self, figures: Mapping[str, Any]) -> dict[str, Any]:
        """StreamMetrics of an embedded broker, which tells them itself."""
        states = await self._node.admin.partition_states()
        return {
            **{name: figures.get(source) for name, source in _RATES.items()},
            # One node copies nothing and elects nobody: these are facts, not gaps.
            "replicationBytesInPerSec": 0.0,
            "replicationBytesOutPerSec": 0.0,
            "underReplicatedPartitions": figures.get("under_replicated_partitions"),
            "offlinePartitionsCount": sum(state.is_offline for state in states),
            "activeControllerCount": 1,
            "leaderElectionRate": 0.0,
            "uncleanLeaderElectionsPerSec": 0.0,
        }

    async def _of_cluster(self) -> dict[str, Any]:
        """StreamMetrics of a cluster, as far as a client sees them."""
        seen = await self._watch.figures()
        unseen = dict.fromkeys(
            (*_RATES, "replicationBytesInPerSec", "replicationBytesOutPerSec",
             "underReplicatedPartitions", "offlinePartitionsCount", "activeControllerCount",
             "leaderElectionRate", "uncleanLeaderElectionsPerSec")
        )  # fmt: skip
        if seen is None:
            return unseen
        return {
            **unseen,
            "messagesInPerSec": seen.messages_in_per_s,
            "bytesInPerSec": seen.bytes_in_per_s,
            # What followers take in is what leaders give out.
            "replicationBytesInPerSec": seen.replication_bytes_per_s,
            "replicationBytesOutPerSec": seen.replication_bytes_per_s,
            "underReplicatedPartitions": seen.under_replicated_partitions,
            "offlinePartitionsCount": seen.offline_partitions,
            "activeControllerCount": seen.controllers,
            "leaderElectionRate": seen.leader_elections_per_s,
        }

    async def _worker(self) -> dict[str, Any]:
        progress = self._node.alerts.progress
        last, positions = progress.last, progress.positions()
        members = await self._members()
        if last is None:
            return {"active": False, "members": members, "lagRecords": None, "topics": {}}
        reads = TopicFilter(last.reads)
        topics = [topic for topic in await self._node.admin.list_topics() if reads.reads(topic)]
        lags = dict(zip(
            topics,
            await asyncio.gather(*(self._lag(topic, positions) for topic in topics)),
            strict=True,
        ))  # fmt: skip
        return {
            "active": members is None or members > 0, "id": last.worker, "members": members,
            "lagRecords": sum(lags.values()), "topics": lags,
        }  # fmt: skip

    async def _workers(self, seen: KafkaFigures | None) -> list[WorkerSample]:
        """What the workers that live have told last, and how far each is behind."""
        try:
            members = (await self._node.admin.describe_group(WORKERS_GROUP)).members
        except SummitError:
            return []
        alive = {member.member_id for member in members}
        commits = {} if seen is None else seen.commits.get(WORKERS_GROUP, {})
        offsets = {} if seen is None else seen.offsets
        lags = {
            where: max(0, offsets[where][1] - max(at, offsets[where][0]))
            for where, at in commits.items() if where in offsets
        }  # fmt: skip
        samples = []
        for told in self._node.alerts.progress.told.values():
            if told.figures is None or told.figures.member not in alive:
                continue
            held = set(told.groups)
            inputs = {
                partition_name(*where): lag for where, lag in lags.items()
                if where.topic != EXCHANGE_TOPIC and carrier(*where) in held
            }  # fmt: skip
            sent = [lags.get(TopicPartition(EXCHANGE_TOPIC, group), 0) for group in held]
            samples.append(WorkerSample(told.figures, len(held), inputs, sum(sent)))
        return samples

    async def _members(self) -> int | None:
        """How many workers there are, those that stand by included; None when nobody says."""
        try:
            return len((await self._node.admin.describe_group(WORKERS_GROUP)).members)
        except Invalid:
            return None

    async def _lag(self, topic: str, positions: Mapping[str, int]) -> int:
        """Records of a topic that no worker has matched yet."""
        try:
            offsets = await self._node.admin.offsets(topic)
        except Invalid:
            return 0  # deleted meanwhile
        return sum(
            max(0, end - max(positions.get(partition_name(topic, p), 0), start))
            for p, (start, end) in offsets.items()
        )


class StreamingFamilies:
    """One reading as Prometheus families."""

    def __init__(
        self,
        figures: dict[str, Any],
        of_broker: Mapping[str, Any] | None,
        seen: KafkaFigures | None,
        workers: list[WorkerSample],
    ) -> None:
        self._figures = figures
        self._of_broker = of_broker
        self._seen = seen
        self._workers = workers

    def collect(self) -> Any:
        for name in (*_RATES, "replicationBytesInPerSec"):
            if self._figures[name] is not None:
                gauge = GaugeMetricFamily(f"summit_{_snake(name)}", f"{name} over 10 seconds")
                gauge.add_metric([], self._figures[name])
                yield gauge
        for name, (family, text) in _KAFKA_GAUGES.items():
            if self._figures[name] is not None:
                gauge = GaugeMetricFamily(family, text)
                gauge.add_metric([], self._figures[name])
                yield gauge
        if self._of_broker is not None:
            yield from kafka_names.of_broker(self._of_broker)
        if self._seen is not None:
            yield from kafka_names.of_partitions(self._seen)
        lag = GaugeMetricFamily(
            "summit_worker_lag", "Records that no rule has seen yet", labels=["topic"]
        )
        for topic, records in self._figures["worker"]["topics"].items():
            lag.add_metric([topic], records)
        yield lag
        yield from of_workers(self._workers)
        up = GaugeMetricFamily(
            "summit_collector_up", "Whether the collector takes events", labels=["collector"]
        )
        for name, status in self._figures["collectors"].items():
            up.add_metric([name], float(status["state"] == "running"))
        yield up
        for member in ("accepted", "rejected", "bytes", "deadLetters", "sampled"):
            counter = CounterMetricFamily(
                f"summit_collector_{_snake(member)}", f"{member} by collectors",
                labels=["collector"],
            )  # fmt: skip
            for name, status in self._figures["collectors"].items():
                counter.add_metric([name], status[member])
            yield counter
        for member, text in _BEHIND.items():
            gauge = GaugeMetricFamily(
                f"summit_collector_{_snake(member)}", text, labels=["collector"]
            )
            for name, status in self._figures["collectors"].items():
                if member in status:
                    gauge.add_metric([name], status[member])
            yield gauge


def _behind(details: Mapping[str, Any]) -> dict[str, int]:
    """How far a collector is behind its source, and of how much it warns; where it says so."""
    found = {name: details[name] for name in _BEHIND if isinstance(details.get(name), int)}
    if "warnings" in details:
        found["warnings"] = len(details["warnings"])
    return found


def _snake(name: str) -> str:
    """`messagesInPerSec` as `messages_in_per_second`."""
    text = "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
    return text.removesuffix("_sec") + "_second" if text.endswith("_sec") else text
