"""Writes docs/metrics.md: every metric that Summit exposes, from the code that exposes it.

.venv/bin/python tools/metrics_list.py [--check]
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector

from summit.broker.metrics import TopicCounters
from summit.journal.worker_figures import RuleFigures, WorkerFigures
from summit.services.kafka_figures import KafkaFigures
from summit.services.metrics import StreamingFamilies
from summit.services.prometheus_text import Capped, Families
from summit.services.service_families import LogFamilies, NodeFamilies, NodeFigures, Requests
from summit.services.worker_families import WorkerSample, of_workers

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "metrics.md"
_HEAD = """# Metrics

Prometheus' text form. The streaming service (`GET /metrics`, port 3000) tells of brokers, topics,
groups, workers and collectors; the correlation service (`GET /metrics`, port 3001) of alerts,
notices and definitions; a worker with `--metrics-port` of itself. Each adds `process_*` of its own
process, `summit_build_info` and how long its answers took.

- A counter's sample ends in `_total`, a histogram has `_bucket`, `_count` and `_sum`; durations are
  seconds, sizes bytes.
- Counters of workers and brokers count from their start; those of the log (`summit_dead_letters`,
  `summit_late_events`) are ever.
- A family shows at most 5,000 series; `summit_metrics_hidden_series` tells what is beyond.
- `kafka_*` have the names that dashboards for Apache Kafka look for.
- [Alert rules](../deploy/prometheus/alerts.yml) and [dashboards](../deploy/grafana) are over these;
  tests hold both to this list, and this list to the code (`tools/metrics_list.py` writes it).
"""
_FIGURES: dict[str, Any] = {
    **dict.fromkeys(
        ("messagesInPerSec", "messagesOutPerSec", "bytesInPerSec", "bytesOutPerSec",
         "producerRequestRate", "consumerRequestRate", "replicationBytesInPerSec",
         "underReplicatedPartitions", "offlinePartitionsCount", "activeControllerCount"), 0.0,
    ),
    "worker": {"topics": {}},
    "collectors": {},
}  # fmt: skip
_OF_BROKER: dict[str, Any] = {"by_topic": {"t": TopicCounters().told()}}


class Listed(NamedTuple):
    """One family: name without a suffix, kind, labels, text, and who exposes it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    text: str
    place: str


class _Workers:
    def collect(self) -> Iterator[Any]:
        worker = WorkerFigures(id="w", rules={"r": RuleFigures()})
        return of_workers([WorkerSample(worker, 0, {"t/0": 0}, 0)])


def listed() -> list[Listed]:
    """Every family of every place, in the order in which it is exposed; each once."""
    seen = KafkaFigures(1, {}, {}, {})
    nothing = NodeFigures({}, {}, {}, {}, {}, 0, 0, (0, 0))
    registry = CollectorRegistry(auto_describe=False)
    places: list[tuple[str, Iterable[Families]]] = [
        ("streaming", [StreamingFamilies(_FIGURES, _OF_BROKER, seen, []), LogFamilies(seen)]),
        ("correlation", [NodeFamilies(nothing)]),
        ("worker", [_Workers()]),
        ("all", [Requests("s"), ProcessCollector(registry=registry)]),
    ]
    found: dict[str, Listed] = {}
    for place, families in places:
        for family in Capped(*families).collect():
            labels = tuple(getattr(family, "_labelnames", ()) or _labels_of(family))
            known = found.get(family.name)
            where = place
            if known is not None:
                where = known.place if place == "all" else f"{known.place}, {place}"
            if family.name in ("summit_build_info", "summit_metrics_hidden_series"):
                where = "all"
            found[family.name] = Listed(
                family.name, family.type, labels, family.documentation, where
            )
    return list(found.values())


def _labels_of(family: Any) -> list[str]:
    names = dict.fromkeys(name for sample in family.samples for name in sample.labels)
    return [name for name in names if name != "le"]


def document() -> str:
    """The whole document."""
    rows = [
        f"| `{each.name}` | {each.kind} | {', '.join(f'`{label}`' for label in each.labels)} |"
        f" {each.place} | {each.text} |"
        for each in sorted(listed())
    ]
    table = ["| metric | kind | labels | exposed by | meaning |", "|---|---|---|---|---|", *rows]
    return _HEAD + "\n" + "\n".join(table) + "\n"


if __name__ == "__main__":
    if "--check" in sys.argv:
        if DOCUMENT.read_text(encoding="utf-8") != document():
            sys.exit("docs/metrics.md is not what the code exposes: run tools/metrics_list.py")
    else:
        DOCUMENT.write_text(document(), encoding="utf-8")
