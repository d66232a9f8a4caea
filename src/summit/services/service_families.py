"""Families of the services: requests, alerts, notices, definitions, dead letters, disks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from summit.base.histogram import Histogram
from summit.client import dead_letter_topic
from summit.journal.topics import LATE_TOPIC
from summit.services.kafka_figures import KafkaFigures
from summit.services.node import Node
from summit.services.prometheus_text import histogram

_DEFINED: Final = (
    "pattern", "correlation", "query", "filter", "transformation", "enrichment", "route",
    "notification", "collector",
)  # fmt: skip
_ALERT_COUNTERS: Final = (
    ("duplicates", "summit_alerts_duplicate", "Alerts that stand for an earlier one"),
    ("suppressed", "summit_alerts_suppressed", "Matches that an earlier alert stands for"),
)
_ALERT_GAUGES: Final = (
    ("openAlerts", "summit_alerts_open", "Alerts that are not resolved"),
    ("openCases", "summit_cases_open", "Cases that are not closed"),
    ("silences", "summit_silences", "Silences in force"),
)


class Requests:
    """How long a service's answers took, by route, method and status."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._took: dict[tuple[str, str, str], Histogram] = {}

    def add(self, method: str, route: str, status: int, took_ms: float) -> None:
        """An answer has begun."""
        key = (method if method.isupper() and len(method) <= 7 else "other", route, str(status))
        self._took.setdefault(key, Histogram()).add(took_ms)

    def collect(self) -> Iterator[Metric]:
        """The family."""
        yield histogram(
            "summit_http_request_duration_seconds", "From a request to the begin of its answer",
            ["service", "method", "route", "status"],
            [([self._service, *key], took.told()) for key, took in self._took.items()],
        )  # fmt: skip


class NodeFigures(NamedTuple):
    """What a node knows of alerts, notices and definitions, at one moment.

    Attributes:
        severities: Alerts of the view by severity.
        desk: Counts of the alert desk, by the names of the wire.
        counters: What the desk has counted.
        notices: By notification, told and failed.
        definitions: In force, by kind.
        live: Clients that follow streams, and how many were cut because they read too slowly.
    """

    severities: Mapping[str, int]
    desk: Mapping[str, int]
    counters: Mapping[str, int]
    notices: Mapping[str, tuple[int, int]]
    definitions: Mapping[str, int]
    groups: int
    sequences: int
    live: tuple[int, int]

    @classmethod
    def of(cls, node: Node) -> NodeFigures:
        """Those of a node now."""
        desk = node.desk.desk
        return cls(
            severities=node.index.severities(), desk=desk.figures(),
            counters=desk.state.counters,
            notices={name: (each.sent, each.failed) for name, each in desk.state.channels.items()},
            definitions={kind: len(node.definitions.log.registered(kind)) for kind in _DEFINED},
            groups=len(node.correlations.view), sequences=node.alerts.progress.runs,
            live=(node.streams.clients, node.streams.cut),
        )  # fmt: skip


class NodeFamilies:
    """Alerts, notices, definitions and live results as families."""

    def __init__(self, figures: NodeFigures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """The families."""
        seen = self._figures
        alerts = GaugeMetricFamily("summit_alerts", "Alerts at hand", labels=["severity"])
        for severity, count in seen.severities.items():
            alerts.add_metric([severity], count)
        yield alerts
        for ours, name, text in _ALERT_GAUGES:
            yield _gauge(name, text, seen.desk.get(ours, 0))
        for ours, name, text in _ALERT_COUNTERS:
            yield _counter(name, text, seen.counters.get(ours, 0))
        for at, word in enumerate(("sent", "failed")):
            notices = CounterMetricFamily(
                f"summit_notifications_{word}", f"Notices {word}", labels=["notification"]
            )
            for name, counts in seen.notices.items():
                notices.add_metric([name], counts[at])
            yield notices
        defined = GaugeMetricFamily("summit_definitions", "Definitions in force", labels=["kind"])
        for kind, count in seen.definitions.items():
            defined.add_metric([kind], count)
        yield defined
        yield _gauge("summit_correlation_groups", "Correlated groups at hand", seen.groups)
        yield _gauge("summit_sequences_active", "Unfinished matches", seen.sequences)
        yield _gauge("summit_live_clients", "Clients that follow streams", seen.live[0])
        yield _counter("summit_live_clients_cut", "Clients cut: they read too slowly", seen.live[1])


class LogFamilies:
    """What the log tells of itself: dead letters, late events, disks."""

    def __init__(self, seen: KafkaFigures) -> None:
        self._seen = seen

    def collect(self) -> Iterator[Metric]:
        """The families."""
        suffix = dead_letter_topic("")
        letters: dict[str, int] = {}
        late = 0
        for where, (_, end) in self._seen.offsets.items():
            if where.topic.endswith(suffix):
                name = where.topic.removesuffix(suffix)
                letters[name] = letters.get(name, 0) + end
            elif where.topic == LATE_TOPIC:
                late += end
        family = CounterMetricFamily(
            "summit_dead_letters", "Records that could not be processed, ever", labels=["topic"]
        )
        for name, count in letters.items():
            family.add_metric([name], count)
        yield family
        yield _counter("summit_late_events", "Records of the topic of late events, ever", late)
        for at, word in enumerate(("free", "size")):
            disk = GaugeMetricFamily(
                f"summit_disk_{word}_bytes", f"Of the volume of a log directory: {word}",
                labels=["broker", "path"],
            )  # fmt: skip
            for (broker, path), sizes in self._seen.disks.items():
                disk.add_metric([str(broker), path], sizes[at])
            yield disk


def _gauge(name: str, text: str, value: float) -> Metric:
    family = GaugeMetricFamily(name, text)
    family.add_metric([], value)
    return family


def _counter(name: str, text: str, value: float) -> Metric:
    family = CounterMetricFamily(name, text)
    family.add_metric([], value)
    return family
