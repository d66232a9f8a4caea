"""Figures as Prometheus families, under the names that dashboards for Apache Kafka look for.

`kafka_server_…`, `kafka_network_…`, `kafka_log_…`, `kafka_controller_…` are what the JMX exporter
makes of Kafka's own figures with the rules that come with it; `kafka_consumergroup_…` and
`kafka_topic_partition_…` are those of the exporters that ask a cluster as a client. Counters are
since the broker's start. What only a broker itself counts is absent for an Apache Kafka cluster,
which has exporters of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from summit.services.kafka_figures import KafkaFigures
from summit.services.prometheus_text import histogram

# Kafka's name, ours in the broker's figures, text; each with and without the topic.
_TOPIC_COUNTERS: Final = (
    ("messagesin", "messages_in", "Records taken"),
    ("bytesin", "bytes_in", "Bytes of batches taken"),
    ("bytesout", "bytes_out", "Bytes of batches given to consumers"),
    ("failedproducerequests", "failed_produce_requests", "Batches refused"),
    ("failedfetchrequests", "failed_fetch_requests", "Partitions that a fetch could not read"),
)
_BROKER_COUNTERS: Final = (
    ("totalproducerequests", "produce_requests", "Produce requests"),
    ("totalfetchrequests", "fetch_requests", "Fetch requests"),
)


def of_broker(figures: Mapping[str, Any]) -> Iterator[Metric]:
    """What an embedded broker counts itself."""
    topics: Mapping[str, Mapping[str, int]] = figures.get("by_topic", {})
    for name, ours, text in _TOPIC_COUNTERS:
        family = _counter(f"kafka_server_brokertopicmetrics_{name}", text, figures.get(ours, 0))
        # As the JMX exporter has it: the sample without a topic is of all of them.
        for topic, counters in topics.items():
            family.add_sample(f"{family.name}_total", {"topic": topic}, counters[ours])
        yield family
    for name, ours, text in _BROKER_COUNTERS:
        yield _counter(f"kafka_server_brokertopicmetrics_{name}", text, figures.get(ours, 0))
    requests = CounterMetricFamily(
        "kafka_network_requestmetrics_requests", "Requests served", labels=["request"]
    )
    for api, count in figures.get("by_api", {}).items():
        requests.add_metric([api], count)
    yield requests
    yield _counter(
        "summit_broker_unreadable_requests", "Requests that could not be understood",
        figures.get("failed_requests", 0),
    )  # fmt: skip
    yield histogram(
        "summit_broker_commit_duration_seconds",
        "From a group of writes being sealed to its being on the disk (durability fsync)",
        [], [([], figures.get("commit_took", []))],
    )  # fmt: skip
    yield _gauge(
        "kafka_server_socket_server_metrics_connection_count", "Open connections",
        figures.get("connections", 0),
    )  # fmt: skip
    yield _gauge(
        "kafka_server_replicamanager_partitioncount", "Partitions", figures.get("partitions", 0)
    )
    yield _gauge(
        "kafka_server_replicamanager_leadercount", "Partitions led", figures.get("partitions", 0)
    )


def of_partitions(seen: KafkaFigures) -> Iterator[Metric]:
    """What every client can see: sizes, offsets, lag."""
    yield _gauge("kafka_brokers", "Brokers that live", seen.brokers)
    topics = {where.topic for where in seen.offsets}
    yield _gauge("kafka_controller_kafkacontroller_globaltopiccount", "Topics", len(topics))
    yield _gauge(
        "kafka_controller_kafkacontroller_globalpartitioncount", "Partitions", len(seen.offsets)
    )
    yield _gauge(
        "kafka_coordinator_group_groupmetadatamanager_numgroups", "Groups", len(seen.commits)
    )
    labels = ["topic", "partition"]
    size = GaugeMetricFamily("kafka_log_log_size", "Bytes on the disk", labels=labels)
    for where, size_bytes in seen.sizes.items():
        size.add_metric([where.topic, str(where.partition)], size_bytes)
    yield size
    for at, names, text in (
        (0, ("kafka_log_log_logstartoffset", "kafka_topic_partition_oldest_offset"), "First kept"),
        (1, ("kafka_log_log_logendoffset", "kafka_topic_partition_current_offset"), "Next"),
    ):
        for name in names:
            family = GaugeMetricFamily(name, f"{text} offset", labels=labels)
            for where, pair in seen.offsets.items():
                family.add_metric([where.topic, str(where.partition)], pair[at])
            yield family
    yield from _groups(seen)


def _groups(seen: KafkaFigures) -> Iterator[Metric]:
    labels = ["consumergroup", "topic", "partition"]
    offset = GaugeMetricFamily("kafka_consumergroup_current_offset", "Committed", labels=labels)
    lag = GaugeMetricFamily("kafka_consumergroup_lag", "Records not yet read", labels=labels)
    total = GaugeMetricFamily(
        "kafka_consumergroup_lag_sum", "Records not yet read of a topic", labels=labels[:2]
    )
    for group, commits in seen.commits.items():
        sums: dict[str, int] = {}
        for where, committed in commits.items():
            names = [group, where.topic, str(where.partition)]
            offset.add_metric(names, committed)
            pair = seen.offsets.get(where)
            if pair is None:
                continue  # of a topic that is deleted
            behind = max(0, pair[1] - max(committed, pair[0]))
            lag.add_metric(names, behind)
            sums[where.topic] = sums.get(where.topic, 0) + behind
        for topic, behind in sums.items():
            total.add_metric([group, topic], behind)
    yield offset
    yield lag
    yield total


def _counter(name: str, text: str, value: float) -> Metric:
    family = CounterMetricFamily(name, text)
    family.add_metric([], value)
    return family


def _gauge(name: str, text: str, value: float) -> Metric:
    family = GaugeMetricFamily(name, text)
    family.add_metric([], value)
    return family
